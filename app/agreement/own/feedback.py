"""What labelers may know of how others ranked: after a delay, and of nobody in particular."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.loading import Loaded
from app.agreement.metrics.estimates import Estimate
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.orders import MIN_MEMBERS, is_anonymous
from app.projects.queries import ProjectView
from app.web.translation import gettext

SECONDS_AN_HOUR = 3600

MEMBERS = text("select count(*) from project_members where project_id = :project_id")


async def is_told(tx: AsyncSession, project: ProjectView) -> bool:
    """Whether there are so many labelers that one's agreement is not with somebody in particular.

    Below that, whoever ranks a slate anew would read the other's answer off their own number.
    """
    return is_anonymous(1, await tx.scalar(MEMBERS, {"project_id": project.id}) or 0)


def known_before(now: float, project: ProjectView) -> float:
    """Since when a slate must not have been ranked; both in seconds since 1970."""
    return now - project.screen.feedback_delay_hours * SECONDS_AN_HOUR


def told_of(loaded: Loaded, project: ProjectView) -> Labels:
    """The labels that labelers' own agreement may be computed from."""
    return loaded.labels.not_ranked_since(known_before(loaded.now, project))


def why_not_told() -> str:
    """Instead of a number."""
    return gettext("shown from %(least)s labelers on", least=MIN_MEMBERS)


def not_told() -> Estimate:
    """Instead of a share."""
    return Estimate(None, None, None, 0, 0, "not_enough_data", why_not_told())
