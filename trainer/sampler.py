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
    """One response as a model gave it."""

    text: str
    finish: Finish


Sampler = Callable[[Sequence[Request]], list[Sampled]]
