"""The rows of an SFT run: which are trained on, which are held out, which are left out and why."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from trainer import data
from trainer.data import Example
from trainer.errors import RunRefusedError
from trainer.running.lineage import RowUse, unique_ids
from trainer.spec import DemonstrationRow, Message

TRAIN = "train"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Demonstrations:
    """Demonstrations as tokens, split.

    Attributes:
        train: to learn from.
        held: to validate on.
        held_prompts: the conversations of `held`.
        train_prompts: those of `train`.
        rows: what became of each row, by its prompt's id.
    """

    train: list[Example]
    held: list[Example]
    train_prompts: list[Sequence[Message]]
    held_prompts: list[Sequence[Message]]
    rows: RowUse


def split_demonstrations(
    rows: Sequence[DemonstrationRow], tokenizer: PreTrainedTokenizerBase, *, max_tokens: int
) -> Demonstrations:
    """Turn rows into examples; one without a response is left out.

    Raises:
        RunRefusedError: when nothing is left to train on, or no prompt to answer.
    """
    examples = data.encode_examples(
        tokenizer,
        [row.messages for row in rows],
        [row.response for row in rows],
        max_tokens=max_tokens,
    )
    split = Demonstrations([], [], [], [], RowUse())
    ids = unique_ids(row.prompt_id for row in rows)
    for name, row, example in zip(ids, rows, examples, strict=True):
        if not row.response.strip():
            split.rows.dropped[name] = "its response is empty"
            continue
        if example.is_cut:
            split.rows.cut[name] = f"its beginning, to {max_tokens} tokens"
        if row.split == TRAIN:
            split.rows.used.append(name)
            split.train.append(example)
            split.train_prompts.append(row.messages)
        else:
            split.rows.dropped[name] = f"held out: its split is {row.split!r}"
            split.held.append(example)
            split.held_prompts.append(row.messages)
    if not split.train:
        raise RunRefusedError(
            f"no row of the split {TRAIN!r} has a response: nothing to train on "
            f"({len(rows)} demonstrations, {len(split.held)} held out); write some"
        )
    _require_prompts(split.train, max_tokens=max_tokens)
    return split


def _require_prompts(train: Sequence[Example], *, max_tokens: int) -> None:
    """Refuse demonstrations that are cut to ends of responses, and log when most are cut."""
    advice = "raise max_tokens, or take a model with more positions"
    # One token always stays.
    if all(example.is_cut and example.prompt_length == 1 for example in train):
        raise RunRefusedError(
            f"cut to max_tokens {max_tokens}, no demonstration has more than one token of its "
            f"prompt; {advice}"
        )
    cut = sum(example.is_cut for example in train)
    if cut > len(train) / 2:
        log.warning(
            "%d of the %d demonstrations to train on are cut to max_tokens %d; %s",
            cut,
            len(train),
            max_tokens,
            advice,
        )
