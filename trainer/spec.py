"""The contract between Podium and the trainer: what a run is told, row by row.

Everything a run needs stands in `spec.json` (one of the specs below) and in the `.jsonl` files
beside it that the spec names. Only pydantic and the standard library are imported, so that the web
process can read and write it.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

SPEC_VERSION: Final = 1
MIN_RESPONSES, MAX_RESPONSES = 2, 9

RunKind = Literal["sample", "sft", "reward", "dpo", "ppo"]
Precision = Literal["auto", "float32", "bfloat16"]
Ties = Literal["drop", "half"]
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
    """A line of `pretraining.jsonl`: plain text for the pretraining mix of SFT and PPO."""

    text: str


class RankedResponse(Frozen):
    """One response of a ranking."""

    id: str
    text: str
    model: str | None = None
    finish: Finish | None = Field(
        None, description="why it ended; length: it was cut, and is read without EOS; null: unknown"
    )


class RankingRow(Frozen):
    """A line of `rankings.jsonl`: one labeler's ranking of one slate, K-wise."""

    prompt_id: str
    group: str = ""
    split: str = "train"
    messages: list[Message] = Field(min_length=1)
    responses: list[RankedResponse] = Field(min_length=MIN_RESPONSES, max_length=MAX_RESPONSES)
    ranks: list[Annotated[int, Field(ge=1)] | None] = Field(
        description="dense, 1 is best, equal is a tie; null: not judged"
    )
    ratings: list[int | None]
    labeler: str
    cohort: str = Field("training", description="others are measured and not trained on")
    weight: float = Field(
        ge=0, le=1e9, description="usually 1 / number of rankings of this slate; 0: not used"
    )
    # Where it comes from: for people, exports and the evaluation; training does not look at these.
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
    cut: str = Field("", description="what of the prompt was not read, by which model")


# --- settings: what people choose, with units and bounds ------------------------------------------

LearningRate = Annotated[float, Field(gt=0, le=1, description="peak learning rate of AdamW")]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
MaxTokens = Annotated[
    int, Field(ge=8, le=131072, description="longest prompt plus response, tokens")
]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
# vLLM too draws with no lower one (`_MAX_TEMP` of its sampling_params.py): logits are divided by
# it, and those that overflow have no log-probability. At the lowest nearly all draws are the best.
Temperature = Annotated[float, Field(ge=0.01, le=5)]


class Sampling(Frozen):
    """How responses are drawn."""

    temperature: Temperature = 1.0
    top_p: float = Field(1.0, gt=0, le=1)
    max_new_tokens: int = Field(128, ge=1, le=8192)
    seed: Seed = 0


class ComputeSettings(Frozen):
    """What every kind of training has: what it asks of a machine, and how a step is guarded."""

    precision: Precision = Field(
        "auto", description="of the forward pass; auto is bfloat16 on a GPU, float32 on a CPU"
    )
    lora_rank: int | None = Field(None, ge=1, le=1024, description="none: all weights are trained")
    lora_alpha: float = Field(32.0, gt=0, le=4096, description="adapter scale is alpha / rank")
    gradient_checkpointing: bool = Field(
        False, description="activations are computed again in the backward pass: less memory"
    )
    tokens_per_forward: int = Field(
        16_384, ge=256, le=4_194_304, description="tokens in one forward pass; batches accumulate"
    )
    max_gradient_norm: float | None = Field(
        1.0,
        gt=0,
        description="gradients of a larger 2-norm are scaled down to it, of each model apart; "
        "none: never",
    )
    checkpoint_minutes: float = Field(
        10.0, ge=0, le=1440, description="minutes between checkpoints; 0 writes one at every step"
    )


class SFTSettings(ComputeSettings):
    """Supervised fine-tuning; epochs and rate by default as before PPO (arXiv 2203.02155, C.3)."""

    epochs: float = Field(2, gt=0, le=100)
    learning_rate: LearningRate = 1e-5
    batch_size: BatchSize = 32
    max_tokens: MaxTokens = 1024
    warmup_steps: int = Field(0, ge=0, le=100_000)
    pretraining_share: float = Field(
        0.0,
        ge=0,
        le=0.9,
        description="of the tokens in the loss, over the run, that are of pretraining texts; they "
        "come on top of the batch's demonstrations; 0.1 before PPO in the paper (C.3)",
    )
    seed: Seed = 0


class RewardSettings(ComputeSettings):
    """The K-wise reward model (arXiv 2203.02155, equation 1); a batch counts prompts."""

    epochs: float = Field(1, gt=0, le=20)
    learning_rate: LearningRate = 9e-6
    batch_size: BatchSize = 64
    max_tokens: MaxTokens = 1024
    ties: Ties = "drop"
    labeler_folds: int = Field(
        0, ge=0, le=20, description="groups of labelers, each held out once; 0 skips the experiment"
    )
    seed: Seed = 0


class DPOSettings(ComputeSettings):
    """Direct preference optimization on rankings (arXiv 2305.18290, equation 7)."""

    beta: float = Field(0.1, gt=0, le=10, description="strength of the tie to the reference model")
    epochs: float = Field(1, gt=0, le=20)
    learning_rate: LearningRate = 1e-6
    batch_size: BatchSize = Field(32, description="prompts per optimizer step")
    max_tokens: MaxTokens = 1024
    warmup_steps: int = Field(0, ge=0, le=100_000)
    ties: Ties = "drop"
    seed: Seed = 0


class PPOSettings(ComputeSettings):
    """PPO with a per-token KL penalty and the pretraining mix (arXiv 2203.02155, eq. 2, C.4)."""

    steps: int = Field(
        50, ge=1, le=1_000_000, description="PPO iterations, one batch of rollouts each"
    )
    batch_size: BatchSize = Field(64, description="episodes per iteration")
    minibatch_size: BatchSize = Field(64, description="episodes per optimizer step")
    responses_per_prompt: int = Field(
        1, ge=1, le=64, description="episodes that share a prompt, which is computed once for them"
    )
    inner_epochs: int = Field(1, ge=1, le=16)
    learning_rate: LearningRate = 5e-6
    value_learning_rate: LearningRate = 9e-6
    warmup_steps: int = Field(
        10, ge=0, description="iterations from a tenth of the peak to the peak"
    )
    kl_coefficient: float = Field(0.02, ge=0, le=10)
    kl_target_nats: float | None = Field(
        None, gt=0, le=1000, description="the coefficient follows this KL; none: it stays fixed"
    )
    kl_horizon_episodes: int = Field(
        10_000, ge=1, le=100_000_000, description="how slowly the coefficient follows its target"
    )
    kl_limit_nats: float | None = Field(
        None, gt=0, le=10_000, description="mean KL of a batch that ends the run; none: no limit"
    )
    clip: float = Field(0.2, gt=0, lt=1)
    value_clip: float = Field(0.2, gt=0, le=100)
    gamma: float = Field(1.0, gt=0, le=1, description="discount")
    gae_lambda: float = Field(0.95, ge=0, le=1)
    whiten_rewards: bool = Field(
        False, description="scale the token rewards of a batch to variance 1, their mean kept"
    )
    ptx_coefficient: float = Field(
        0.0, ge=0, le=1000, description="times the mean token loss of the pretraining texts"
    )
    ptx_texts_per_episode: float = Field(1.0, gt=0, le=64)
    temperature: Temperature = 1.0
    max_new_tokens: int = Field(128, ge=1, le=8192)
    max_tokens: MaxTokens = 1024
    missing_eos_penalty: float = Field(
        1.0, ge=0, le=1000, description="subtracted when no EOS was sampled"
    )
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="0.992 in the paper; with LoRA the factors A and B are averaged, not their "
        "product; none: off",
    )
    rollouts: Literal["local", "server"] = Field(
        "local", description="who samples: this process, or the vLLM server of PODIUM_ROLLOUT_URL"
    )
    evaluate_every: int = Field(
        10, ge=1, description="iterations between evaluations, each with sampled texts"
    )
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

    @model_validator(mode="after")
    def _names_differ(self) -> "SampleSpec":
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError(
                f"the models {names} have one name twice; each needs a name of its own"
            )
        return self


class SFTSpec(Frozen):
    """Fine-tune `base_model` on demonstrations."""

    kind: Literal["sft"] = "sft"
    version: Literal[1] = SPEC_VERSION
    base_model: str = Field(description="model folder; without weights it is trained from scratch")
    settings: SFTSettings
    demonstrations: str = "demonstrations.jsonl"
    reward_model: str | None = Field(
        None, description="the saved checkpoint is the one it scores best; none: the last"
    )
    pretraining: str | None = Field(None, description="read when pretraining_share is above 0")
    dataset_sha256: str | None = None


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
    dataset_sha256: str | None = None


class DPOSpec(Frozen):
    """Train a policy from `base_model` (also the frozen reference model) on rankings."""

    kind: Literal["dpo"] = "dpo"
    version: Literal[1] = SPEC_VERSION
    base_model: str
    settings: DPOSettings
    rankings: str = "rankings.jsonl"
    dataset_sha256: str | None = None


class PPOSpec(Frozen):
    """Optimize `base_model` (also the frozen reference model) against `reward_model`."""

    kind: Literal["ppo"] = "ppo"
    version: Literal[1] = SPEC_VERSION
    base_model: str
    reward_model: str
    settings: PPOSettings
    prompts: str = "prompts.jsonl"
    pretraining: str | None = None
    dataset_sha256: str | None = None


TrainingSpec = SFTSpec | RewardSpec | DPOSpec | PPOSpec
RunSpec = Annotated[SampleSpec | TrainingSpec, Field(discriminator="kind")]
run_spec_adapter: TypeAdapter[RunSpec] = TypeAdapter(RunSpec)
