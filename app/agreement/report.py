"""The whole of a project's agreement, or a slice's, as it may be shown: pure, from measures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from app.agreement.metrics.bootstrap import BY_LABELER_PAIR, BY_PROMPT, Interval, Statistic
from app.agreement.metrics.estimates import Estimate, Kind, Measured, shown
from app.agreement.metrics.measures import RULES, Measures, Rule
from app.web.translation import gettext

NO_CHANCE = "not defined: all labels are the same"
NO_PREFERENCE = "not defined: no pair of responses was ordered by both labelers"
NO_PAIR = "not enough data: no two labelers share 30 comparisons"
NO_CONSENSUS = "not defined: every pair was tied, by this labeler or in sum by the others"
NO_RATINGS_OF_PAIRS = "not defined: the rating of one response is in no pair"


@dataclass(frozen=True)
class Headline:
    """One rule's agreement, and its averages over prompts and over pairs of labelers."""

    estimate: Estimate
    macro_prompt: Estimate
    macro_labeler_pair: Estimate

    def with_each(self, change: Callable[[Estimate], Estimate]) -> "Headline":
        """The same with all three changed."""
        return Headline(
            change(self.estimate), change(self.macro_prompt), change(self.macro_labeler_pair)
        )


@dataclass(frozen=True)
class LabelerAgreement:
    """A labeler with the others, and with the sign of the others' sum."""

    labeler: str
    rankings: int
    strict: Estimate
    leave_one_out: Estimate


@dataclass(frozen=True)
class PairAgreement:
    """Two labelers on the slates that both ranked."""

    labelers: tuple[str, str]
    strict: Estimate


@dataclass(frozen=True)
class WinRate:
    """A model over the baseline."""

    model: str
    baseline: str
    estimate: Estimate


@dataclass(frozen=True)
class Report:
    """Everything on the agreement page."""

    rankings: int
    strict: Headline
    half: Headline
    three_way: Headline
    alpha: Estimate
    ratings_alpha: Estimate
    tie_share: float | None
    """Share of units in which at least one labeler ties, and which strict agreement leaves out."""
    labelers: list[LabelerAgreement]
    pairs: list[PairAgreement]
    models: list[str]
    baseline: str | None
    win_rates: list[WinRate]


def report_of(
    measures: Measures,
    *,
    name_of: Callable[[int], str],
    intervals: Mapping[Statistic, Interval],
    is_of_pairs: bool = False,
    is_wider_awaited: bool = False,
) -> Report:
    """What may be shown, in the language of the request.

    Args:
        measures: the numbers.
        name_of: the pseudonym of a user.
        intervals: bootstrapped ones of the headline; where there is none, a t interval is shown.
        is_wider_awaited: whether intervals are being computed that tell more than the t interval,
            since the labelers are few; until then the headline is provisional.
        is_of_pairs: whether the slice takes some pairs of a slate and leaves others; single
            ratings are in none.
    """
    drawn = {name: (one.low, one.high) for name, one in intervals.items()}

    def alpha(name: Statistic, kind: Kind, measured: Measured, undefined: str) -> Estimate:
        found = shown(kind, measured, low=-1.0, undefined=undefined, bootstrap=drawn.get(name))
        return _awaiting(found) if is_wider_awaited else found

    strict, half, three_way = (_headline(measures, rule, drawn) for rule in RULES)
    if is_wider_awaited:
        strict, half, three_way = (one.with_each(_awaiting) for one in (strict, half, three_way))
    of_ratings = measures.ratings_alpha
    if is_of_pairs:
        of_ratings = Measured(None, None, of_ratings.units, of_ratings.prompts)
    return Report(
        rankings=measures.rankings,
        strict=strict,
        half=half,
        three_way=three_way,
        alpha=alpha("alpha", "agreement_card", measures.alpha, NO_CHANCE),
        ratings_alpha=alpha(
            "ratings_alpha",
            "ratings_card",
            of_ratings,
            NO_RATINGS_OF_PAIRS if is_of_pairs else NO_CHANCE,
        ),
        tie_share=measures.tie_share if half.estimate.value is not None else None,
        labelers=_labelers(measures, name_of),
        pairs=_pairs(measures, name_of),
        models=sorted(measures.ranked),
        baseline=measures.baseline,
        win_rates=[
            WinRate(model, measures.baseline or "", shown("win_rate", measured))
            for model, measured in measures.win_rates.items()
        ],
    )


def _headline(
    measures: Measures, rule: Rule, drawn: Mapping[Statistic, tuple[float, float]]
) -> Headline:
    average = measures.headline[rule]

    def card(measured: Measured, name: Statistic) -> Estimate:
        return shown("agreement_card", measured, undefined=NO_PREFERENCE, bootstrap=drawn.get(name))

    estimate = card(average.micro, rule)
    by_prompt = card(average.macro_prompt, BY_PROMPT[rule])
    by_pair = card(average.macro_labeler_pair, BY_LABELER_PAIR[rule])
    both_judged = measures.headline["half"].micro
    if not average.micro.units and both_judged.units:
        # Enough prompts are shared, but somebody ties everything: "0 of 10 shared" would be wrong.
        tied = Measured(None, None, both_judged.units, both_judged.prompts)
        reason = shown("agreement_card", tied, undefined=NO_PREFERENCE).reason
        estimate = replace(estimate, reason=reason)
        by_prompt = replace(by_prompt, reason=reason)
    if not average.macro_labeler_pair.units:
        by_pair = replace(by_pair, reason=gettext(NO_PAIR))
    return Headline(estimate, by_prompt, by_pair)


def _awaiting(estimate: Estimate) -> Estimate:
    """The same as provisional."""
    if estimate.status != "ok":
        return estimate
    reason = gettext("provisional: the wider interval of few labelers is being computed")
    return replace(estimate, status="provisional", reason=reason)


def _labelers(measures: Measures, name_of: Callable[[int], str]) -> list[LabelerAgreement]:
    rows = [
        LabelerAgreement(
            labeler=name_of(user),
            rankings=found.rankings,
            strict=shown("labeler", found.strict, undefined=NO_PREFERENCE),
            leave_one_out=shown("labeler", found.leave_one_out, undefined=NO_CONSENSUS),
        )
        for user, found in measures.labelers.items()
    ]
    return sorted(rows, key=lambda row: row.labeler)


def _pairs(measures: Measures, name_of: Callable[[int], str]) -> list[PairAgreement]:
    rows = []
    for (one, other), measured in measures.pairs.items():
        first, second = sorted((name_of(one), name_of(other)))
        estimate = shown("labeler_pair", measured, undefined=NO_PREFERENCE)
        rows.append(PairAgreement((first, second), estimate))
    return sorted(rows, key=lambda row: row.labelers)
