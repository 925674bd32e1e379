"""By when all is labeled: at the pace of the last days, and not before there is one."""

from datetime import UTC, datetime, timedelta

import pytest

from app.agreement.dashboard.progress import Tasks, eta_of

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def tasks(*, left, lately, age_days):
    since = NOW - timedelta(days=age_days)
    return Tasks(100, lately, 0, left=left, lately=lately, since=since, now=NOW)


@pytest.mark.parametrize(
    ("age_days", "pace_days", "wanted"),
    [(30, 7, 3.5), (7, 7, 3.5), (2.5, 3, 1.25), (0.1, 1, 0.5)],
)
def test_the_pace_is_of_the_last_seven_days_or_of_as_many_as_there_are(age_days, pace_days, wanted):
    found = eta_of(tasks(left=35, lately=70, age_days=age_days))

    assert found.at - NOW == timedelta(days=wanted)
    assert (found.days, found.reason) == (pace_days, None)


@pytest.mark.parametrize("lately", [0, 9])
def test_without_a_pace_there_is_a_reason(lately):
    found = eta_of(tasks(left=35, lately=lately, age_days=30))

    assert found.at is None
    assert found.reason == f"not enough data: {lately} of 10 tasks in the last 7 days"


def test_nothing_left_needs_no_day_and_what_is_years_off_has_none():
    assert eta_of(tasks(left=0, lately=70, age_days=30)) is None
    far = eta_of(tasks(left=10**9, lately=10, age_days=30))
    assert (far.at, far.reason) == (None, "more than two years at this pace")
