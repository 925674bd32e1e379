"""Which slates an admin can ask for, by names, and what they are in columns."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.metrics.labels import Labels
from app.agreement.metrics.languages import is_language, languages_of
from app.agreement.metrics.slices import EVERYTHING, Slice
from app.agreement.queries import check_slice
from app.agreement.slates.cases import Case
from app.agreement.slates.divided import Sought
from app.errors import InvalidError, NotFoundError
from app.projects.queries import ProjectView
from app.web.translation import gettext

ROUNDS = text("select number from rounds where project_id = :project_id order by number")

LABELERS = text("""
select u.id, coalesce(m.pseudonym, 'former-' || u.id) as pseudonym, u.name
from users u
left join project_members m on m.user_id = u.id and m.project_id = :project_id
where m.user_id is not null or u.id = any(cast(:labelers as bigint[]))
order by pseudonym
""")

# The place of a flag by id is its bit in the columns.
FLAGS = text("""
select key, label, is_severe, position from flags where project_id = :project_id order by id
""")


@dataclass(frozen=True)
class Asked:
    """Which slates somebody asks for, by names; the defaults are all.

    Attributes:
        slice: the part of the project.
        labelers: pseudonyms of none, one, or two: the agreement of one with all, or of both.
        flag: key of a flag that somebody gave.
        is_split_on_severe: some gave a response, or the task, a severe flag, and others did not.
        bin: tenth of agreement.
        case: a number of the watch list whose cases are asked for.
        is_headline: only what the headline counts.
        is_excluded: what is excluded instead of what counts, with the numbers it would have.
    """

    slice: Slice = EVERYTHING
    labelers: tuple[str, ...] = ()
    flag: str | None = None
    is_split_on_severe: bool = False
    bin: int | None = None
    case: Case | None = None
    is_headline: bool = False
    is_excluded: bool = False


@dataclass(frozen=True)
class Choices:
    """What can be asked for; labelers' names by pseudonym, flags' labels by key."""

    rounds: list[int]
    tags: list[str]
    languages: list[str]
    models: tuple[str, ...]
    labelers: dict[str, str]
    flags: dict[str, str]


async def resolved(
    tx: AsyncSession, project: ProjectView, asked: Asked, labels: Labels
) -> tuple[Choices, Sought]:
    """What can be asked for, and what is asked for as codes of the labels.

    Raises:
        NotFoundError: the project has no such round.
        InvalidError: no such model or tag is ranked, or there is no such labeler or flag.
    """
    here = {"project_id": project.id}
    rounds = list(await tx.scalars(ROUNDS, here))
    people = (await tx.execute(LABELERS, {**here, "labelers": labels.labeler_ids.tolist()})).all()
    flags = (await tx.execute(FLAGS, here)).all()
    if asked.slice.round is not None and asked.slice.round not in rounds:
        raise NotFoundError(
            gettext("The project has no round %(number)s.", number=asked.slice.round)
        )
    check_slice(asked.slice, labels.slates)
    user_ids = {row.pseudonym: row.id for row in people}
    bits = {row.key: bit for bit, row in enumerate(flags)}
    if not set(asked.labelers) <= user_ids.keys():
        raise InvalidError(
            gettext("No labeler of the project has this pseudonym."), code="unknown_labeler"
        )
    if asked.flag is not None and asked.flag not in bits:
        raise InvalidError(gettext("The project has no flag with this key."), code="unknown_flag")
    severe = sum(1 << bits[row.key] for row in flags if row.is_severe)
    choices = Choices(
        rounds=rounds,
        tags=[tag for tag in labels.slates.tag_names if not is_language(tag)],
        languages=languages_of(labels.slates.tag_names),
        models=labels.slates.model_names,
        labelers={row.pseudonym: row.name for row in people},
        flags={row.key: row.label for row in sorted(flags, key=lambda row: row.position)},
    )
    sought = Sought(
        slice=asked.slice,
        labelers=tuple(user_ids[name] for name in asked.labelers),
        flag=None if asked.flag is None else bits[asked.flag],
        severe=severe if asked.is_split_on_severe else None,
        bin=asked.bin,
        case=asked.case,
        is_headline=asked.is_headline,
        has_single=asked.is_excluded or asked.case is not None,
    )
    return choices, sought
