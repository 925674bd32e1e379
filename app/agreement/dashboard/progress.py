"""How much there is to label, and by when it is done at the present pace: pure."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.web.translation import gettext

PACE_DAYS = 7
LEAST_FOR_A_PACE = 10
# What is further off at the present pace is so in name only.
MOST_DAYS = 730
NO_PACE = "not enough data: %(count)s of %(least)s tasks in the last 7 days"


@dataclass(frozen=True)
class Tasks:
    """What the tables say beside the labels; checks on labelers are no tasks here.

    Attributes:
        prompts: that can be ranked.
        done: tasks.
        skipped: tasks.
        left: tasks that are open or being worked on.
        lately: tasks done in the last 7 days.
        since: when the first task ever was done; None without any.
        now: by the same clock.
        known_answers: slates whose known answer is asked for.
    """

    prompts: int
    done: int
    skipped: int
    left: int = 0
    lately: int = 0
    since: datetime | None = None
    now: datetime | None = None
    known_answers: int = 0


@dataclass(frozen=True)
class Eta:
    """When all tasks are done, at the pace of the last `days`; None with a `reason`."""

    at: datetime | None
    days: int
    reason: str | None


def eta_of(tasks: Tasks) -> Eta | None:
    """When nothing is left, if as many tasks a day are done as lately; None when nothing is.

    The pace is of the days since the first task, at least one and at most seven, so that a day of
    a new project is no seventh of a week.
    """
    if tasks.left == 0:
        return None
    if tasks.lately < LEAST_FOR_A_PACE or tasks.since is None or tasks.now is None:
        reason = gettext(NO_PACE, count=tasks.lately, least=LEAST_FOR_A_PACE)
        return Eta(None, PACE_DAYS, reason)
    age = (tasks.now - tasks.since).total_seconds() / timedelta(days=1).total_seconds()
    days = min(max(age, 1.0), float(PACE_DAYS))
    wanted = tasks.left * days / tasks.lately
    if wanted > MOST_DAYS:
        return Eta(None, math.ceil(days), gettext("more than two years at this pace"))
    return Eta(tasks.now + timedelta(days=wanted), math.ceil(days), None)
