"""Which rankings a project takes: pure rules over what was sent and what was shown. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.errors import Fault, InvalidError
from app.labeling.ranking import dense_ranks
from app.labeling.schemas import MAX_ACTIVE_MS, JudgedResponse, RankingIn
from app.projects.screen import ScreenSettings


@dataclass(frozen=True)
class Rules:
    """What a ranking of one task is held against."""

    display_order: Sequence[int]
    response_flags: frozenset[str]
    task_flags: frozenset[str]
    need_note: frozenset[str]
    settings: ScreenSettings

    @classmethod
    def of(
        cls,
        settings: ScreenSettings,
        *,
        flags: Sequence[Mapping[str, object]],
        display_order: Sequence[int],
    ) -> "Rules":
        """The rules of a project for the responses that were shown."""

        def keys(**wanted: object) -> frozenset[str]:
            return frozenset(
                str(flag["key"])
                for flag in flags
                if all(flag[name] == value for name, value in wanted.items())
            )

        return cls(
            display_order=display_order,
            response_flags=keys(scope="response"),
            task_flags=keys(scope="task"),
            need_note=keys(needs_note=True),
            settings=settings,
        )


def checked_items(ranking: RankingIn, rules: Rules) -> list[dict[str, object]]:
    """The items as they are stored, ranks made dense; one shared rank where none could be given.

    Raises:
        InvalidError: not exactly the responses shown, or one of them breaks a rule.
    """
    responses = ranking.responses
    if sorted(item.id for item in responses) != sorted(rules.display_order):
        raise InvalidError(
            f"Send each of the {len(rules.display_order)} responses of this task exactly once.",
            code="not_a_permutation",
        )
    given = [_rank_of(item, ranking) for item in responses]
    faults = tuple(
        Fault(("responses", position, where), message)
        for position, (item, rank) in enumerate(zip(responses, given, strict=True))
        for where, message in _faults_of(item, rank, rules)
    ) or tuple(_faults_of_order(ranking, given, rules))
    if faults:
        where = ".".join(map(str, faults[0].loc[:2]))
        raise InvalidError(f"{where}: {faults[0].msg}", code="invalid", faults=faults)
    return [
        {
            "response_id": item.id,
            "rank": rank,
            "rating": _rating_of(item, rules),
            "flags": item.flags,
            "note": item.note,
            "cannot_judge": _reason_of(item),
            "is_opened": item.opened,
            "visible_ms": None
            if item.visible_ms is None
            else min(max(item.visible_ms, 0), MAX_ACTIVE_MS),
            "duplicate_of": item.same_as,
        }
        for item, rank in zip(responses, dense_ranks(given), strict=True)
    ]


def checked_task(ranking: RankingIn, rules: Rules) -> None:
    """Check what is said about the whole task, about pairs, and about warnings.

    Raises:
        InvalidError: a flag does not exist, or a response was not shown.
    """
    shown = set(rules.display_order)
    faults = []
    if not set(ranking.flags) <= rules.task_flags:
        faults.append(Fault(("flags",), "names a flag that this project does not have for tasks"))
    for position, warned in enumerate(ranking.warnings):
        if not set(warned.responses) <= shown:
            faults.append(
                Fault(("warnings", position, "responses"), "names a response of another task")
            )
    for position, answer in enumerate(ranking.pair_answers):
        if answer.left == answer.right or not {answer.left, answer.right} <= shown:
            faults.append(Fault(("pair_answers", position), "must name two responses of this task"))
    if faults:
        where = ".".join(map(str, faults[0].loc[:2]))
        raise InvalidError(f"{where}: {faults[0].msg}", code="invalid", faults=tuple(faults))


def _rank_of(item: JudgedResponse, ranking: RankingIn) -> int | None:
    if item.cannot_judge:
        return item.rank  # a fault when there is one
    return 1 if ranking.cannot_rank else item.rank


def _rating_of(item: JudgedResponse, rules: Rules) -> int | None:
    """Where the project rates what cannot be judged, whatever was sent for it counts as 1."""
    return 1 if rules.settings.rate_unjudged and item.cannot_judge else item.rating


def _reason_of(item: JudgedResponse) -> str | None:
    if isinstance(item.cannot_judge, str):
        return item.cannot_judge
    return "unsaid" if item.cannot_judge else None


def _faults_of(item: JudgedResponse, rank: int | None, rules: Rules) -> Iterator[tuple[str, str]]:
    settings = rules.settings
    if item.cannot_judge and rank is not None:
        yield "rank", "must be absent when cannot_judge is set"
    if not item.cannot_judge and rank is None and settings.require_rank:
        yield "rank", "is missing: rank the response or mark it cannot_judge"
    if not item.cannot_judge and item.rating is None and settings.require_rating:
        yield "rating", "is missing: rate the response from 1 to 7"
    if item.same_as is not None and item.same_as not in rules.display_order:
        yield "same_as", "names a response of another task"
    yield from _faults_of_flags(item, rules)


def _faults_of_flags(item: JudgedResponse, rules: Rules) -> Iterator[tuple[str, str]]:
    named = [*item.flags, *item.not_flagged]
    if len(set(named)) != len(named):
        yield "flags", "names a flag twice"
    if not set(named) <= rules.response_flags:
        yield "flags", "names a flag that this project does not have"
    if (
        rules.settings.flags_mode == "forced_yes_no"
        and not item.cannot_judge
        and set(named) != rules.response_flags
    ):
        yield "not_flagged", "answer each flag with yes (flags) or no (not_flagged)"
    if set(item.flags) & rules.need_note and not (item.note or "").strip():
        yield "note", "is missing: one of the flags needs a note"


def _faults_of_order(
    ranking: RankingIn, given: Sequence[int | None], rules: Rules
) -> Iterator[Fault]:
    rank_by_id = {item.id: rank for item, rank in zip(ranking.responses, given, strict=True)}
    for position, item in enumerate(ranking.responses):
        if item.same_as is not None and rank_by_id[item.same_as] != rank_by_id[item.id]:
            message = "has the same text, so it must have the same rank"
            yield Fault(("responses", position, "same_as"), message)
    ranks = [rank_by_id[item.id] for item in ranking.responses if item.same_as is None]
    placed = [rank for rank in ranks if rank is not None]
    if not rules.settings.allow_ties and not ranking.cannot_rank and len(set(placed)) < len(placed):
        yield Fault(("responses",), "this project takes no ties: give each response its own rank")
