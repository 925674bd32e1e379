"""The contract between Podium and the trainer: what a run is told, row by row.

Everything a run needs stands in `spec.json` (one of the specs below) and in the `.jsonl` files
beside it that the spec names. Only pydantic and the standard library are imported, so that the web
process can read and write it.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

SPEC_VERSION: Final = 1
MIN_RESPONSES, MAX_RESPONSES = 2, 9

RunKind = Literal["sample", "sft", "reward", "ppo"]
Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length"]
Problem = Literal["empty", "duplicate"]


class Frozen(BaseModel):
    """Strict, closed and immutable: an unknown or mistyped key fails before a model is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# --- rows ----------------------------------------------------------------------------------------


class Message(Frozen):
    """One turn of a conversation."""

    role: Role
    content: str


class PromptRow(Frozen):
    """A line of `prompts.jsonl`."""

    prompt_id: str
    group: str = ""
    split: str = "train"
    messages: list[Message] = Field(min_length=1)


class DemonstrationRow(Frozen):
    """A line of `demonstrations.jsonl`: a prompt with the answer that a person wrote."""

    prompt_id: str
    group: str = ""
    split: str = "train"
    messages: list[Message] = Field(min_length=1)
    response: str


class PretrainingRow(Frozen):
    """A line of `pretraining.jsonl`: plain text for the pretraining mix."""

    text: str


class RankedResponse(Frozen):
    """One response of a ranking."""

    id: str
    text: str
    model: str | None = None


class RankingRow(Frozen):
    """A line of `rankings.jsonl`: one labeler's ranking of one slate, K-wise."""

    prompt_id: str
    group: str = ""
    split: str = "train"
    messages: list[Message] = Field(min_length=1)
    responses: list[RankedResponse] = Field(min_length=MIN_RESPONSES, max_length=MAX_RESPONSES)
    ranks: list[int | None] = Field(
        description="dense, 1 is best, equal is a tie; null: not judged"
    )
    ratings: list[int | None]
    labeler: str
    weight: float = Field(ge=0, description="1 / number of rankings of this slate")
    # Where it comes from, for people and exports; the trainer does not look at these.
    ranking: int | None = None
    slate: int | None = None
    round: int | None = None
    labeled_at: str | None = None

    @model_validator(mode="after")
    def _lengths_match(self) -> "RankingRow":
        if not len(self.ranks) == len(self.ratings) == len(self.responses):
            raise ValueError(
                f"prompt {self.prompt_id}: {len(self.responses)} responses but "
                f"{len(self.ranks)} ranks and {len(self.ratings)} ratings"
            )
        return self


class SampledResponse(Frozen):
    """One response as it was sampled; `problem` says why it must not be offered."""

    text: str
    model: str
    seed: int
    temperature: float
    top_p: float
    max_new_tokens: int
    attempts: int = Field(ge=1, description="1 plus the number of times it was resampled")
    finish: Finish
    problem: Problem | None = None


class SampledSlate(Frozen):
    """A line of `responses.jsonl`, which a sample run appends to, one line per finished prompt."""

    prompt_id: str
    responses: list[SampledResponse]


# --- settings: what people choose, with units and bounds ------------------------------------------

LearningRate = Annotated[float, Field(gt=0, le=1, description="peak learning rate of AdamW")]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
MaxTokens = Annotated[
    int, Field(ge=8, le=131072, description="longest prompt plus response, tokens")
]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Sampling(Frozen):
    """How responses are drawn."""

    temperature: float = Field(1.0, gt=0, le=5)
    top_p: float = Field(1.0, gt=0, le=1)
    max_new_tokens: int = Field(128, ge=1, le=8192)
    seed: Seed = 0


class SFTSettings(Frozen):
    """Supervised fine-tuning; defaults follow InstructGPT (arXiv 2203.02155, C.1)."""

    epochs: float = Field(2, gt=0, le=100)
    learning_rate: LearningRate = 1e-5
    batch_size: BatchSize = 32
    max_tokens: MaxTokens = 1024
    warmup_steps: int = Field(0, ge=0, le=100_000)
    seed: Seed = 0


class RewardSettings(Frozen):
    """The K-wise reward model (arXiv 2203.02155, equation 1); a batch counts prompts."""

    epochs: float = Field(1, gt=0, le=20)
    learning_rate: LearningRate = 9e-6
    batch_size: BatchSize = 64
    max_tokens: MaxTokens = 1024
    ties: Literal["drop", "half"] = "drop"
    seed: Seed = 0


class PPOSettings(Frozen):
    """PPO with a per-token KL penalty and the pretraining mix (arXiv 2203.02155, eq. 2, C.4)."""

    steps: int = Field(
        50, ge=1, le=1_000_000, description="PPO iterations, one batch of rollouts each"
    )
    batch_size: BatchSize = Field(64, description="episodes per iteration")
    minibatch_size: BatchSize = Field(64, description="episodes per optimizer step")
    inner_epochs: int = Field(1, ge=1, le=16)
    learning_rate: LearningRate = 5e-6
    value_learning_rate: LearningRate = 9e-6
    warmup_steps: int = Field(
        10, ge=0, description="iterations from a tenth of the peak to the peak"
    )
    kl_coefficient: float = Field(0.02, ge=0, le=10)
    clip: float = Field(0.2, gt=0, lt=1)
    value_clip: float = Field(0.2, gt=0, le=100)
    gamma: float = Field(1.0, gt=0, le=1, description="discount")
    gae_lambda: float = Field(0.95, ge=0, le=1)
    ptx_coefficient: float = Field(
        0.0, ge=0, le=1000, description="times the mean token loss of the pretraining texts"
    )
    ptx_texts_per_episode: float = Field(1.0, gt=0, le=64)
    temperature: float = Field(1.0, gt=0, le=5)
    max_new_tokens: int = Field(128, ge=1, le=8192)
    max_tokens: MaxTokens = 1024
    missing_eos_penalty: float = Field(1.0, ge=0, description="subtracted when no EOS was sampled")
    ema_decay: float | None = Field(None, gt=0, lt=1, description="0.992 in the paper; none: off")
    seed: Seed = 0


# --- specs ---------------------------------------------------------------------------------------


class SampledModel(Frozen):
    """A model that a sample run draws from: a folder, or a name at the configured endpoint."""

    name: str
    path: str | None = None
    endpoint_model: str | None = Field(None, description="model name at PODIUM_SAMPLER_URL")

    @model_validator(mode="after")
    def _one_location(self) -> "SampledModel":
        if (self.path is None) == (self.endpoint_model is None):
            raise ValueError(f"model {self.name!r} needs either a path or an endpoint_model")
        return self


class SampleSpec(Frozen):
    """Draw `responses_per_prompt` responses for each prompt, spread evenly over the models."""

    kind: Literal["sample"] = "sample"
    version: Literal[1] = SPEC_VERSION
    models: list[SampledModel] = Field(min_length=1, max_length=MAX_RESPONSES)
    responses_per_prompt: int = Field(ge=1, le=MAX_RESPONSES)
    sampling: Sampling
    max_resamples: int = Field(
        3, ge=0, le=10, description="tries for an empty or duplicate response"
    )
    prompts: str = "prompts.jsonl"


class SFTSpec(Frozen):
    """Fine-tune `base_model` on demonstrations."""

    kind: Literal["sft"] = "sft"
    version: Literal[1] = SPEC_VERSION
    base_model: str = Field(description="model folder; without weights it is trained from scratch")
    settings: SFTSettings
    demonstrations: str = "demonstrations.jsonl"


class RewardSpec(Frozen):
    """Train a reward model from `base_model` on rankings."""

    kind: Literal["reward"] = "reward"
    version: Literal[1] = SPEC_VERSION
    base_model: str
    settings: RewardSettings
    rankings: str = "rankings.jsonl"
    demonstrations: str | None = Field(
        None, description="the bias is set so that these score 0 on average; none: the bias stays 0"
    )


class PPOSpec(Frozen):
    """Optimize `base_model` (also the frozen reference model) against `reward_model`."""

    kind: Literal["ppo"] = "ppo"
    version: Literal[1] = SPEC_VERSION
    base_model: str
    reward_model: str
    settings: PPOSettings
    prompts: str = "prompts.jsonl"
    pretraining: str | None = None


RunSpec = Annotated[SampleSpec | SFTSpec | RewardSpec | PPOSpec, Field(discriminator="kind")]
run_spec_adapter: TypeAdapter[RunSpec] = TypeAdapter(RunSpec)


class RunResult(Frozen):
    """`result.json`, written last: the run is complete when this file is valid."""

    kind: RunKind
    metrics: dict[str, float | None] = Field(description="the run's closing numbers")
    model: str | None = Field(None, description="folder of the trained model, relative to the run")
    rows: dict[str, int] = Field(description="rows used, dropped and cut, by name")
    texts: list[str] = Field([], description="a few sampled texts, for people")
    versions: dict[str, str] = Field(description="python, torch, transformers, ...")
