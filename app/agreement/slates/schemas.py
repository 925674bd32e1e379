"""Answers of the calls on one slate: what its labelers say of it, and what is excluded."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.agreement.slates.exclusions import ExclusionView
from app.agreement.slates.listing_schemas import Value, agreement_value, w_value
from app.agreement.slates.numbers import SlateNumbers
from app.agreement.slates.view import PairView, SlateRanking, SlateView
from app.labeling.differences import Segment
from app.web.schemas import Answer


class ExclusionOut(Answer):
    """What was excluded, and whether it still is."""

    id: int
    slate: int
    ranking: int | None
    labeler: Annotated[str | None, Field(description="pseudonym; null: the whole slate")]
    reason: str
    created_by: str
    created_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None


class LetteredOut(Answer):
    """A response under the letter of its position."""

    id: int
    letter: str
    text: str
    model: str | None


class JudgedOut(Answer):
    """What a ranking says of a response; a null rank is not judged."""

    letter: str
    rank: int | None
    rating: int | None
    flags: list[str]
    note: str | None
    cannot_judge: str | None


class RankingOut(Answer):
    """One version of a labeler's ranking, as it came."""

    id: int
    labeler: Annotated[str, Field(description="pseudonym")]
    version: int
    is_current: bool
    is_excluded: bool
    purpose: Annotated[str, Field(description="gold, anchor and repeat are checks, not labels")]
    counts: Annotated[bool, Field(description="whether it is in the numbers")]
    order: Annotated[str, Field(description="as C > A=E > B; empty: no order")]
    created_at: datetime
    active_ms: int | None
    note: str | None
    flags: list[str]
    cannot_rank: str | None
    shown: Annotated[str, Field(description="letters in the order in which they were seen")]
    judged: list[JudgedOut]


class PairSplitOut(Answer):
    """How many prefer the first of two responses, tie them, prefer the second."""

    pair: tuple[str, str]
    first: int
    tie: int
    second: int
    entropy: Annotated[float | None, Field(description="over log 3; null: nobody judged both")]


class KemenyOut(Answer):
    """The orders that the fewest preferences speak against."""

    orders: list[str]
    has_more: bool
    common: Annotated[list[str], Field(description="what several best orders share")]


class MidRankOut(Answer):
    """The mean place of a response; ties share theirs."""

    letter: str
    value: float | None


class SideOut(Answer):
    """Labelers who see two responses the same way."""

    prefers: Annotated[str | None, Field(description="a letter; null: both are tied")]
    is_dissent: Annotated[bool, Field(description="whether more labelers prefer the other one")]
    rankings: Annotated[list[int], Field(description="ids")]


class SegmentOut(Answer):
    """A piece of a text; what was moved has the number of its other place."""

    kind: str
    text: str
    number: int | None


class BesideOut(Answer):
    """Two responses beside each other; their texts are among `responses`."""

    left: str
    right: str
    sides: list[SideOut]
    has_majority: Annotated[bool, Field(description="without one, nobody dissents")]
    differences: Annotated[
        tuple[list[SegmentOut], list[SegmentOut]] | None,
        Field(description="both texts as they are read, word by word; null of too long ones"),
    ]


class SlateRemarkOut(Answer):
    """What an admin, or a labeler about their own ranking, said."""

    id: int
    text: str
    created_at: datetime
    author: Annotated[str, Field(description="an admin's name, or a labeler's pseudonym")]
    is_objection: bool


class GoldOut(Answer):
    """The known answer of a slate; a retired one is asked no more."""

    order: str
    explanation: str
    created_by: str
    created_at: datetime
    retired_at: datetime | None


class DecisionOut(Answer):
    """What an admin decided about the slate."""

    kind: str
    reason: str | None
    created_by: str
    created_at: datetime


class SlateOut(Answer):
    """A slate with its labels; numbers are of the current rankings that are not excluded."""

    slate: int
    round: int
    prompt: str
    messages: list[dict[str, str]]
    tags: list[str]
    labels: int
    excluded: Annotated[int, Field(description="rankings that would be labels, but for that")]
    places: Annotated[int, Field(description="labelers that the slate is for")]
    waiting: Annotated[int, Field(description="of them still to come")]
    agreement: Value
    alike: Annotated[int, Field(description="of the units")]
    units: int
    w: Value
    kemeny: KemenyOut
    mid_ranks: list[MidRankOut]
    consensus: Annotated[str, Field(description="by mean mid-rank")]
    pairs: list[PairSplitOut]
    beside: Annotated[BesideOut | None, Field(description="null where nobody is divided")]
    responses: list[LetteredOut]
    rankings: list[RankingOut]
    exclusions: list[ExclusionOut]
    remarks: list[SlateRemarkOut]
    gold: GoldOut | None
    is_anchor: bool
    decisions: list[DecisionOut]


def exclusion_out(exclusion: ExclusionView) -> ExclusionOut:
    """The answer of the calls on exclusions."""
    return ExclusionOut(
        id=exclusion.id,
        slate=exclusion.slate_id,
        ranking=exclusion.ranking_id,
        labeler=exclusion.labeler,
        reason=exclusion.reason,
        created_by=exclusion.created_by,
        created_at=exclusion.created_at,
        revoked_by=exclusion.revoked_by,
        revoked_at=exclusion.revoked_at,
    )


def slate_out(slate: SlateView) -> SlateOut:
    """The answer of the call; labelers appear by pseudonym only."""
    numbers = slate.numbers
    w = numbers.concordance.w if numbers.concordance else None
    return SlateOut(
        slate=slate.id,
        round=slate.round,
        prompt=slate.prompt_id,
        messages=slate.messages,
        tags=slate.tags,
        labels=numbers.labels,
        excluded=slate.excluded,
        places=slate.decided.places,
        waiting=slate.decided.waiting,
        agreement=agreement_value(numbers.agreement, numbers.labels),
        alike=numbers.alike,
        units=numbers.units,
        w=w_value(w, numbers.labels),
        kemeny=KemenyOut(
            orders=numbers.orders, has_more=numbers.has_more_orders, common=numbers.common
        ),
        mid_ranks=[MidRankOut(letter=letter, value=value) for letter, value in numbers.mid_ranks],
        consensus=numbers.consensus,
        pairs=_pairs(numbers),
        beside=None if slate.pair is None else _beside(slate.pair),
        responses=[LetteredOut(**vars(response)) for response in slate.responses],
        rankings=[_ranking(ranking) for ranking in slate.rankings],
        exclusions=[exclusion_out(one) for one in slate.exclusions],
        remarks=[
            SlateRemarkOut(
                id=one.id,
                text=one.text,
                created_at=one.created_at,
                author=one.labeler or one.author,
                is_objection=one.is_objection,
            )
            for one in slate.remarks
        ],
        gold=None if slate.decided.gold is None else GoldOut(**vars(slate.decided.gold)),
        is_anchor=slate.decided.is_anchor,
        decisions=[DecisionOut(**vars(one)) for one in slate.decided.decisions],
    )


def _pairs(numbers: SlateNumbers) -> list[PairSplitOut]:
    return [
        PairSplitOut(
            pair=cell.letters,
            first=cell.split.first,
            tie=cell.split.tie,
            second=cell.split.second,
            entropy=cell.split.entropy,
        )
        for cell in numbers.cells
    ]


def _beside(pair: PairView) -> BesideOut:
    both = pair.differences
    return BesideOut(
        left=pair.left.letter,
        right=pair.right.letter,
        sides=[
            SideOut(
                prefers=side.prefers,
                is_dissent=side.is_dissent,
                rankings=[ranking.id for ranking in side.rankings],
            )
            for side in pair.sides
        ],
        has_majority=pair.has_majority,
        differences=None if both is None else (_segments(both.left), _segments(both.right)),
    )


def _segments(segments: Sequence[Segment]) -> list[SegmentOut]:
    return [SegmentOut(**vars(segment)) for segment in segments]


def _ranking(ranking: SlateRanking) -> RankingOut:
    return RankingOut(
        id=ranking.id,
        labeler=ranking.labeler,
        version=ranking.version,
        is_current=ranking.is_current,
        is_excluded=ranking.is_excluded,
        purpose=ranking.purpose,
        counts=ranking.counts,
        order=ranking.order,
        created_at=ranking.created_at,
        active_ms=ranking.active_ms,
        note=ranking.note,
        flags=ranking.flags,
        cannot_rank=ranking.cannot_rank,
        shown=ranking.shown,
        judged=[JudgedOut(**vars(one)) for one in ranking.judged],
    )
