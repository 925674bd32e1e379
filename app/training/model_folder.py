"""What model folders tell before a run: whether two read the same tokens, how large they are."""

import json
from collections.abc import Sequence
from pathlib import Path

from app.registry.queries import ModelView
from trainer.errors import RunRefusedError
from trainer.model_shape import shape_of

TOKENIZER, CONFIG = "tokenizer.json", "config.json"
SMALL_BYTES = 200_000_000  # about 50 million parameters in float32
SMALL_WIDTH = 512


def same_vocabulary(first: ModelView, second: ModelView) -> bool:
    """Compare vocabularies; reads files, so call it in a thread.

    What does not lie in a folder here is left to the trainer, and counts as the same.
    """
    hashes = (first.file_sha256.get(TOKENIZER), second.file_sha256.get(TOKENIZER))
    if first.path is None or second.path is None or None in hashes or hashes[0] == hashes[1]:
        return True
    return _vocabulary(Path(first.path)) == _vocabulary(Path(second.path))


def is_small(model: ModelView) -> bool:
    """Whether the model is of the size that the small preset is for; reads files."""
    if model.path is None:
        return False
    folder = Path(model.path)
    try:
        if model.is_untrained:
            width = json.loads((folder / CONFIG).read_bytes()).get("hidden_size")
            return isinstance(width, int) and width <= SMALL_WIDTH
        weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    except (OSError, ValueError):
        return False
    return 0 < weights < SMALL_BYTES


def largest_rank_of(models: Sequence[ModelView]) -> int | None:
    """The largest rank that an adapter can make use of in each of the models; reads files.

    A model that lies elsewhere or whose config does not say is left to the trainer; None when that
    is all of them.
    """
    ranks = [rank for one in models if (rank := _largest_rank(one))]
    return min(ranks, default=None)


def _largest_rank(model: ModelView) -> int:
    try:
        return 0 if model.path is None else shape_of(Path(model.path)).largest_rank
    except (RunRefusedError, OSError):
        return 0


def _vocabulary(folder: Path) -> object:
    """Ids by token; saving a tokenizer again may change the rest of its file."""
    path = folder / TOKENIZER
    try:
        tokenizer = json.loads(path.read_bytes())
        added = {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}
        return {**tokenizer["model"]["vocab"], **added}
    except (OSError, ValueError, KeyError, TypeError):
        return path  # not readable: the same as itself alone
