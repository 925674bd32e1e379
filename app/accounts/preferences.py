"""What people set for themselves; it follows them to every browser."""

from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.web.schemas import Body, Text

Key = Annotated[Text, Field(min_length=1, max_length=20)]
Action = Annotated[str, Field(pattern=r"^[a-zA-Z_]{1,40}$")]


class Goal(Body):
    """How much somebody wants to do in a day; nobody else sees it."""

    unit: Literal["tasks", "hours"]
    amount: Annotated[int, Field(ge=1, le=1000)]


class Preferences(Body):
    """What people set for themselves, stored as `users.preferences`.

    Attributes:
        language: of the pages; None is the browser's.
        single_keys: whether keys without Ctrl or Alt are shortcuts (WCAG 2.2, 2.1.4).
        keys: other keys for actions of the labeling screen, by the name of the action.
        go_on: whether rating and ranking by key moves on to the next response.
        expand_all: whether long responses start unfolded.
        shows_timer: whether the active time is shown.
        suggests_breaks: whether breaks are suggested.
        goal: how much to do in a day.
    """

    language: Literal["en", "de"] | None = None
    single_keys: bool = True
    keys: Annotated[dict[Action, Key], Field(default_factory=dict, max_length=80)]
    go_on: bool = True
    expand_all: bool = False
    shows_timer: bool = True
    suggests_breaks: bool = True
    goal: Goal | None = None


READ = text("select preferences from users where id = :user_id")
REPLACE = text("update users set preferences = cast(:preferences as jsonb) where id = :user_id")


async def preferences_of(tx: AsyncSession, viewer: Viewer) -> Preferences:
    """What the viewer has set, with the defaults for the rest."""
    stored = await tx.scalar(READ, {"user_id": viewer.id})
    return Preferences.model_validate(stored)


async def replace_preferences(tx: AsyncSession, viewer: Viewer, preferences: Preferences) -> None:
    """Store what differs from the defaults."""
    kept = preferences.model_dump_json(exclude_defaults=True)
    await tx.execute(REPLACE, {"user_id": viewer.id, "preferences": kept})


async def set_goal(tx: AsyncSession, viewer: Viewer, goal: Goal | None) -> None:
    """Set how much the viewer wants to do in a day, or with None nothing."""
    kept = await preferences_of(tx, viewer)
    await replace_preferences(tx, viewer, kept.model_copy(update={"goal": goal}))
