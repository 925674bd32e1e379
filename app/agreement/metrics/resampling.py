"""Draws with replacement, as counts of how often each was drawn: pure."""

import numpy as np

from app.agreement.metrics.arrays import Floats, Integers

DRAWS_AT_ONCE = 50


def draws(generator: np.random.Generator, times: int, among: int) -> Floats:
    """(times, among) how often each was drawn, of as many as there are."""
    drawn = generator.integers(0, among, size=(times, among))
    cells = drawn + among * np.arange(times)[:, None]
    counted = np.bincount(cells.ravel(), minlength=times * among)
    return counted.reshape(times, among).astype(np.float64)


def batches(resamples: int) -> list[int]:
    """Numbers of draws to make at once, so that memory holds them."""
    full, rest = divmod(resamples, DRAWS_AT_ONCE)
    return [DRAWS_AT_ONCE] * full + ([rest] if rest else [])


def codes(values: Integers) -> Integers:
    """The same with numbers from 0 on."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
