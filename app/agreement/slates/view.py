"""Reads of one slate: its labels as they came, and what its labelers say of each two responses."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.computing import computed_beside
from app.agreement.disagreements import letters_of
from app.agreement.metrics.orders import written
from app.agreement.remarks import SlateRemark, remarks_about
from app.agreement.slates.decisions import Decided, decided_about
from app.agreement.slates.exclusions import ExclusionView, exclusions_of
from app.agreement.slates.numbers import SlateNumbers, numbers_of
from app.errors import InvalidError, NotFoundError
from app.labeling.differences import Differences, differences
from app.projects.queries import ProjectView, flags_of
from app.web.markdown import shown_text
from app.web.translation import gettext

SLATE = text("""
select s.id, d.number as round, p.external_id as prompt_id, p.messages, p.tags,
       answers.ids, answers.texts, answers.models
from slates s join rounds d on d.id = s.round_id join prompts p on p.id = s.prompt_id
cross join lateral (
    select array_agg(r.id order by r.position) as ids,
           array_agg(r.text order by r.position) as texts,
           array_agg(coalesce(m.name, r.model_name) order by r.position) as models
    from responses r left join models m on m.id = r.model_id where r.slate_id = s.id
) answers
where s.id = :slate_id and d.project_id = :project_id and answers.ids is not null
""")

# Every version, as it came; the earlier ones count nowhere and stay.
RANKINGS = text("""
select r.id, r.version, r.is_current, r.labeler_id,
       coalesce(m.pseudonym, 'former-' || r.labeler_id) as labeler, u.name, r.created_at,
       r.active_ms, r.note, r.flags, r.cannot_rank, r.display_order,
       r.id in (select ranking_id from excluded_rankings) as is_excluded, r.purpose, r.is_check,
       items.*
from rankings r
join tasks t on t.id = r.task_id
join users u on u.id = r.labeler_id
left join project_members m on m.project_id = t.project_id and m.user_id = r.labeler_id
cross join lateral (
    select jsonb_object_agg(i.response_id, jsonb_build_object(
               'rank', i.rank, 'rating', i.rating, 'flags', i.flags, 'note', i.note,
               'cannot_judge', i.cannot_judge)) as judged
    from ranking_items i where i.ranking_id = r.id
) items
where r.slate_id = :slate_id
order by r.task_id, r.version
""")


@dataclass(frozen=True)
class SlateResponse:
    """A response under the letter of its position."""

    id: int
    letter: str
    text: str
    model: str | None


@dataclass(frozen=True)
class Judged:
    """What a ranking says of one response; `rank` None is not judged."""

    letter: str
    rank: int | None
    rating: int | None
    flags: list[str]
    note: str | None
    cannot_judge: str | None


@dataclass(frozen=True)
class SlateRanking:
    """One version of a labeler's ranking; only the last one can count.

    `shown` is the letters in the order in which the labeler saw them. A check on the labeler is no
    label of the slate.
    """

    id: int
    labeler: str
    name: str
    version: int
    is_current: bool
    is_excluded: bool
    purpose: str
    is_check: bool
    created_at: datetime
    active_ms: int | None
    note: str | None
    flags: list[str]
    cannot_rank: str | None
    shown: str
    judged: list[Judged]

    @property
    def counts(self) -> bool:
        """Whether it is in the numbers."""
        return self.is_current and not self.is_excluded and not self.is_check

    @property
    def ranks(self) -> dict[str, int | None]:
        """Rank by letter."""
        return {one.letter: one.rank for one in self.judged}

    @property
    def order(self) -> str:
        """What it says, best first: `C > A=E > B`."""
        ranks = dict(enumerate(one.rank for one in self.judged))
        return written(ranks, dict(enumerate(one.letter for one in self.judged)))


@dataclass(frozen=True)
class Side:
    """Labelers who see two responses the same way; `prefers` None is a tie."""

    prefers: str | None
    is_dissent: bool
    rankings: list[SlateRanking]


@dataclass(frozen=True)
class PairView:
    """Two responses beside each other, and above them who prefers which; ties between."""

    left: SlateResponse
    right: SlateResponse
    sides: list[Side]
    has_majority: bool
    differences: Differences | None


@dataclass(frozen=True)
class SlateView:
    """Everything about a slate."""

    id: int
    round: int
    prompt_id: str
    messages: list[dict[str, str]]
    tags: list[str]
    responses: list[SlateResponse]
    rankings: list[SlateRanking]
    numbers: SlateNumbers
    pair: PairView | None
    exclusions: list[ExclusionView]
    remarks: list[SlateRemark]
    decided: Decided
    flags: dict[str, str]

    @property
    def current(self) -> list[SlateRanking]:
        """Everybody's last version, also of checks and of those that are excluded."""
        return [one for one in self.rankings if one.is_current]

    @property
    def excluded(self) -> int:
        """How many labels would count but for an exclusion."""
        return sum(one.is_excluded and not one.is_check for one in self.current)

    @property
    def exclusion(self) -> ExclusionView | None:
        """The exclusion of the whole slate that is in force."""
        in_force = [one for one in self.exclusions if one.is_in_force and one.ranking_id is None]
        return in_force[0] if in_force else None


async def slate_of(
    tx: AsyncSession, project: ProjectView, slate_id: int, *, pair: tuple[str, str] | None
) -> SlateView:
    """One slate; the caller has checked that the viewer is an admin.

    Args:
        tx: the transaction.
        project: whose slate it is.
        slate_id: the slate.
        pair: letters of the responses to show beside each other; None for the two over which most
            labelers are opposed.

    Raises:
        NotFoundError: the project has no such slate with responses.
        InvalidError: the slate has no response with such a letter.
    """
    here = {"project_id": project.id, "slate_id": slate_id}
    slate = (await tx.execute(SLATE, here)).one_or_none()
    if slate is None:
        raise NotFoundError(gettext("The project has no such slate."))
    letters = letters_of(slate.ids)
    rankings = [_ranking(row, letters) for row in await tx.execute(RANKINGS, here)]
    responses = [
        SlateResponse(id_, letters[id_], text_, model)
        for id_, text_, model in zip(slate.ids, slate.texts, slate.models, strict=True)
    ]
    counted = [one for one in rankings if one.counts]
    numbers = await computed_beside(
        tx, lambda: numbers_of([one.ranks for one in counted], "".join(letters.values()))
    )
    chosen = pair or numbers.most_divided
    return SlateView(
        id=slate.id,
        round=slate.round,
        prompt_id=slate.prompt_id,
        messages=slate.messages,
        tags=slate.tags,
        responses=responses,
        rankings=rankings,
        numbers=numbers,
        pair=None if chosen is None else await _pair(tx, chosen, responses, counted, numbers),
        exclusions=await exclusions_of(tx, project, slate_id),
        remarks=await remarks_about(tx, project, slate_id),
        decided=await decided_about(tx, slate_id, letters),
        flags={flag.key: flag.label for flag in await flags_of(tx, project)},
    )


async def _pair(
    tx: AsyncSession,
    letters: tuple[str, str],
    responses: list[SlateResponse],
    counted: list[SlateRanking],
    numbers: SlateNumbers,
) -> PairView:
    known = {response.letter: response for response in responses}
    if not set(letters) <= known.keys():
        raise InvalidError(
            gettext("The slate has no response with this letter."), code="unknown_response"
        )
    left, right = (known[letter] for letter in letters)
    majority = numbers.majority_of(letters)
    sides: dict[str | None, list[SlateRanking]] = {}
    for ranking in counted:
        one, other = (ranking.ranks.get(letter) for letter in letters)
        if one is not None and other is not None:
            prefers = None if one == other else letters[0] if one < other else letters[1]
            sides.setdefault(prefers, []).append(ranking)
    ordered = [one for one in (letters[0], None, letters[1]) if one in sides]
    return PairView(
        left,
        right,
        [Side(one, majority is not None and one != majority, sides[one]) for one in ordered],
        has_majority=majority is not None,
        differences=await computed_beside(
            tx, lambda: differences(shown_text(left.text), shown_text(right.text))
        ),
    )


def _ranking(row: Row[Any], letters: dict[int, str]) -> SlateRanking:
    judged = {int(id_): about for id_, about in (row.judged or {}).items()}
    return SlateRanking(
        id=row.id,
        labeler=row.labeler,
        name=row.name,
        version=row.version,
        is_current=row.is_current,
        is_excluded=row.is_excluded,
        purpose=row.purpose,
        is_check=row.is_check,
        created_at=row.created_at,
        active_ms=row.active_ms,
        note=row.note,
        flags=row.flags,
        cannot_rank=row.cannot_rank,
        shown="".join(letters[id_] for id_ in row.display_order if id_ in letters),
        judged=[Judged(letter, **judged[id_]) for id_, letter in letters.items() if id_ in judged],
    )
