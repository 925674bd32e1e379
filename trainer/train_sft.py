"""Supervised fine-tuning on demonstrations: the loss is on the response and its EOS only.

Prompt tokens are masked, which arXiv 2203.02155 leaves open. Batches hold sequences of similar
length; the loss of a batch is the mean over its response tokens.
"""

import random
import time
from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedModel

from trainer import data, models, optimization, rundir
from trainer.data import Example
from trainer.language_loss import accumulate_loss, mean_loss
from trainer.preview import sample_texts
from trainer.rows import read_rows
from trainer.spec import DemonstrationRow, RunResult, Sampling, SFTSettings, SFTSpec

VALIDATION_EXAMPLES = 256
VALIDATIONS = 10
SHOWN_TEXTS = 4
SHOWN_TOKENS = 96


def run(spec: SFTSpec, run_dir: Path) -> None:
    """Do an SFT run: `model/` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when there is nothing to train on or the model cannot be loaded.
        RunDivergedError: when the loss stops being finite.
    """
    rundir.start_over(run_dir)
    settings = spec.settings
    rows = read_rows(run_dir / spec.demonstrations, DemonstrationRow)
    folder = models.resolve_folder(spec.base_model)
    tokenizer = models.load_tokenizer(folder)
    policy = models.load_policy(folder, seed=settings.seed)
    models.require_same_vocabulary(policy, tokenizer, name=str(folder))
    examples = data.encode_examples(
        tokenizer,
        [row.messages for row in rows],
        [row.response for row in rows],
        max_tokens=models.context_limit(policy, settings.max_tokens),
    )
    train = [example for row, example in zip(rows, examples, strict=True) if row.split == "train"]
    held = [example for row, example in zip(rows, examples, strict=True) if row.split != "train"]
    if not train:
        raise rundir.RunRefusedError(
            f"{spec.demonstrations} has no row of the split 'train': nothing to train on"
        )

    metrics = train_policy(policy, train, held[:VALIDATION_EXAMPLES], settings, run_dir)

    shown = sample_texts(
        policy,
        tokenizer,
        [row.messages for row in sorted(rows, key=lambda row: row.split == "train")[:SHOWN_TEXTS]],
        Sampling(max_new_tokens=SHOWN_TOKENS, seed=settings.seed),
        max_tokens=settings.max_tokens,
    )
    with rundir.saving_model(run_dir) as unfinished:
        models.save_model(policy, tokenizer, unfinished)
    rundir.write_result(
        run_dir,
        RunResult(
            kind="sft",
            metrics=metrics,
            model=rundir.MODEL_FOLDER,
            rows={
                "train": len(train),
                "validation": len(held),
                "cut": sum(example.is_cut for example in examples),
            },
            texts=shown,
            versions=rundir.versions(),
        ),
    )


def train_policy(
    policy: PreTrainedModel,
    train: Sequence[Example],
    validation: Sequence[Example],
    settings: SFTSettings,
    run_dir: Path,
) -> rundir.Metrics:
    """Train in place and return the closing numbers."""
    batches_per_epoch = -(-len(train) // settings.batch_size)
    steps = max(1, round(settings.epochs * batches_per_epoch))
    optimizer = optimization.make_optimizer(policy, learning_rate=settings.learning_rate)
    order = random.Random(settings.seed)  # noqa: S311 - an order of examples, not a secret
    lengths = [len(example.tokens) for example in train]
    batches: list[list[int]] = []
    seen_tokens, started = 0, time.monotonic()
    metrics: rundir.Metrics = {}
    policy.train()
    with rundir.appending(run_dir / rundir.METRICS_FILE) as file:
        for step in range(steps):
            if not batches:
                batches = data.bucketed_batches(
                    lengths, batch_size=settings.batch_size, order=order
                )
            batch = [train[index] for index in batches.pop()]
            share = optimization.cosine_share(step, steps=steps, warmup_steps=settings.warmup_steps)
            optimization.set_rate(optimizer, settings.learning_rate * share)
            loss = accumulate_loss(policy, batch)
            norm = optimization.guarded_step(optimizer, policy.parameters(), loss=loss, step=step)
            seen_tokens += sum(len(example.tokens) for example in batch)
            metrics = {
                "loss/sft": loss,
                "gradient/norm": norm,
                "learning_rate": settings.learning_rate * share,
                "tokens": seen_tokens,
                "tokens_per_second": round(seen_tokens / (time.monotonic() - started), 1),
            }
            if validation and ((step + 1) % -(-steps // VALIDATIONS) == 0 or step == steps - 1):
                metrics["loss/validation"] = mean_loss(policy, validation)
            rundir.append_metrics(file, step=step, progress=(step + 1) / steps, metrics=metrics)
    policy.eval()  # type: ignore[no-untyped-call]
    return metrics
