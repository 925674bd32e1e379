"""Whether ratings may fill the ranks of a task: in all of a project, or in half of them. Pure."""

from hashlib import sha256
from typing import Literal

from app.projects.screen import RankAssist, ScreenSettings

Arm = Literal["assisted", "unassisted"]


def arm_of(settings: ScreenSettings, *, labeler_id: int, task_id: int) -> Arm | None:
    """The arm of a labeler's task; None where the project compares nothing.

    By a hash of both, so that it is the same whenever it is asked, each labeler works in both
    arms, and neither labeler nor prompt has to do with which.
    """
    if settings.rank_assist == "none" or not settings.rank_assist_experiment:
        return None
    digest = sha256(f"rank-assist-{labeler_id}-{task_id}".encode()).digest()
    return "assisted" if digest[0] % 2 == 0 else "unassisted"


def rank_assist_of(settings: ScreenSettings, arm: Arm | None) -> RankAssist:
    """What the screen of a task in this arm may fill."""
    return "none" if arm == "unassisted" else settings.rank_assist
