"""How many tokens models read at once, so that no run is queued that they have no room for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.registry.queries import ModelView
from app.web.translation import gettext
from trainer.errors import RunRefusedError
from trainer.model_shape import MIN_PROMPT_TOKENS, longest_response, positions_of


@dataclass(frozen=True)
class Reach:
    """The most tokens that several models all read at once, and the one that reads no more."""

    tokens: int
    model: str

    def refusal(self, max_new_tokens: int) -> str | None:
        """What is wrong with responses of this length; None when they fit."""
        most = longest_response(self.tokens)
        if max_new_tokens <= most:
            return None
        return gettext(
            "must be at most %(most)s tokens: %(model)s reads at most %(tokens)s at once, and "
            "%(prompt)s of them are kept for the prompt",
            most=most,
            model=self.model,
            tokens=self.tokens,
            prompt=MIN_PROMPT_TOKENS,
        )


def reach_of(models: Sequence[ModelView]) -> Reach | None:
    """The least reach among the models; reads files, so call it in a thread.

    A model that lies elsewhere or whose config does not say is left to the trainer; None when that
    is all of them.
    """
    known = [Reach(tokens, one.name) for one in models if (tokens := _tokens(one)) is not None]
    return min(known, key=lambda reach: reach.tokens, default=None)


def _tokens(model: ModelView) -> int | None:
    if model.path is None:
        return None
    try:
        return positions_of(Path(model.path))
    except (RunRefusedError, OSError):
        return None
