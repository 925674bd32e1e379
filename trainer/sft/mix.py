"""The pretraining texts that SFT mixes in, as for the model that PPO starts from.

The paper mixes 10% pretraining data into that run (arXiv 2203.02155, C.3) and does not say 10% of
what. Here it is of the tokens in the loss: a share of rows would let long texts outweigh short
responses.
"""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from trainer.data import Example
from trainer.errors import RunRefusedError
from trainer.language_loss import response_tokens_of
from trainer.pretraining import PretrainingTexts, open_texts
from trainer.running.trained import JSON
from trainer.spec import SFTSpec

MISSING = "pretraining_share is above 0 but there are no pretraining texts; add some or set it to 0"


@dataclass
class PretrainingMix:
    """The texts of a run, and how far it has read them.

    Attributes:
        texts: an endless stream.
        share: of the tokens in the loss that are of texts, over the run so far.
        read: texts so far.
        cut: how many of them were longer than a row may be.
        tokens: all of theirs.
        targets: those that count in the loss: all but the first of each text.
    """

    texts: PretrainingTexts
    share: float
    read: int = 0
    cut: int = 0
    tokens: int = 0
    targets: int = 0

    def read_beside(self, response_tokens: int) -> list[Example]:
        """Read the texts with which the share is reached; a last one may go beyond it.

        Args:
            response_tokens: of all demonstrations up to and with this step.

        Raises:
            RunRefusedError: when none of the texts has a token.
        """
        found: list[Example] = []
        empty = 0
        while self.left_beside(response_tokens) > 0:
            examples = self.texts.between(self.read, self.read + 1)
            self.read += 1
            empty = 0 if examples else empty + 1
            if empty == len(self.texts.offsets):
                raise RunRefusedError(f"{self.texts.path} has no text with a token; add some")
            self.cut += sum(example.is_cut for example in examples)
            self.tokens += sum(len(example.tokens) for example in examples)
            self.targets += response_tokens_of(examples)
            found += examples
        return found

    def left_beside(self, response_tokens: int) -> float:
        """Return how many tokens of texts are still due beside so many of demonstrations."""
        return max(0.0, response_tokens * self.share / (1 - self.share) - self.targets)

    def state(self) -> dict[str, JSON]:
        """Return what a checkpoint needs: where the stream was left."""
        return {
            "read": self.read,
            "cut": self.cut,
            "tokens": self.tokens,
            "targets": self.targets,
        }

    def go_on(self, state: dict[str, JSON]) -> None:
        """Go on where `state` was taken."""
        self.read, self.cut = state["read"], state["cut"]
        self.tokens, self.targets = state["tokens"], state["targets"]

    def rows(self) -> dict[str, int]:
        """Return the counts for `result.json`: texts of the file, and texts read, repeats too."""
        return {
            "pretraining_texts": len(self.texts.offsets),
            "pretraining_read": self.read,
            "pretraining_cut": self.cut,
        }


def open_mix(
    spec: SFTSpec, run_dir: Path, tokenizer: PreTrainedTokenizerBase, *, max_tokens: int
) -> PretrainingMix | None:
    """Open the texts that a run mixes in; None when it mixes none in.

    Raises:
        RunRefusedError: when the mix is on and there are no texts, or one cannot be read.
    """
    settings = spec.settings
    if settings.pretraining_share == 0:
        return None
    if spec.pretraining is None:
        raise RunRefusedError(MISSING)
    path = run_dir / spec.pretraining
    texts = open_texts(path, tokenizer, max_tokens=max_tokens, seed=settings.seed)
    if texts is None:
        raise RunRefusedError(MISSING)
    return PretrainingMix(texts, settings.pretraining_share)
