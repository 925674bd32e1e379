"""Grades of demonstrations: the mean of their means, and when there are enough."""

from datetime import UTC, datetime

import pytest
from scipy.stats import t
from statsmodels.stats.proportion import proportion_confint

from app.agreement.labelers.demonstrations import as_share, grade_of
from app.projects.demonstration_grades import DemonstrationGrade

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def grades(*of_each):
    return [
        DemonstrationGrade(1, 1, f"text {i}", grade, "Ada", NOW)
        for i, given in enumerate(of_each)
        for grade in given
    ]


def test_the_mean_is_over_demonstrations_however_many_graded_each():
    found = grade_of(grades([6, 4], [7], [5], [6], [7, 7, 7]))

    means = [5, 7, 5, 6, 7]
    assert found.value == pytest.approx(6.0)
    assert (found.units, found.prompts, found.status, found.reason) == (8, 5, "ok", None)
    half = t.ppf(0.975, 4) * found.se
    assert found.se == pytest.approx((sum((x - 6) ** 2 for x in means) / 4 / 5) ** 0.5)
    assert found.ci95 == pytest.approx((6 - half, min(7, 6 + half)))


@pytest.mark.parametrize(
    ("count", "status", "reason"),
    [
        (0, "not_enough_data", "not enough data: 0 of 3 graded demonstrations"),
        (2, "not_enough_data", "not enough data: 2 of 3 graded demonstrations"),
        (4, "provisional", "provisional: 4 of 5 graded demonstrations"),
    ],
)
def test_with_few_there_is_a_reason(count, status, reason):
    found = grade_of(grades(*[[6]] * count))

    assert (found.status, found.reason) == (status, reason)
    assert (found.value is None) == (status == "not_enough_data")


def test_equal_grades_leave_room_for_others():
    found = grade_of(grades([6], [6], [6], [6], [6]))

    low, high = proportion_confint(5 * 5 / 6, 5, method="wilson")
    assert found.ci95 == pytest.approx((1 + 6 * low, 1 + 6 * high), abs=1e-12)
    assert (found.value, found.se, found.interval) == (6, None, "wilson")


def test_the_picture_goes_from_the_lowest_to_the_highest_grade():
    assert as_share(grade_of(grades([7], [7], [7]))).value == 1
    assert as_share(grade_of(grades([1], [1], [1]))).value == 0
    assert as_share(grade_of([])).value is None
