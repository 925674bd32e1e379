"""The held-out-labeler experiment: does a reward model agree with people it did not learn from?

For each group of labelers a fresh model is trained on the rankings of the others and measured on
held-out prompts, for the labelers that it knew and for those that it did not (arXiv 2203.02155,
section 4.1).
"""

import gc
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import IO

from transformers import PreTrainedModel

from trainer import rundir
from trainer.evaluate import evaluate_fold
from trainer.preference import comparisons, reward_step
from trainer.preference.kwise_step import accumulate_loss, score_all
from trainer.preference.labeler_folds import labeler_folds
from trainer.preference.preferences import require_comparisons
from trainer.preference.rankings import RankedPrompt, keep_labelers
from trainer.result import Fold
from trainer.running import optimization
from trainer.running.checkpoints import Checkpointer
from trainer.running.pace import Pace
from trainer.running.schedule import plan_batches
from trainer.spec import RewardSettings


@dataclass(frozen=True)
class FoldPlan:
    """One training of the experiment.

    Attributes:
        held_out: labelers whose rankings it does not see.
        batches: prompts of every step, with the rankings of the others.
        first_step: of the run's steps.
    """

    held_out: set[str]
    batches: list[list[RankedPrompt]]
    first_step: int

    @property
    def training_labelers(self) -> set[str]:
        """Who gave any of the rankings that it sees."""
        prompts = chain.from_iterable(self.batches)
        return {ranking.labeler for prompt in prompts for ranking in prompt.rankings}


def plan_folds(train: Sequence[RankedPrompt], settings: RewardSettings) -> list[FoldPlan]:
    """Plan one training for each group of labelers; none when fewer than two ranked.

    Raises:
        RunRefusedError: when there is one group only, or a training has no comparison.
    """
    counts = Counter(ranking.labeler for prompt in train for ranking in prompt.rankings)
    groups = labeler_folds(counts, settings.labeler_folds, settings.seed)
    plans: list[FoldPlan] = []
    first_step = 0
    for number, held_out in enumerate(groups, start=1):
        kept = require_comparisons(
            keep_labelers(train, set(counts) - held_out),
            settings,
            name=f"labeler fold {number} of {len(groups)}",
        )
        plans.append(FoldPlan(held_out, plan_batches(kept, settings), first_step))
        first_step += len(plans[-1].batches)
    return plans


def run_folds(
    plans: Sequence[FoldPlan],
    held: Sequence[RankedPrompt],
    settings: RewardSettings,
    *,
    done: Sequence[Fold],
    fresh_model: Callable[[], PreTrainedModel],
    checkpoints: Checkpointer,
    pace: Pace,
    file: IO[str],
) -> list[Fold]:
    """Train and measure the folds that are not done yet; a fold that was stopped starts again."""
    folds = list(done)
    for plan in plans[len(done) :]:
        checkpoints.at_border(plan.first_step, {"folds": [fold.model_dump() for fold in folds]})
        model = fresh_model()
        _train(model, plan, settings, checkpoints, pace, file, fold=len(folds) + 1)
        score, watch = partial(reward_step.score_prompts, model), checkpoints.until_stopped
        scores = score_all(model, score, held, settings, watch=watch).tolist()
        folds.append(
            evaluate_fold(
                comparisons.judge(held, scores),
                plan.held_out,
                training_labelers=plan.training_labelers,
            )
        )
        del model, score
        # What changes its forward pass refers back to a model, and a full GPU collects nothing.
        gc.collect()
    return folds


def _train(
    model: PreTrainedModel,
    plan: FoldPlan,
    settings: RewardSettings,
    checkpoints: Checkpointer,
    pace: Pace,
    file: IO[str],
    *,
    fold: int,
) -> None:
    score = partial(reward_step.score_prompts, model)
    optimizer = optimization.make_optimizer(model, learning_rate=settings.learning_rate)
    for step, batch in enumerate(plan.batches):
        share = optimization.cosine_share(step, steps=len(plan.batches))
        optimization.set_rate(optimizer, settings.learning_rate * share)
        loss, _ = accumulate_loss(
            model, score, batch, settings, until_stopped=checkpoints.until_stopped
        )
        at = plan.first_step + step
        optimization.guarded_step(
            optimizer,
            model.parameters(),
            loss=loss,
            step=at,
            max_norm=settings.max_gradient_norm,
        )
        metrics: rundir.Metrics = {"fold": fold, "loss/fold": loss}
        metrics |= pace.advance(comparisons.tokens_of(batch))
        rundir.append_metrics(file, step=at, progress=pace.progress, metrics=metrics)
