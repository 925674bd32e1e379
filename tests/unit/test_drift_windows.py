"""A labeler's last month against what was before."""

from dataclasses import replace

import numpy as np
import pytest

from app.agreement.behaviour.drift import two_proportions
from app.agreement.behaviour.drift_chart import drift_chart
from app.agreement.behaviour.drift_windows import DAY, difference, windows_of
from app.agreement.behaviour.evidence import followed
from app.agreement.metrics.estimates import Measured
from app.agreement.work import nothing_unfolded, work_of
from tests.label_columns import Label, columns

UP, DOWN, SWAPPED = (1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (2, 1, 3, 4, 5)
RESPONSES = (1, 2, 3, 4, 5)


def labels_of(orders, *, days):
    """Two labelers, of whom the second ranks by `orders`, a slate on each of these days."""
    labels = columns(
        [
            Label(slate, slate, labeler, RESPONSES, UP if labeler == 1 else order)
            for slate, order in enumerate(orders, start=1)
            for labeler in (1, 2)
        ]
    )
    return replace(labels, first_at=np.repeat(np.array(days) * DAY, 2))


def windows(labels, code=1):
    work = work_of(labels, researchers=(), gold={}, unfolded=nothing_unfolded())
    found = followed(work)
    return windows_of(found, labels, np.flatnonzero(found.labeler == code))


def test_the_last_thirty_days_are_held_against_all_before():
    orders = [UP if day % 2 else SWAPPED for day in range(60)] + [DOWN, SWAPPED] * 10

    found = windows(labels_of(orders, days=[*range(60), *range(70, 90)]))

    assert (found.before.prompts, found.lately.prompts) == (60, 20)
    assert found.before.value == pytest.approx(0.95)
    assert found.lately.value == pytest.approx(0.45)
    assert found.lately.status == "provisional"
    assert found.since.timestamp() == 59 * DAY
    assert found.difference.z > 3
    assert found.reason is None


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        ([*range(20)], "not enough data: 0 of 10 shared prompts"),
        ([*range(100, 115), *range(200, 205)], "not enough data: 5 of 10 shared prompts"),
    ],
)
def test_without_enough_in_both_windows_there_is_a_reason(days, reason):
    found = windows(labels_of([UP] * 20, days=days))

    assert (found.difference, found.reason) == (None, reason)


def test_of_pairs_that_all_agree_no_difference_is_defined():
    found = windows(labels_of([UP] * 40, days=[*range(20), *range(100, 120)]))

    assert (found.before.value, found.lately.value) == (1, 1)
    assert (found.difference, found.reason) == (None, "not defined: all pairs are alike")


def test_without_a_shared_prompt_there_are_no_windows():
    labels = labels_of([UP], days=[1])

    assert windows(labels, code=7) is None


def test_independent_pairs_are_compared_as_v24_compares_them():
    def independent(hits, n):
        share = hits / n
        return Measured(share, (share * (1 - share) / n) ** 0.5, n, n)

    got = difference(independent(312, 400), independent(268, 400))

    assert got.z == pytest.approx(two_proportions((312, 400), (268, 400)).z)


def test_pairs_that_hang_together_are_worth_fewer():
    clustered = Measured(0.8, 0.04, 1500, 100)  # as much as 100 independent ones
    of_whole_prompts = Measured(1.0, 0.0, 150, 10)

    assert difference(clustered, Measured(0.6, 0.049, 1500, 100)).z == pytest.approx(
        two_proportions((80, 100), (0.6 * 0.24 / 0.049**2, 0.24 / 0.049**2)).z
    )
    assert difference(of_whole_prompts, clustered).z == pytest.approx(
        two_proportions((10, 10), (80, 100)).z
    )


def test_unchanged_labelers_are_beyond_two_errors_about_once_in_twenty():
    rng = np.random.default_rng(0)
    orders = [rng.permutation(5) + 1 if rng.random() < 0.4 else UP for _ in range(4000)]
    shares = []
    for part in range(100):
        own = [tuple(int(x) for x in order) for order in orders[40 * part : 40 * part + 40]]
        found = windows(labels_of(own, days=[*range(20), *range(100, 120)]))
        shares.append(abs(found.difference.z) > 1.96)

    assert np.mean(shares) < 0.12


def test_the_chart_has_the_windows_of_what_may_be_told():
    labels = labels_of([UP] * 40, days=[*range(20), *range(100, 120)])
    labels = replace(labels, submitted_at=labels.first_at)
    work = work_of(labels, researchers=(), gold={}, unfolded=nothing_unfolded())

    told = drift_chart(followed(work), labels, 1, known_before=105 * DAY)

    assert (told.windows.before.prompts, told.windows.lately.prompts) == (20, 6)
