"""Changes to the flags of a project that exists; keys never change, used flags never go."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.projects.commands import lock_project
from app.projects.flag_queries import flag_uses_of
from app.projects.flag_storage import store_flags
from app.projects.flags import MAX_FLAGS, FlagSpec
from app.projects.queries import FlagView, ProjectView, flags_of
from app.web.translation import gettext

REMOVE = text("delete from flags where project_id = :project_id and key <> all(:kept)")


async def set_flags(
    tx: AsyncSession, project: ProjectView, flags: Sequence[FlagSpec]
) -> list[FlagView]:
    """Make these the project's flags, in this order; those that are not among them go.

    Raises:
        InvalidError: two of them share a key, or there are too many.
        ConflictError: one that rankings use would go, or would be said of something else.
    """
    await lock_project(tx, project)
    return await _replace_all(tx, project, flags)


async def add_flag(tx: AsyncSession, project: ProjectView, flag: FlagSpec) -> list[FlagView]:
    """Add a flag after the others.

    Raises:
        ConflictError: there is one with this key.
        InvalidError: the project has as many as it may have.
    """
    await lock_project(tx, project)
    flags = await flags_of(tx, project)
    if any(known.key == flag.key for known in flags):
        raise ConflictError(
            gettext("There is already a flag %(key)s; give this one another key.", key=flag.key),
            code="flag_exists",
        )
    return await _replace_all(tx, project, [*flags, flag])


async def edit_flag(
    tx: AsyncSession, project: ProjectView, flag: FlagSpec, *, position: int
) -> list[FlagView]:
    """Change the flag with this key and put it at a position, counted from 1.

    Raises:
        NotFoundError: there is none.
        ConflictError: rankings use it, and it would be said of something else.
    """
    await lock_project(tx, project)
    others = await _all_but(tx, project, flag.key)
    others.insert(position - 1, flag)
    return await _replace_all(tx, project, others)


async def remove_flag(tx: AsyncSession, project: ProjectView, key: str) -> list[FlagView]:
    """Take a flag out of the project.

    Raises:
        NotFoundError: there is none.
        ConflictError: rankings use it.
    """
    await lock_project(tx, project)
    return await _replace_all(tx, project, await _all_but(tx, project, key))


async def _all_but(tx: AsyncSession, project: ProjectView, key: str) -> list[FlagSpec]:
    flags = await flags_of(tx, project)
    others: list[FlagSpec] = [flag for flag in flags if flag.key != key]
    if len(others) == len(flags):
        raise NotFoundError("The project has no flag with this key.")
    return others


async def _replace_all(
    tx: AsyncSession, project: ProjectView, flags: Sequence[FlagSpec]
) -> list[FlagView]:
    if len(flags) > MAX_FLAGS:
        raise InvalidError(
            gettext("A project has at most %(most)s flags.", most=MAX_FLAGS), code="too_many_flags"
        )
    await _keep_used(tx, project, flags)
    await tx.execute(REMOVE, {"project_id": project.id, "kept": [flag.key for flag in flags]})
    await store_flags(tx, project.id, flags)
    return await flags_of(tx, project)


async def _keep_used(tx: AsyncSession, project: ProjectView, flags: Sequence[FlagSpec]) -> None:
    wanted = {flag.key: flag for flag in flags}
    changed = [
        flag
        for flag in await flags_of(tx, project)
        if flag.key not in wanted or wanted[flag.key].scope != flag.scope
    ]
    if not changed:
        return
    uses = await flag_uses_of(tx, project)
    for flag in changed:
        if not uses.get(flag.key):
            continue
        if flag.key not in wanted:
            raise ConflictError(
                gettext(
                    "The flag %(key)s stays: rankings use it %(count)s times, and exports "
                    "of them would name a flag that nobody can look up.",
                    key=flag.key,
                    count=uses[flag.key],
                ),
                code="flag_used",
                faults=(Fault(("key",), "is used in rankings"),),
            )
        raise ConflictError(
            gettext(
                "The flag %(key)s is said of a %(scope)s in rankings already; "
                "add another flag instead.",
                key=flag.key,
                scope=gettext(flag.scope),
            ),
            code="flag_used",
            faults=(Fault(("scope",), "cannot change: rankings use this flag"),),
        )
