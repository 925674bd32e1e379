"""The contract between Podium and the trainer: what a run says when it has ended.

`result.json` holds a `RunResult`. Only pydantic and the standard library are imported, so that the
web process can read it.
"""

from pydantic import Field

from trainer.spec import Frozen, RunKind


class Lineage(Frozen):
    """What a trained model was made of, exactly.

    Attributes:
        dataset_sha256: of the dataset that the files are from, when it is known.
        files: sha256 of each `.jsonl` file that was read, by name.
        parents: sha256 over the weights and tokenizer of each model that was read, by role.
        settings: all of them, defaults included.
        rows_used: ids of the rows that were trained on.
        rows_dropped: why, by the id of each row that was left out.
        rows_cut: why, by the id of each row that was shortened.
    """

    dataset_sha256: str | None
    files: dict[str, str]
    parents: dict[str, str]
    settings: dict[str, float | int | str | bool | None]
    seed: int
    rows_used: list[str]
    rows_dropped: dict[str, str]
    rows_cut: dict[str, str]


class Share(Frozen):
    """A share with its interval: accuracy, mostly.

    Attributes:
        value: None where there is nothing to count.
        low: of the 95% interval, clustered by prompt; None with the reason in `reason`.
        high: the other end.
        count: comparisons.
        prompts: clusters.
        reason: why a number is missing.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    count: int
    prompts: int
    reason: str | None = None


class CalibrationBin(Frozen):
    """Comparisons whose confidence lies in [low, high): mean confidence, share right, count."""

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    count: int


class Calibration(Frozen):
    """How far a probability can be believed (`before` and `after` dividing by a temperature)."""

    temperature: float | None
    log_loss_before: float | None
    log_loss_after: float | None
    brier_before: float | None
    brier_after: float | None
    ece_before: float | None
    ece_after: float | None
    bins: list[CalibrationBin]
    reason: str | None = None


class Coefficient(Frozen):
    """A fitted number with its standard error and 95% interval, clustered by prompt."""

    value: float
    se: float
    low: float
    high: float


class ChoiceRegression(Frozen):
    """How reward and length together explain which response labelers choose.

    Attributes:
        reward: log odds of being chosen for each point of reward more; None, as `log_length`, with
            the reason in `reason`.
        log_length: and for each unit of log tokens more, at the same reward.
        count: comparisons.
        prompts: clusters.
        warning: a sentence when the interval of `log_length` lies on one side of 0.
        reason: why there are no coefficients.
    """

    reward: Coefficient | None = None
    log_length: Coefficient | None = None
    count: int
    prompts: int
    warning: str | None = None
    reason: str | None = None


class LengthChecks(Frozen):
    """Whether the reward model pays for length.

    Attributes:
        mean_spearman: within-prompt rank correlation of reward and tokens, averaged over prompts.
        longer_wins: accuracy of "the longer response is better".
        when_chosen_longer: the model's accuracy where the labeler's choice was the longer one.
        when_chosen_shorter: and where it was the shorter one.
        warning: a sentence when the two differ by more than ten points.
        choice: whether labelers like length more, or less, than the reward model does.
    """

    mean_spearman: float | None
    longer_wins: Share
    when_chosen_longer: Share
    when_chosen_shorter: Share
    warning: str | None = None
    choice: ChoiceRegression | None = None


class AgreementBand(Frozen):
    """What labelers' own agreement allows: from `agreement` to `ceiling` (statistics, q of a).

    Attributes:
        agreement: pairwise agreement of labelers on the held-out prompts.
        ceiling: accuracy of a model that always knew the majority, if all pairs were equally hard.
        empirical_ceiling: accuracy of the majority of the other labelers, where three ranked.
        accuracy: of the reward model on the pairs of responses that `agreement` counts.
        accuracy_beside_majority: of the reward model on those that `empirical_ceiling` counts.
        reason: why there is no ceiling.
    """

    agreement: Share
    ceiling: float | None
    empirical_ceiling: Share
    accuracy: Share | None = None
    accuracy_beside_majority: Share | None = None
    reason: str | None = None


class Fold(Frozen):
    """One group of labelers held out: accuracy on the others' rankings and on theirs."""

    labelers: list[str]
    training_labelers: Share
    held_out_labelers: Share


class ModelPair(Frozen):
    """Accuracy where a response of one model was compared with one of the other, or of the same."""

    models: tuple[str, str] = Field(description="in the order of their names")
    accuracy: Share


class RewardEvaluation(Frozen):
    """Everything that is measured of a reward model on held-out prompts.

    Attributes:
        accuracy: over comparisons, as the others here.
        by_margin: by how much better the chosen response was rated: "0", "1", "2", "3+", and
            "below 0" where ratings contradict the ranking.
        by_round: by the number of the round; comparisons of no known round are left out.
        by_models: by whose responses were compared, the pair with most comparisons first;
            responses of no known model are left out.
        accuracy_per_prompt: the mean over prompts of the accuracy within each.
        folds: groups of labelers, each held out once from a training of its own.
    """

    accuracy: Share
    by_labeler: dict[str, Share]
    by_margin: dict[str, Share]
    training_labelers: Share
    held_out_labelers: Share
    calibration: Calibration
    length: LengthChecks
    agreement: AgreementBand
    by_round: dict[str, Share] = Field({})
    by_models: list[ModelPair] = Field([])
    accuracy_per_prompt: Share | None = None
    folds: list[Fold] = Field([])


class RunResult(Frozen):
    """`result.json`, written last: the run is complete when this file is valid."""

    kind: RunKind
    metrics: dict[str, float | None] = Field(description="the run's closing numbers")
    model: str | None = Field(None, description="folder of the trained model, relative to the run")
    rows: dict[str, int] = Field(description="rows used, dropped and cut, by name")
    rows_cut: dict[str, str] = Field(
        {}, description="why, by id, of a sample run's prompts; a training run's are in `lineage`"
    )
    texts: list[str] = Field([], description="a few sampled texts, for people")
    versions: dict[str, str] = Field(description="python, torch, transformers, ...")
    lineage: Lineage | None = None
    evaluation: RewardEvaluation | None = None
    error: str | None = Field(None, description="why the run failed, in one line; then no model")
