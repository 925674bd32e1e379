"""The K-wise reward model (arXiv 2203.02155, equation 1): each prompt and response forwarded once.

A batch counts prompts. After training the bias is set so that demonstrations score 0 on average.
With `labeler_folds`, fresh models are trained first, each without one group of labelers.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedModel

from trainer import data, limits, models, rundir
from trainer.architecture import sharding
from trainer.architecture.pretrained import load_config
from trainer.data import Example
from trainer.evaluate import evaluate, pairwise_accuracy
from trainer.preference import comparisons, reward_step
from trainer.preference.kwise_step import accumulate_loss, score_all
from trainer.preference.preferences import Preferences, read_preferences
from trainer.preference.reward_folds import plan_folds, run_folds
from trainer.result import Fold, Lineage, RunResult
from trainer.running import optimization, parallel
from trainer.running.checkpoints import Checkpointer
from trainer.running.lineage import describe_lineage
from trainer.running.pace import Pace
from trainer.running.rows import read_rows
from trainer.running.schedule import is_validation_due, plan_batches
from trainer.running.trained import JSON, Trained
from trainer.shared_prompt import expected_reach
from trainer.spec import DemonstrationRow, RewardSpec


class Outcome(NamedTuple):
    """The numbers of the last step, and the held-out-labeler experiment."""

    metrics: rundir.Metrics
    folds: list[Fold]


def run(spec: RewardSpec, run_dir: Path) -> None:
    """Do a reward run: `model/` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when there is no comparison to train on or the model cannot be loaded.
        RunDivergedError: when a number stops being finite.
        StoppedError: SIGTERM or Ctrl-C came.
    """
    settings = spec.settings
    rows: list[DemonstrationRow] = []
    if spec.demonstrations is not None:
        rows = read_rows(run_dir / spec.demonstrations, DemonstrationRow)
    folder = models.resolve_folder(spec.base_model)
    tokenizer = models.load_tokenizer(folder)
    config = load_config(folder)
    max_tokens = limits.say_longest_sequence(config, settings.max_tokens)
    preferences = read_preferences(spec, run_dir, tokenizer, max_tokens=max_tokens)
    limits.require_memory(
        spec, rows=preferences.row_lengths(settings, reach=expected_reach(config))
    )
    lineage = describe_lineage(
        spec, run_dir, parents={"base_model": folder}, rows=preferences.row_use(settings)
    )
    written = [row for row in rows if row.response.strip()]
    demonstrations = data.encode_examples(
        tokenizer,
        [row.messages for row in written],
        [row.response for row in written],
        max_tokens=max_tokens,
    )
    model = reward_step.load_trainable(folder, tokenizer, settings)

    metrics, folds = train_reward(
        model,
        preferences,
        demonstrations,
        spec,
        run_dir,
        lineage=lineage,
        fresh_model=lambda: reward_step.load_trainable(folder, tokenizer, settings),
    )

    held = preferences.held
    score = partial(reward_step.score_prompts, model)
    scores = score_all(model, score, held, settings).tolist()
    judged = comparisons.judge(held, scores)
    evaluation = evaluate(judged, preferences.training_labelers, folds=folds)
    metrics |= comparisons.closing_numbers(
        evaluation.accuracy,
        pairwise_accuracy(judged),
        loss=comparisons.mean_loss(held, scores, settings.ties),
    )
    state = sharding.whole_state(model)
    if not parallel.ranks().is_main:
        return
    with rundir.saving_model(run_dir) as unfinished:
        models.save_model(model, tokenizer, unfinished, state=state)
    rundir.write_result(
        run_dir,
        RunResult(
            kind="reward",
            metrics=rundir.finite(metrics),
            model=rundir.MODEL_FOLDER,
            rows={**preferences.count(), "demonstrations": len(demonstrations)},
            versions=rundir.versions(),
            lineage=lineage,
            evaluation=evaluation,
        ),
    )


def train_reward(
    model: PreTrainedModel,
    preferences: Preferences,
    demonstrations: Sequence[Example],
    spec: RewardSpec,
    run_dir: Path,
    *,
    lineage: Lineage,
    fresh_model: Callable[[], PreTrainedModel],
) -> Outcome:
    """Do the held-out-labeler experiment if it is asked for, then train the model in place.

    Args:
        model: is trained on all rankings.
        preferences: to train and validate on.
        demonstrations: score 0 on average afterwards, if there are any.
        spec: of the run.
        run_dir: where metrics and checkpoints go.
        lineage: of what was read; checkpoints of other files or models are not resumed from.
        fresh_model: loads another model like `model`, for the experiment.
    """
    settings, held = spec.settings, preferences.held
    watched = comparisons.spread(held, comparisons.VALIDATION_PROMPTS)
    fold_plans = plan_folds(preferences.train, settings)
    plan = plan_batches(preferences.train, settings)
    fold_batches = list(chain.from_iterable(fold.batches for fold in fold_plans))
    tokens = [comparisons.tokens_of(batch) for batch in (*fold_batches, *plan)]
    score = partial(reward_step.score_prompts, model)
    optimizer = optimization.make_optimizer(model, learning_rate=settings.learning_rate)
    trained = Trained(models={"reward": model}, optimizers={"reward": optimizer})
    with Checkpointer(
        run_dir, spec, trained, lineage=lineage, minutes=settings.checkpoint_minutes
    ) as checkpoints:
        resumed = checkpoints.resume()
        metrics: rundir.Metrics = resumed.state.get("metrics", {})
        pace = Pace(
            planned=sum(tokens),
            done=sum(tokens[: resumed.step]),
            only_read=comparisons.tokens_of(held) + sum(len(one.tokens) for one in demonstrations),
        )
        with parallel.appending(run_dir / rundir.METRICS_FILE) as file:
            folds = run_folds(
                fold_plans,
                held,
                settings,
                done=[Fold.model_validate(fold) for fold in resumed.state.get("folds", [])],
                fresh_model=fresh_model,
                checkpoints=checkpoints,
                pace=pace,
                file=file,
            )
            for at in range(max(resumed.step, len(fold_batches)), len(tokens)):
                step = at - len(fold_batches)
                is_measured = is_validation_due(step, steps=len(plan))
                checkpoints.at_border(at, _state(metrics, folds), is_one_needed=is_measured)
                rate = settings.learning_rate * optimization.cosine_share(step, steps=len(plan))
                optimization.set_rate(optimizer, rate)
                loss, scores = accumulate_loss(
                    model, score, plan[step], settings, until_stopped=checkpoints.until_stopped
                )
                judged = comparisons.judge(plan[step], scores.tolist())
                norm = optimization.guarded_step(
                    optimizer,
                    model.parameters(),
                    loss=loss,
                    step=at,
                    max_norm=settings.max_gradient_norm,
                )
                metrics = {
                    "loss/reward": loss,
                    "accuracy/train": pairwise_accuracy(judged).value,
                    **reward_step.describe(scores, plan[step], settings.ties),
                    "gradient/norm": norm,
                    "learning_rate": rate,
                    **pace.advance(tokens[at]),
                }
                if is_measured:
                    watch = checkpoints.until_abandoned
                    of_watched = score_all(model, score, watched, settings, watch=watch).tolist()
                    metrics |= comparisons.validation_numbers(watched, of_watched, settings.ties)
                rundir.append_metrics(file, step=at, progress=pace.progress, metrics=metrics)
        checkpoints.at_border(len(tokens), _state(metrics, folds))
        if demonstrations:
            watch = checkpoints.until_stopped
            metrics["reward/bias"] = reward_step.center(
                model, demonstrations, settings, watch=watch
            )
    return Outcome(metrics, folds)


def _state(metrics: rundir.Metrics, folds: list[Fold]) -> dict[str, JSON]:
    return {"metrics": rundir.finite(metrics), "folds": [fold.model_dump() for fold in folds]}
