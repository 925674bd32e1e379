"""DPO on rankings (arXiv 2305.18290, equation 7): all comparisons of a prompt in one batch element.

The prompt and each response are forwarded once a step; what the reference model says of them is
read before the first one. The loss is the reward model's, of implicit rewards.
"""

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import comparisons, models, optimization, rundir
from trainer.checkpoints import Checkpointer
from trainer.dpo_step import (
    References,
    accumulate_loss,
    check_start,
    describe,
    read_references,
    reward_all,
)
from trainer.evaluate import evaluate, pairwise_accuracy
from trainer.lineage import describe_lineage
from trainer.pace import Pace
from trainer.preview import sample_responses
from trainer.rankings import RankedPrompt, group_by_prompt, split_held_out
from trainer.rows import read_rows
from trainer.spec import DPOSettings, DPOSpec, RankingRow, RunResult, Sampling
from trainer.trained import Trained

SHOWN_TEXTS, SHOWN_TOKENS = 8, 96


def run(spec: DPOSpec, run_dir: Path) -> None:
    """Do a DPO run: `model/` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when there is no comparison to train on or the model cannot be loaded.
        RunDivergedError: when the start-up check fails or a number stops being finite.
    """
    settings = spec.settings
    rows = read_rows(run_dir / spec.rankings, RankingRow)
    folder = models.resolve_folder(spec.base_model)
    tokenizer = models.load_tokenizer(folder)
    policy = models.load_policy(folder, seed=settings.seed, compute=settings)
    models.require_same_vocabulary(policy, tokenizer, name=str(folder))
    max_tokens = models.context_limit(policy, settings.max_tokens)
    prompts = group_by_prompt(tokenizer, rows, max_tokens=max_tokens)
    train, held = split_held_out(prompts)
    usable = comparisons.usable_of(train, settings, name=spec.rankings)
    references = read_references(policy, [*usable, *held], settings)

    metrics = train_policy(policy, tokenizer, usable, held, references, spec, run_dir)

    judged = comparisons.judge(held, reward_all(policy, references, held, settings))
    labelers = {ranking.labeler for prompt in usable for ranking in prompt.rankings}
    evaluation = evaluate(judged, labelers)
    shown = sample_shown(policy, tokenizer, [*held, *usable], settings)
    metrics |= comparisons.closing_numbers(evaluation.accuracy, pairwise_accuracy(judged))
    with rundir.saving_model(run_dir) as unfinished:
        models.save_model(policy, tokenizer, unfinished)
    rundir.write_result(
        run_dir,
        RunResult(
            kind="dpo",
            metrics=rundir.finite(metrics),
            model=rundir.MODEL_FOLDER,
            rows=comparisons.count_rows(prompts, train=train, usable=usable),
            texts=[f"{one['prompt']}\n\n{one['response']}" for one in shown],
            versions=rundir.versions(),
            evaluation=evaluation,
            lineage=describe_lineage(
                spec,
                run_dir,
                parents={"base_model": folder},
                rows=comparisons.row_use(prompts, train=train, ties=settings.ties),
            ),
        ),
    )


def train_policy(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Sequence[RankedPrompt],
    held: Sequence[RankedPrompt],
    references: References,
    spec: DPOSpec,
    run_dir: Path,
) -> rundir.Metrics:
    """Train in place and return the numbers of the last step.

    Args:
        policy: a causal language model.
        tokenizer: of it, for the texts that people look at.
        train: prompts with at least one comparison.
        held: prompts that are only measured.
        references: of all of these, read before this.
        spec: of the run.
        run_dir: where metrics, texts and checkpoints go.
    """
    settings = spec.settings
    steps = comparisons.steps_of(len(train), settings)
    watched = comparisons.spread(held, comparisons.VALIDATION_PROMPTS)
    optimizer = optimization.make_optimizer(policy, learning_rate=settings.learning_rate)
    trained = Trained(models={"policy": policy}, optimizers={"policy": optimizer})
    with Checkpointer(run_dir, spec, trained, minutes=settings.checkpoint_minutes) as checkpoints:
        resumed = checkpoints.resume()
        metrics: rundir.Metrics = resumed.state.get("metrics", {})
        pace = Pace(comparisons.tokens_of(train, settings), resumed.state.get("tokens", 0))
        with (
            rundir.appending(run_dir / rundir.METRICS_FILE) as metrics_file,
            rundir.appending(run_dir / rundir.TEXTS_FILE) as texts_file,
        ):
            for step in range(resumed.step, steps):
                checkpoints.at_border(step, {"tokens": pace.done, "metrics": metrics})
                batch = comparisons.batch_of_step(step, train, settings)
                share = optimization.cosine_share(
                    step, steps=steps, warmup_steps=settings.warmup_steps
                )
                optimization.set_rate(optimizer, settings.learning_rate * share)
                loss, rewards = accumulate_loss(
                    policy, references, batch, settings, until_stopped=checkpoints.until_stopped
                )
                if step == 0:
                    check_start(loss, batch, settings, policy.device)
                norm = optimization.guarded_step(
                    optimizer, policy.parameters(), loss=loss, step=step
                )
                metrics = {
                    "loss/dpo": loss,
                    **describe(rewards.tolist(), batch, settings),
                    "gradient/norm": norm,
                    "learning_rate": settings.learning_rate * share,
                }
                if comparisons.is_validation_due(step, steps=steps):
                    metrics |= validate(policy, references, watched, settings)
                    texts = sample_shown(policy, tokenizer, [*watched, *train], settings)
                    rundir.append_line(texts_file, {"step": step, "samples": texts})
                metrics |= pace.advance(sum(prompt.tree.tokens for prompt in batch))
                rundir.append_metrics(
                    metrics_file, step=step, progress=pace.progress, metrics=metrics
                )
        checkpoints.at_border(steps, {"tokens": pace.done, "metrics": metrics})
    return metrics


def validate(
    policy: PreTrainedModel,
    references: References,
    prompts: Sequence[RankedPrompt],
    settings: DPOSettings,
) -> rundir.Metrics:
    """Return how well the implicit rewards agree with held-out rankings."""
    rewards = reward_all(policy, references, prompts, settings)
    accuracy = pairwise_accuracy(comparisons.judge(prompts, rewards))
    return {"accuracy/validation": accuracy.value, "loss/validation": accuracy.log_loss}


def sample_shown(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[RankedPrompt],
    settings: DPOSettings,
) -> list[dict[str, str]]:
    """Sample a response to each of the first prompts; only the policy differs between calls."""
    shown = prompts[:SHOWN_TEXTS]
    responses = sample_responses(
        policy,
        tokenizer,
        [prompt.messages for prompt in shown],
        Sampling(max_new_tokens=SHOWN_TOKENS, seed=settings.seed),
        max_tokens=settings.max_tokens,
    )
    return [
        {"prompt": prompt.messages[-1].content, "response": response}
        for prompt, response in zip(shown, responses, strict=True)
    ]
