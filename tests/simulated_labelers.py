"""Labelers who rank by Plackett-Luce, among them some who should be noticed."""

import numpy as np

from app.agreement.behaviour.evidence import Work

RESPONSES = 6
# With a prompt's difficulty exp(0.5 N(0, 1)), two honest labelers then agree on 72.6% of the pairs
# and the share of a prompt has an SD of 0.169 (statistics.md B.12).
QUALITY_SD, DIFFICULTY_SPREAD = 1.666, 0.5
POSITION_PULL = 1.6  # logits per place: the place weighs more than the quality

HONEST = 20
CARELESS, REVERSED, POSITION_BIASED, DRIFTING = range(HONEST, HONEST + 4)
LABELERS = HONEST + 4


def qualities(rng, slates):
    """(slates, K) true qualities in logits."""
    difficulty = np.exp(DIFFICULTY_SPREAD * rng.normal(size=(slates, 1)))
    return QUALITY_SD * difficulty * rng.normal(size=(slates, RESPONSES))


def ranks_by(rng, scores):
    """(n, K) ranks by Plackett-Luce: the order of scores with Gumbel noise."""
    noisy = scores + rng.gumbel(size=scores.shape)
    return (np.argsort(np.argsort(-noisy, axis=1), axis=1) + 1).astype(np.int8)


def schedule(turns):
    """(turns * pairs, 2) labelers: in each turn everybody shares one slate, each pair in its turn.

    The circle method: one stays and the others move on by a seat.
    """
    circle = np.arange(1, LABELERS)
    seats = [np.r_[0, np.roll(circle, turn)] for turn in range(turns)]
    half = LABELERS // 2
    return np.concatenate([np.stack([one[:half], one[: half - 1 : -1]], axis=1) for one in seats])


def simulate(rng, *, turns, drift_from):
    """Everybody's labels: in each turn a shared slate, one of gold and one that is repeated.

    Args:
        rng: where chance comes from.
        turns: how many of each.
        drift_from: the turn at which the drifting labeler begins to rank at random.
    """
    pairs, everyone = schedule(turns), np.arange(LABELERS)
    half = LABELERS // 2
    labeler = np.concatenate([pairs.ravel(), np.tile(everyone, turns), np.tile(everyone, turns)])
    shared = np.repeat(np.arange(len(pairs)), 2)
    gold = len(pairs) + np.repeat(np.arange(turns), LABELERS)
    own = len(pairs) + turns + np.arange(turns * LABELERS)
    slate = np.concatenate([shared, gold, own])
    turn = np.concatenate([shared // half, gold - len(pairs), (own - own[0]) // LABELERS])
    order = np.argsort(turn, kind="stable")
    labeler, slate, turn = labeler[order], slate[order], turn[order]
    again = np.flatnonzero(slate >= own[0])
    labeler, slate, turn = (np.r_[one, one[again]] for one in (labeler, slate, turn))
    repeat_of = np.r_[np.full(len(order), -1), again]

    quality = qualities(rng, slate.max() + 1)
    positions = np.argsort(rng.random((len(slate), RESPONSES)), axis=1).astype(np.int8) + 1
    scores = quality[slate]
    scores[labeler == POSITION_BIASED] -= POSITION_PULL * positions[labeler == POSITION_BIASED]
    scores[labeler == REVERSED] *= -1
    scores[(labeler == CARELESS) | ((labeler == DRIFTING) & (turn >= drift_from))] = 0
    ranks = ranks_by(rng, scores)

    # Gold says which two are best and which two are worst.
    known = np.argsort(np.argsort(-quality, axis=1), axis=1) // 2 + 1
    is_gold = (slate >= len(pairs)) & (slate < own[0])
    n = len(slate)
    return Work(
        labelers=LABELERS,
        labeler=labeler,
        slate=slate,
        prompt=slate,
        ranks=ranks,
        ratings=(8 - ranks).astype(np.int8),
        positions=positions,
        active_ms=rng.lognormal(np.log(200_000), 0.3, n),
        words=rng.integers(600, 1200, n),
        long_shown=np.full(n, 2),
        long_opened=rng.integers(0, 3, n),
        is_shared=slate < len(pairs),
        is_researcher=np.zeros(n, dtype=np.bool_),
        gold=np.where(is_gold[:, None], known[slate], 0).astype(np.int8),
        repeat_of=repeat_of,
    )
