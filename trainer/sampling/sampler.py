"""What samples responses, a model folder or an endpoint, behind one small interface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainer.spec import Finish, PromptRow


@dataclass(frozen=True)
class Request:
    """One response that is wanted from one model."""

    prompt: PromptRow
    seed: int


@dataclass(frozen=True)
class Sampled:
    """One response as a model gave it.

    Attributes:
        text: what it wrote.
        finish: why it ended.
        cut: what of the prompt the model did not read, in words; empty when it read all of it.
    """

    text: str
    finish: Finish
    cut: str = ""


Sampler = Callable[[Sequence[Request]], list[Sampled]]
