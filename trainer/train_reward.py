"""The K-wise reward model (arXiv 2203.02155, equation 1): each prompt and response forwarded once.

A batch counts prompts. After training the bias is set so that demonstrations score 0 on average.
With `labeler_folds`, fresh models are trained first, each without one group of labelers.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedModel

from trainer import comparisons, models, optimization, rundir
from trainer.checkpoints import Checkpointer
from trainer.evaluate import evaluate, pairwise_accuracy
from trainer.lineage import describe_lineage
from trainer.pace import Pace
from trainer.rankings import RankedPrompt, group_by_prompt, split_held_out
from trainer.reward_folds import plan_folds, run_folds
from trainer.reward_step import accumulate_loss, center, load_trainable, measure, score_all
from trainer.rows import read_rows
from trainer.spec import DemonstrationRow, Fold, RankingRow, RewardSpec, RunResult
from trainer.trained import Trained

# Evenly spread over the file: their mean is then as good as that of all, and costs seconds.
MAX_CENTERING = 512


class Outcome(NamedTuple):
    """The numbers of the last step, and the held-out-labeler experiment."""

    metrics: rundir.Metrics
    folds: list[Fold]


def run(spec: RewardSpec, run_dir: Path) -> None:
    """Do a reward run: `model/` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when there is no comparison to train on or the model cannot be loaded.
        RunDivergedError: when the loss stops being finite.
    """
    settings = spec.settings
    rows = read_rows(run_dir / spec.rankings, RankingRow)
    demonstrations: list[DemonstrationRow] = []
    if spec.demonstrations is not None:
        demonstrations = read_rows(run_dir / spec.demonstrations, DemonstrationRow)
    folder = models.resolve_folder(spec.base_model)
    tokenizer = models.load_tokenizer(folder)
    model = load_trainable(folder, tokenizer, settings)
    max_tokens = models.context_limit(model, settings.max_tokens)
    prompts = group_by_prompt(tokenizer, rows, max_tokens=max_tokens)
    train, held = split_held_out(prompts)
    usable = comparisons.usable_of(train, settings, name=spec.rankings)

    metrics, folds = train_reward(
        model,
        usable,
        held,
        spec,
        run_dir,
        fresh_model=lambda: load_trainable(folder, tokenizer, settings),
    )

    judged = score_all(model, held, settings)
    labelers = {ranking.labeler for prompt in usable for ranking in prompt.rankings}
    evaluation = evaluate(judged, labelers, folds=folds)
    metrics |= comparisons.closing_numbers(evaluation.accuracy, pairwise_accuracy(judged))
    centered = comparisons.spread(demonstrations, MAX_CENTERING)
    if centered:
        metrics["reward/bias"] = center(model, tokenizer, centered, settings, max_tokens=max_tokens)
    with rundir.saving_model(run_dir) as unfinished:
        models.save_model(model, tokenizer, unfinished)
    rundir.write_result(
        run_dir,
        RunResult(
            kind="reward",
            metrics=rundir.finite(metrics),
            model=rundir.MODEL_FOLDER,
            rows={
                **comparisons.count_rows(prompts, train=train, usable=usable),
                "demonstrations": len(centered),
            },
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


def train_reward(
    model: PreTrainedModel,
    train: Sequence[RankedPrompt],
    held: Sequence[RankedPrompt],
    spec: RewardSpec,
    run_dir: Path,
    *,
    fresh_model: Callable[[], PreTrainedModel],
) -> Outcome:
    """Do the held-out-labeler experiment if it is asked for, then train the model in place.

    Args:
        model: is trained on all rankings.
        train: prompts with at least one comparison.
        held: prompts that are only measured.
        spec: of the run.
        run_dir: where metrics and checkpoints go.
        fresh_model: loads another model like `model`, for the experiment.
    """
    settings = spec.settings
    plans = plan_folds(train, settings) if settings.labeler_folds else []
    first_step = sum(plan.steps for plan in plans)
    steps = comparisons.steps_of(len(train), settings)
    planned = sum(
        comparisons.tokens_of(part, settings) for part in (train, *(p.train for p in plans))
    )
    watched = comparisons.spread(held, comparisons.VALIDATION_PROMPTS)
    optimizer = optimization.make_optimizer(model, learning_rate=settings.learning_rate)
    trained = Trained(models={"reward": model}, optimizers={"reward": optimizer})
    with Checkpointer(run_dir, spec, trained, minutes=settings.checkpoint_minutes) as checkpoints:
        resumed = checkpoints.resume()
        metrics: rundir.Metrics = resumed.state.get("metrics", {})
        pace = Pace(planned, resumed.state.get("tokens", 0))
        with rundir.appending(run_dir / rundir.METRICS_FILE) as file:
            folds = run_folds(
                plans,
                held,
                settings,
                done=[Fold.model_validate(fold) for fold in resumed.state.get("folds", [])],
                fresh_model=fresh_model,
                checkpoints=checkpoints,
                pace=pace,
                file=file,
            )
            folds_done = [fold.model_dump() for fold in folds]
            for step in range(max(0, resumed.step - first_step), steps):
                at = first_step + step
                checkpoints.at_border(
                    at, {"folds": folds_done, "tokens": pace.done, "metrics": metrics}
                )
                batch = comparisons.batch_of_step(step, train, settings)
                rate = settings.learning_rate * optimization.cosine_share(step, steps=steps)
                optimization.set_rate(optimizer, rate)
                loss, judged = accumulate_loss(
                    model, batch, settings, until_stopped=checkpoints.until_stopped
                )
                norm = optimization.guarded_step(optimizer, model.parameters(), loss=loss, step=at)
                metrics = {
                    "loss/reward": loss,
                    "accuracy/train": pairwise_accuracy(judged).value,
                    "gradient/norm": norm,
                    "learning_rate": rate,
                }
                if comparisons.is_validation_due(step, steps=steps):
                    accuracy = measure(model, watched, settings)
                    metrics["accuracy/validation"] = accuracy.value
                    metrics["loss/validation"] = accuracy.log_loss
                metrics |= pace.advance(sum(prompt.tree.tokens for prompt in batch))
                rundir.append_metrics(file, step=at, progress=pace.progress, metrics=metrics)
            checkpoints.at_border(
                first_step + steps, {"folds": folds_done, "tokens": pace.done, "metrics": metrics}
            )
    return Outcome(metrics, folds)
