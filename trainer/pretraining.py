"""Pretraining texts, which SFT and PPO mix in, read from the file one by one as they are needed.

Only the place of each line is held in memory, so the file may be larger than it.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from transformers import PreTrainedTokenizerBase

from trainer import data
from trainer.data import Example
from trainer.running.endless import order_between
from trainer.running.rows import read_lines, refused_line
from trainer.running.seeds import derive_seed
from trainer.spec import PretrainingRow


@dataclass(frozen=True)
class PretrainingTexts:
    """An endless stream of texts in random order, each once per round.

    Attributes:
        path: of `pretraining.jsonl`.
        offsets: where the line of each text begins, in bytes.
        tokenizer: of the policy.
        max_tokens: of a longer text the beginning is kept.
        seed: of the order.
    """

    path: Path
    offsets: "array[int]"
    tokenizer: PreTrainedTokenizerBase
    max_tokens: int
    seed: int

    def between(self, start: int, stop: int) -> list[Example]:
        """Read the texts at places start .. stop - 1 of the stream."""
        order = order_between(
            start, stop, count=len(self.offsets), seed=derive_seed(self.seed, "pretraining")
        )
        texts = []
        with self.path.open("rb") as file:
            for index in order:
                file.seek(self.offsets[index])
                texts.append(PretrainingRow.model_validate_json(file.readline()).text)
        return data.encode_texts(self.tokenizer, texts, max_tokens=self.max_tokens)


def open_texts(
    path: Path, tokenizer: PreTrainedTokenizerBase, *, max_tokens: int, seed: int
) -> PretrainingTexts | None:
    """Check every line of `pretraining.jsonl` and note where it is; None without a text.

    Raises:
        RunRefusedError: when the file is missing or a line is not such a row.
    """
    offsets = array("q", _lines_with_text(path))
    return PretrainingTexts(path, offsets, tokenizer, max_tokens, seed) if offsets else None


def _lines_with_text(path: Path) -> Iterator[int]:
    at = number = 0
    try:
        for line in read_lines(path):
            number += 1
            # An empty text has no token that could be predicted.
            if line.strip() and PretrainingRow.model_validate_json(line).text:
                yield at
            at += len(line)
    except ValidationError as error:
        raise refused_line(path, number, error) from None
