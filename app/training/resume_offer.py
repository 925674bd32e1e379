"""What a run's page says about resuming a run that was cancelled or failed."""

import asyncio
from dataclasses import dataclass

from app.jobs.resuming import ResumePoint, resume_point
from app.settings import Settings
from app.training.queries import RunView
from app.web.formats import number
from app.web.translation import gettext


@dataclass(frozen=True)
class ResumeOffer:
    """Whether the run can be resumed, and what would happen or what to do instead."""

    is_possible: bool
    text: str


async def resume_offer(settings: Settings, run: RunView) -> ResumeOffer | None:
    """The offer for a run that ended without success; None for every other."""
    if run.status not in ("cancelled", "failed"):
        return None
    run_dir = settings.root / "runs" / str(run.id)
    point = await asyncio.to_thread(resume_point, run_dir, attempt=run.attempt)
    return offer_for(point, run.kind, has_failed=run.status == "failed")


def offer_for(point: ResumePoint, kind: str, *, has_failed: bool) -> ResumeOffer:
    """Put into words where a run of this kind would go on."""
    if point.is_gone:
        text = gettext(
            "It cannot be resumed: its folder is gone from the data folder. Start a new run with "
            "the same settings."
        )
    elif point.is_trained:
        text = gettext("Resumed, it only registers its result: the trainer had finished.")
    elif kind == "sample":
        text = gettext("Resumed, it samples what is still missing.")
    elif point.step is None:
        text = gettext("Resumed, it starts from the beginning: no checkpoint has a finished step.")
    else:
        text = gettext(
            "Resumed, it goes on from step %(step)s, where its last checkpoint is, to the numbers "
            "that it would have had without the interruption.",
            step=number(point.step),
        )
    if has_failed and not point.is_gone:
        again = gettext("What failed because of its settings or its data fails again.")
        text = f"{text} {again}"
    return ResumeOffer(is_possible=not point.is_gone, text=text)
