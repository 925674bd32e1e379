"""Supervised fine-tuning on demonstrations: the loss is on the response and its EOS only.

Prompt tokens are masked, which arXiv 2203.02155 leaves open. Batches are drawn without regard to
length and packed without padding; the loss of a batch is the mean over its response tokens and,
where pretraining texts are mixed in, over theirs. Dropout stays off, as everywhere here: only then
is a packed or recomputed forward pass exact.
"""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedModel

from trainer import forward, limits, models, rundir
from trainer.architecture import sharding
from trainer.data import Example
from trainer.language_loss import mean_loss, packed_batches, response_tokens_of, sum_of
from trainer.preview import sample_texts
from trainer.result import Lineage, RunResult
from trainer.running import optimization, parallel
from trainer.running.checkpoints import Checkpointer
from trainer.running.lineage import describe_lineage
from trainer.running.pace import Pace
from trainer.running.rows import read_rows
from trainer.running.schedule import is_validation_due, plan_batches
from trainer.running.trained import JSON, Trained
from trainer.running.watch import Watch
from trainer.sft.demonstrations import Demonstrations, split_demonstrations
from trainer.sft.mix import PretrainingMix, open_mix
from trainer.sft.selection import Selection, open_selection
from trainer.spec import DemonstrationRow, Sampling, SFTSettings, SFTSpec

VALIDATION_EXAMPLES = 256
SHOWN_TEXTS = 4
SHOWN_TOKENS = 96


def run(spec: SFTSpec, run_dir: Path) -> None:
    """Do an SFT run: `model/` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when there is nothing to train on or a model cannot be loaded.
        RunDivergedError: when the loss stops being finite.
        StoppedError: SIGTERM or Ctrl-C came.
    """
    limits.require_memory(spec)
    settings = spec.settings
    rows = read_rows(run_dir / spec.demonstrations, DemonstrationRow)
    folder = models.resolve_folder(spec.base_model)
    tokenizer = models.load_tokenizer(folder)
    policy = models.load_policy(folder, seed=settings.seed, compute=settings)
    models.require_same_vocabulary(policy, tokenizer, name=str(folder))
    max_tokens = limits.say_longest_sequence(policy.config, settings.max_tokens)
    demonstrations = split_demonstrations(rows, tokenizer, max_tokens=max_tokens)
    mix = open_mix(spec, run_dir, tokenizer, max_tokens=max_tokens)
    parents, selection = {"base_model": folder}, None
    if spec.reward_model is not None:
        prompts = demonstrations.held_prompts
        selection = open_selection(spec.reward_model, policy, tokenizer, prompts, settings)
        parents["reward_model"] = models.resolve_folder(spec.reward_model)
    demonstrations.rows.end_before(_unreached(demonstrations, settings))
    lineage = describe_lineage(spec, run_dir, parents=parents, rows=demonstrations.rows)

    metrics = train_policy(
        policy, demonstrations, spec, run_dir, lineage=lineage, selection=selection, mix=mix
    )

    prompts = [*demonstrations.held_prompts, *demonstrations.train_prompts]
    shown = sample_texts(
        policy,
        tokenizer,
        prompts[:SHOWN_TEXTS],
        Sampling(max_new_tokens=SHOWN_TOKENS, seed=settings.seed),
        max_tokens=settings.max_tokens,
    )
    state = sharding.whole_state(policy)
    if not parallel.ranks().is_main:
        return
    with rundir.saving_model(run_dir) as unfinished:
        models.save_model(policy, tokenizer, unfinished, state=state)
    held = demonstrations.held
    rundir.write_result(
        run_dir,
        RunResult(
            kind="sft",
            metrics=rundir.finite(metrics),
            model=rundir.MODEL_FOLDER,
            rows={
                "train": len(demonstrations.train),
                "validation": len(held),
                "dropped": len(rows) - len(demonstrations.train) - len(held),
                "cut": len(demonstrations.rows.cut),
                **({} if mix is None else mix.rows()),
            },
            texts=shown,
            versions=rundir.versions(),
            lineage=lineage,
        ),
    )


def train_policy(
    policy: PreTrainedModel,
    demonstrations: Demonstrations,
    spec: SFTSpec,
    run_dir: Path,
    *,
    lineage: Lineage,
    selection: Selection | None,
    mix: PretrainingMix | None = None,
) -> rundir.Metrics:
    """Train in place and return the closing numbers.

    Args:
        policy: ends with the last weights, or with those that the selection finds best.
        demonstrations: to train and validate on.
        spec: of the run.
        run_dir: where metrics and checkpoints go.
        lineage: of what was read; checkpoints of other files or models are not resumed from.
        selection: None saves the last weights.
        mix: pretraining texts beside the demonstrations.
    """
    settings, train = spec.settings, demonstrations.train
    plan = plan_batches(train, settings)
    tokens = [sum(len(example.tokens) for example in batch) for batch in plan]
    responses = list(accumulate(response_tokens_of(batch) for batch in plan))
    optimizer = optimization.make_optimizer(policy, learning_rate=settings.learning_rate)
    trained = Trained(
        models={"policy": policy},
        optimizers={"policy": optimizer},
        tensors={} if selection is None else selection.best,
    )
    with Checkpointer(
        run_dir, spec, trained, lineage=lineage, minutes=settings.checkpoint_minutes
    ) as checkpoints:
        resumed = checkpoints.resume()
        metrics: rundir.Metrics = resumed.state.get("metrics", {})
        if selection is not None and resumed.state:
            selection.score = resumed.state["selection"]["score"]
            selection.step = resumed.state["selection"]["step"]
        if mix is not None and resumed.state:
            mix.go_on(resumed.state["mix"])
        mixed_in = 0 if mix is None else mix.tokens
        pace = Pace(planned=sum(tokens), done=sum(tokens[: resumed.step]) + mixed_in)
        with parallel.appending(run_dir / rundir.METRICS_FILE) as file:
            for step in range(resumed.step, len(plan)):
                is_validated = is_validation_due(step, steps=len(plan))
                state = _state(metrics, selection, mix)
                checkpoints.at_border(step, state, is_one_needed=is_validated)
                share = optimization.cosine_share(
                    step, steps=len(plan), warmup_steps=settings.warmup_steps
                )
                optimization.set_rate(optimizer, settings.learning_rate * share)
                texts = [] if mix is None else mix.read_beside(responses[step])
                losses = accumulate_losses(policy, plan[step], texts, settings, checkpoints)
                norm = optimization.guarded_step(
                    optimizer,
                    policy.parameters(),
                    loss=losses.together,
                    step=step,
                    max_norm=settings.max_gradient_norm,
                )
                metrics = {
                    "loss/sft": losses.demonstrations,
                    "gradient/norm": norm,
                    "learning_rate": settings.learning_rate * share,
                }
                if mix is not None:
                    metrics["loss/pretraining"] = losses.pretraining
                    metrics["pretraining/texts"] = len(texts)
                    metrics["pretraining/tokens"] = sum(len(text.tokens) for text in texts)
                    left = round(mix.left_beside(responses[-1]))
                    pace.planned = sum(tokens) + mix.tokens + left
                metrics |= pace.advance(tokens[step] + int(metrics.get("pretraining/tokens") or 0))
                if is_validated:
                    metrics |= validate(
                        policy,
                        demonstrations.held,
                        settings,
                        selection,
                        step=step,
                        watch=checkpoints.until_abandoned,
                    )
                rundir.append_metrics(file, step=step, progress=pace.progress, metrics=metrics)
        checkpoints.at_border(len(plan), _state(metrics, selection, mix))
    return metrics if selection is None else metrics | selection.load_best(policy)


class Losses(NamedTuple):
    """Mean losses of a step: of the demonstrations, of the texts if there are any, of both."""

    demonstrations: float
    pretraining: float | None
    together: float


def accumulate_losses(
    policy: PreTrainedModel,
    batch: Sequence[Example],
    texts: Sequence[Example],
    settings: SFTSettings,
    checkpoints: Checkpointer,
) -> Losses:
    """Add the gradient of the mean loss over all response tokens and those of the texts."""
    counts = response_tokens_of(batch), response_tokens_of(texts)
    shares = []
    for examples in (batch, texts):
        losses = []
        for weight, packed in checkpoints.until_stopped(
            packed_batches(policy, examples, settings.tokens_per_forward)
        ):
            loss = weight * forward.text_loss(policy, packed) / sum(counts)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        shares.append(sum_of(losses))
    parallel.sum_gradients(policy.parameters())
    own, of_texts = (
        share * (sum(counts) / count) if count else None
        for share, count in zip(shares, counts, strict=True)
    )
    assert own is not None
    return Losses(own, of_texts, sum(shares))


def validate(
    policy: PreTrainedModel,
    held: Sequence[Example],
    settings: SFTSettings,
    selection: Selection | None,
    *,
    step: int,
    watch: Watch,
) -> rundir.Metrics:
    """Return the loss on held-out demonstrations and the score of answers to their prompts."""
    measured: rundir.Metrics = {}
    if held:
        measured["loss/validation"] = mean_loss(
            policy,
            held[:VALIDATION_EXAMPLES],
            tokens_per_forward=settings.tokens_per_forward,
            watch=watch,
        )
    if selection is not None:
        measured["reward/validation"] = selection.consider(policy, step=step, watch=watch)
    return measured


def _unreached(demonstrations: Demonstrations, settings: SFTSettings) -> set[str]:
    """Return the rows that less than an epoch does not come to."""
    plan = plan_batches(range(len(demonstrations.train)), settings)
    reached = {index for batch in plan for index in batch}
    return {row for index, row in enumerate(demonstrations.rows.used) if index not in reached}


def _state(
    metrics: rundir.Metrics, selection: Selection | None, mix: PretrainingMix | None
) -> dict[str, JSON]:
    return {
        "metrics": rundir.finite(metrics),
        "selection": None if selection is None else selection.state(),
        "mix": None if mix is None else mix.state(),
    }
