"""The K-wise reward model (arXiv 2203.02155, equation 1): one forward pass per response.

A batch counts prompts. After training the bias is set so that demonstrations score 0 on average.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import data, forward, models, optimization, rundir
from trainer.data import Example
from trainer.evaluate import Accuracy, Judged, pairwise_accuracy
from trainer.losses import Comparison, comparisons_of, kwise_loss
from trainer.rankings import RankedPrompt, group_by_prompt, split_held_out
from trainer.rows import read_rows
from trainer.spec import (
    DemonstrationRow,
    RankingRow,
    RewardSettings,
    RewardSpec,
    RunResult,
    Ties,
)

# Evenly spread over the file: their mean is then as good as that of all, and costs seconds.
MAX_CENTERING = 512
VALIDATIONS = 10


def run(spec: RewardSpec, run_dir: Path) -> None:
    """Do a reward run: `model/` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when there is no strict comparison or the model cannot be loaded.
        RunDivergedError: when the loss stops being finite.
    """
    rundir.start_over(run_dir)
    settings = spec.settings
    rows = read_rows(run_dir / spec.rankings, RankingRow)
    folder = models.resolve_folder(spec.base_model)
    tokenizer = models.load_tokenizer(folder)
    model = models.load_reward_model(folder, seed=settings.seed)
    models.require_same_vocabulary(model, tokenizer, name=str(folder))
    models.use_padding_of(model, tokenizer)
    models.set_bias(model, 0.0)
    max_tokens = models.context_limit(model, settings.max_tokens)
    prompts = group_by_prompt(tokenizer, rows, max_tokens=max_tokens)
    train, held = split_held_out(prompts)
    usable = [prompt for prompt in train if _comparisons(prompt, settings.ties)]
    if not usable:
        raise rundir.RunRefusedError(
            f"{spec.rankings} has no strict comparison to train on: {len(rows)} rankings of "
            f"{len(prompts)} prompts; rank more slates without ties"
        )

    metrics = train_reward(model, usable, held, settings, run_dir)
    metrics |= _closing_numbers("train", measure(model, usable))
    metrics |= _closing_numbers("validation", measure(model, held))
    demonstrations: list[DemonstrationRow] = []
    if spec.demonstrations is not None:
        demonstrations = read_rows(run_dir / spec.demonstrations, DemonstrationRow)
        demonstrations = demonstrations[:: -(-len(demonstrations) // MAX_CENTERING) or 1]
    if demonstrations:
        metrics["reward/bias"] = center(model, tokenizer, demonstrations, max_tokens=max_tokens)

    with rundir.saving_model(run_dir) as unfinished:
        models.save_model(model, tokenizer, unfinished)
    counts = {
        "rankings": len(rows),
        "prompts_train": len(usable),
        "prompts_validation": len(held),
        "prompts_without_comparison": len(train) - len(usable),
        "demonstrations": len(demonstrations),
        "responses": sum(len(prompt.responses) for prompt in prompts),
        "cut": sum(example.is_cut for prompt in prompts for example in prompt.responses),
    }
    rundir.write_result(
        run_dir,
        RunResult(
            kind="reward",
            metrics=metrics,
            model=rundir.MODEL_FOLDER,
            rows=counts,
            versions=rundir.versions(),
        ),
    )


def train_reward(
    model: PreTrainedModel,
    train: Sequence[RankedPrompt],
    held: Sequence[RankedPrompt],
    settings: RewardSettings,
    run_dir: Path,
) -> rundir.Metrics:
    """Train in place and return the numbers of the last step."""
    batches_per_epoch = -(-len(train) // settings.batch_size)
    steps = max(1, round(settings.epochs * batches_per_epoch))
    optimizer = optimization.make_optimizer(model, learning_rate=settings.learning_rate)
    order = random.Random(settings.seed)  # noqa: S311 - an order of prompts, not a secret
    waiting: list[RankedPrompt] = []
    metrics: rundir.Metrics = {}
    with rundir.appending(run_dir / rundir.METRICS_FILE) as file:
        for step in range(steps):
            if not waiting:
                waiting = order.sample(train, len(train))
            batch, waiting = waiting[: settings.batch_size], waiting[settings.batch_size :]
            rate = settings.learning_rate * optimization.cosine_share(step, steps=steps)
            optimization.set_rate(optimizer, rate)
            loss, judged = accumulate_loss(model, batch, settings)
            norm = optimization.guarded_step(optimizer, model.parameters(), loss=loss, step=step)
            metrics = {
                "loss/reward": loss,
                "accuracy/train": pairwise_accuracy(judged).value,
                "gradient/norm": norm,
                "learning_rate": rate,
            }
            if (step + 1) % -(-steps // VALIDATIONS) == 0 or step == steps - 1:
                accuracy = measure(model, held)
                metrics |= {
                    "accuracy/validation": accuracy.value,
                    "loss/validation": accuracy.log_loss,
                }
            rundir.append_metrics(file, step=step, progress=(step + 1) / steps, metrics=metrics)
    return metrics


def accumulate_loss(
    model: PreTrainedModel, batch: Sequence[RankedPrompt], settings: RewardSettings
) -> tuple[float, list[Judged]]:
    """Add the gradient of the mean loss over prompts; return it and what was scored."""
    total, judged = 0.0, []
    for micro in _micro_batches(batch):
        scores = score_prompts(model, micro)  # (n,)
        chosen, rejected, weights = _to_tensors(micro, settings, scores.device)
        loss = kwise_loss(scores, chosen, rejected, weights) / len(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
        judged += _judged(micro, scores.tolist())
    return total, judged


def score_prompts(model: PreTrainedModel, prompts: Sequence[RankedPrompt]) -> Tensor:
    """Score every response of the prompts once, in order: (n,) float32 with gradients."""
    examples = [example for prompt in prompts for example in prompt.responses]
    return forward.scores(model, data.collate(examples, device=model.device))


@torch.no_grad()
def measure(model: PreTrainedModel, prompts: Sequence[RankedPrompt]) -> Accuracy:
    """Return the pairwise accuracy over all rankings of the prompts."""
    judged: list[Judged] = []
    for micro in _micro_batches(prompts):
        judged += _judged(micro, score_prompts(model, micro).tolist())
    return pairwise_accuracy(judged)


@torch.no_grad()
def center(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[DemonstrationRow],
    *,
    max_tokens: int,
) -> float:
    """Set the bias so that demonstrations score 0 on average (arXiv 2203.02155, C.2)."""
    examples = data.encode_examples(
        tokenizer,
        [row.messages for row in rows],
        [row.response for row in rows],
        max_tokens=max_tokens,
    )
    models.set_bias(model, 0.0)
    total = 0.0
    for micro in data.micro_batches(
        [len(example.tokens) for example in examples],
        max_padded_tokens=optimization.MAX_PADDED_TOKENS,
    ):
        batch = data.collate([examples[index] for index in micro], device=model.device)
        total += float(forward.scores(model, batch).double().sum())
    bias = total / len(examples)
    models.set_bias(model, bias)
    return bias


def _comparisons(prompt: RankedPrompt, ties: Ties) -> list[Comparison]:
    return [
        Comparison(
            ranking.places[row.chosen],
            ranking.places[row.rejected],
            row.weight * ranking.weight,
        )
        for ranking in prompt.rankings
        for row in comparisons_of(ranking.ranks, ties=ties)
    ]


def _to_tensors(
    prompts: Sequence[RankedPrompt], settings: RewardSettings, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    chosen, rejected, weights, offset = [], [], [], 0
    for prompt in prompts:
        for row in _comparisons(prompt, settings.ties):
            chosen.append(offset + row.chosen)
            rejected.append(offset + row.rejected)
            weights.append(row.weight)
        offset += len(prompt.responses)
    return (
        torch.tensor(chosen, dtype=torch.int64, device=device),
        torch.tensor(rejected, dtype=torch.int64, device=device),
        torch.tensor(weights, dtype=torch.float32, device=device),
    )


def _judged(prompts: Sequence[RankedPrompt], scores: Sequence[float]) -> list[Judged]:
    judged, offset = [], 0
    for prompt in prompts:
        judged += [
            Judged(
                prompt.prompt_id,
                ranking.ranks,
                [scores[offset + place] for place in ranking.places],
            )
            for ranking in prompt.rankings
        ]
        offset += len(prompt.responses)
    return judged


def _micro_batches(prompts: Sequence[RankedPrompt]) -> list[list[RankedPrompt]]:
    widths = [_padded_tokens(prompt.responses) for prompt in prompts]
    budget = optimization.MAX_PADDED_TOKENS
    return [
        [prompts[index] for index in micro]
        for micro in data.micro_batches(widths, max_padded_tokens=budget)
    ]


def _padded_tokens(examples: Sequence[Example]) -> int:
    return len(examples) * max(len(example.tokens) for example in examples)


def _closing_numbers(side: str, accuracy: Accuracy) -> rundir.Metrics:
    interval = accuracy.interval() or (None, None)
    return {
        f"accuracy/{side}": accuracy.value,
        f"accuracy/{side}_low": interval[0],
        f"accuracy/{side}_high": interval[1],
        f"loss/{side}": accuracy.log_loss,
        f"comparisons/{side}": accuracy.comparisons,
        f"ties/{side}": accuracy.tied_pairs,
    }
