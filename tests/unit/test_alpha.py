"""Krippendorff's alpha at all levels: V06, V07, V08, V11, and that of the package of its name."""

from itertools import combinations

import krippendorff
import numpy as np
import pytest

from app.agreement.metrics.alpha import alpha_of, pair_coincidences, rating_coincidences
from app.agreement.metrics.labels import no_labels
from tests.label_columns import Label, columns
from tests.vectors import VECTORS

LEVELS = ("nominal", "ordinal", "interval")
F1 = [
    Label(prompt, prompt, labeler, tuple(ranks), tuple(ranks.values()))
    for prompt, labelers in VECTORS["V01"]["input"]["rankings"].items()
    for labeler, ranks in labelers.items()
]


def rating_alpha(rows, *, level):
    """Alpha of one slate of as many responses as there are columns, by as many labelers as rows."""
    responses = tuple(range(len(rows[0])))
    ranks = (1,) * len(responses)
    labels = columns(
        [Label("p", "s", str(i), responses, ranks, tuple(row)) for i, row in enumerate(rows)]
    )
    return alpha_of(rating_coincidences(labels, labels.prompt, level=level))


def pair_alpha(given, **settings):
    labels = columns(given)
    return alpha_of(pair_coincidences(labels, labels.prompt, **settings))


@pytest.mark.parametrize("level", LEVELS)
def test_v06_krippendorffs_example(level):
    found = rating_alpha(VECTORS["V06"]["input"]["data"], level=level)

    assert found.value == pytest.approx(VECTORS["V06"]["expected"][level], abs=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_v08_alpha_of_ratings(level):
    found = rating_alpha(VECTORS["V08"]["input"]["ratings"], level=level)

    assert found.value == pytest.approx(VECTORS["V08"]["expected"][level], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("nominal_symmetrised", {}),
        ("ordinal_symmetrised", {"level": "ordinal"}),
        ("nominal_symmetrised_ties_missing", {"ties_count": False}),
    ],
)
def test_v07_alpha_of_pair_labels_is_symmetrized(name, settings):
    found = pair_alpha(F1, **settings)

    assert found.value == pytest.approx(VECTORS["V07"]["expected"][f"alpha_{name}"], abs=1e-6)


@pytest.mark.parametrize("name", ["raw", "raw_after_flipping_every_2nd_unit"])
def test_v07_without_that_alpha_depends_on_what_is_called_the_first(name):
    labelers = ("L1", "L2", "L3", "L4")
    ranks = {(label.prompt, label.labeler): dict(zip(label.responses, label.ranks, strict=True)) for label in F1}  # noqa: E501  # fmt: skip
    units = [
        (prompt, pair)
        for prompt in sorted({label.prompt for label in F1})
        for pair in combinations("abcde" if prompt == "P3" else "abcd", 2)
    ]
    rows = [[None] * len(units) for _ in labelers]
    for column, (prompt, (first, second)) in enumerate(units):
        if name != "raw" and column % 2:
            first, second = second, first  # noqa: PLW2901
        for row, labeler in zip(rows, labelers, strict=True):
            own = ranks.get((prompt, labeler))
            if own:
                row[column] = 2 + int(np.sign(own[second] - own[first]))

    found = rating_alpha(rows, level="nominal")

    assert found.value == pytest.approx(VECTORS["V07"]["expected"][f"alpha_nominal_{name}"], abs=1e-6)  # noqa: E501  # fmt: skip


def test_v11_alpha_of_a_rare_flag():
    both, one, other, none = VECTORS["V11"]["input"]["flag_table"].values()
    rows = np.repeat([[2, 2], [2, 1], [1, 2], [1, 1]], [both, one, other, none], axis=0).T

    found = rating_alpha(rows.tolist(), level="nominal")

    assert found.value == pytest.approx(
        VECTORS["V11"]["expected"]["flag_krippendorff_alpha"], abs=1e-6
    )


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_of_ratings_is_that_of_the_package(level):
    rng = np.random.default_rng(11)
    for _ in range(200):
        labelers, responses = rng.integers(2, 6), rng.integers(4, 10)
        data = rng.integers(1, 8, size=(labelers, responses)).astype(np.float64)
        data[rng.random(data.shape) < 0.2] = np.nan
        if (np.isfinite(data).sum(axis=0) > 1).sum() < 2:
            continue
        rows = [[None if np.isnan(x) else int(x) for x in row] for row in data]

        found = rating_alpha(rows, level=level)

        assert found.value == pytest.approx(
            krippendorff.alpha(data, level_of_measurement=level, value_domain=range(1, 8)),
            abs=1e-9,
        )


@pytest.mark.parametrize("ties_count", [True, False])
def test_alpha_of_pair_labels_is_that_of_the_package(ties_count):
    rng = np.random.default_rng(12)
    for _ in range(200):
        width = rng.integers(3, 6)
        labels, signs = [], []
        for prompt in range(rng.integers(2, 6)):
            ranks = rng.integers(1, 5, size=(3, width)).astype(np.float64)
            ranks[rng.random(ranks.shape) < 0.15] = np.nan
            labels += [
                Label(prompt, prompt, str(labeler), tuple(range(width)),
                      tuple(None if np.isnan(x) else int(x) for x in row))
                for labeler, row in enumerate(ranks)
            ]  # fmt: skip
            signs += [np.sign(ranks[:, j] - ranks[:, i]) for i, j in combinations(range(width), 2)]
        data = np.stack(signs, axis=1)
        if not ties_count:
            data[data == 0] = np.nan
        both = np.concatenate([data, -data], axis=1)
        if (np.isfinite(data).sum(axis=0) > 1).sum() < 2:
            continue

        found = pair_alpha(labels, ties_count=ties_count)

        assert found.value == pytest.approx(
            krippendorff.alpha(both, level_of_measurement="nominal", value_domain=[-1, 0, 1]),
            abs=1e-9,
        )


@pytest.mark.parametrize("level", LEVELS)
def test_v34_alpha_of_equal_or_single_labels_is_not_defined(level):
    assert rating_alpha([[4, 4], [4, 4]], level=level).value is None
    assert rating_alpha([[4, 5]], level=level).value is None
    assert rating_alpha([[4, None], [None, 5]], level=level).value is None
    nothing = no_labels()
    assert alpha_of(rating_coincidences(nothing, nothing.prompt, level=level)).value is None
