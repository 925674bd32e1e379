"""The watch list of the dashboard as it may be shown: pure, from what was measured."""

from dataclasses import dataclass, replace

from app.agreement.behaviour.anchors import LEAST_CLUSTERS, AnchorWins, Rate
from app.agreement.dashboard.overview import FirstIsBest, Overview
from app.agreement.dashboard.progress import Tasks
from app.agreement.metrics.estimates import LIMITS, Estimate, shown
from app.agreement.report import NO_CHANCE
from app.web.translation import gettext

LEAST_TASKS, OK_TASKS = 10, 30
NO_PAIR = "not defined: there is no such pair of responses"
NO_ANCHOR = "not defined: no anchor holds responses of an SFT model and of another one"
RANKINGS = "not enough data: %(count)s of %(least)s rankings of anchors"
FEW_RANKINGS = "provisional: %(count)s of %(least)s rankings of anchors"
SLATES = "not enough data: %(count)s of %(least)s anchors that were ranked lately and before"
LABELERS = "not enough data: %(count)s of %(least)s labelers of anchors"
# Of the change of the anchors' win rate.
MAX_Z = 3.0
TASKS = "not enough data: %(count)s of %(least)s tasks"
FEW_TASKS = "provisional: %(count)s of %(least)s tasks"


@dataclass(frozen=True)
class AnchorWatch:
    """The moving win rate of anchors, and whether it moved; `prompts` of it count rankings.

    Attributes:
        model: the SFT model that the others win over; None where no anchor has one.
        lately: in the last rankings of anchors.
        before: in the earlier ones.
        z: of the change, slate by slate.
        is_drifting: whether it is beyond the limit; None while the change is not known.
        reason: why it is not.
    """

    model: str | None
    lately: Estimate
    before: Estimate
    z: float | None
    is_drifting: bool | None
    reason: str | None


@dataclass(frozen=True)
class Watch:
    """What is worth watching over time."""

    anchors: AnchorWatch
    ties: dict[int, Estimate]
    longer_wins: Estimate
    first_is_best: FirstIsBest
    skipped: Estimate


def watch_of(overview: Overview, tasks: Tasks) -> Watch:
    """What may be shown, in the language of the request."""
    return Watch(
        anchors=anchor_watch(overview.anchors),
        ties={number: shown("own_work", ties) for number, ties in overview.ties.items()},
        longer_wins=shown("own_work", overview.longer_wins, undefined=NO_PAIR),
        first_is_best=overview.first_is_best,
        skipped=counted(
            tasks.skipped / max(tasks.done + tasks.skipped, 1), tasks.done + tasks.skipped
        ),
    )


def anchor_watch(found: AnchorWins) -> AnchorWatch:
    """What may be shown of the anchors, in the language of the request."""
    lately, before = (_of_rankings(one) for one in (found.lately, found.before))
    if found.model is None:
        nothing = Estimate(None, None, None, 0, 0, "not_enough_data", gettext(NO_ANCHOR))
        return AnchorWatch(None, nothing, nothing, None, None, nothing.reason)
    lack = next((one.reason for one in (lately, before) if one.value is None), None)
    lack = lack or _lacks_clusters(found)
    if lack or found.z is None:
        return AnchorWatch(found.model, lately, before, None, None, lack or gettext(NO_CHANCE))
    return AnchorWatch(found.model, lately, before, found.z, abs(found.z) > MAX_Z, None)


def _lacks_clusters(found: AnchorWins) -> str | None:
    for count, text in ((found.slates, SLATES), (found.labelers, LABELERS)):
        if count < LEAST_CLUSTERS:
            return gettext(text, count=count, least=LEAST_CLUSTERS)
    return None


def _of_rankings(rate: Rate) -> Estimate:
    """As a win rate, of which here rankings and not prompts are counted."""
    estimate = shown("win_rate", rate.wins, bootstrap=rate.ci95)
    if estimate.interval == "bootstrap":
        estimate = replace(estimate, interval="t")
    limit, count = LIMITS["win_rate"], rate.wins.prompts
    if count < limit.prompts:
        reason = gettext(RANKINGS, count=count, least=limit.prompts)
    elif count < limit.ok_prompts:
        reason = gettext(FEW_RANKINGS, count=count, least=limit.ok_prompts)
    else:
        return estimate
    return replace(estimate, reason=reason)


def counted(value: float | None, tasks: int) -> Estimate:
    """A number without an interval, of so many tasks: hidden below 10, provisional below 30."""
    if value is None or tasks < LEAST_TASKS:
        reason = gettext(TASKS, count=tasks, least=LEAST_TASKS)
        return Estimate(None, None, None, tasks, tasks, "not_enough_data", reason)
    if tasks < OK_TASKS:
        reason = gettext(FEW_TASKS, count=tasks, least=OK_TASKS)
        return Estimate(value, None, None, tasks, tasks, "provisional", reason)
    return Estimate(value, None, None, tasks, tasks, "ok", None)
