"""How much memory a run would need, and whether the worker's machine can have that much."""

from collections.abc import Sequence
from pathlib import Path

from app.errors import Fault, InvalidError
from app.jobs.machine import Machine
from app.training.handlers import spec_of
from app.training.settings import TrainingSettings
from app.web.formats import localized
from app.web.translation import gettext
from trainer.errors import RunRefusedError
from trainer.memory import RowLengths, estimate, gib, require
from trainer.model_shape import ModelShape, shape_of

SHORTEST = RowLengths(longest_forward=1, largest_tree=1, responses=1, longest_row=1)


def memory_text(
    settings: TrainingSettings, folders: Sequence[str | None], machine: Machine | None
) -> str | None:
    """Say what the run needs with rows as long as the settings allow; None when it is not known.

    Reads model folders, so call it in a thread.

    Args:
        settings: of the run.
        folders: the base model's, then the reward model's; None for one that is not here yet.
        machine: the worker's; None when no worker has run.
    """
    shapes = _shapes(folders)
    if not shapes:
        return None
    device = "cpu" if machine is None else machine.device
    spec = spec_of(settings, folders=[str(one) for one in folders], has_demonstrations=False)
    need = estimate(spec, base=shapes[0], reward=(*shapes[1:], None)[0], device=device)
    said = gettext(
        "With these settings the run needs up to about %(size)s of memory",
        size=localized(gib(need.total)),
    )
    if machine is None:
        return f"{said}."
    has = localized(gib(machine.memory_bytes))
    if machine.has_launcher:
        return gettext(
            "%(said)s where nothing is shared; the worker trains with a launcher, and each process "
            "has at most %(has)s.",
            said=said,
            has=has,
        )
    if machine.device == "cuda":
        return gettext("%(said)s; the worker's GPU has %(has)s.", said=said, has=has)
    return gettext("%(said)s; the worker's machine has %(has)s.", said=said, has=has)


def require_memory(
    settings: TrainingSettings, folders: Sequence[str | None], machine: Machine | None
) -> None:
    """Refuse what the worker's machine cannot hold however short the rows are.

    Under a launcher the ranks may share the weights, which only they know: nothing is refused here.
    The trainer, which knows the rows and what is free, looks again before it loads a model.

    Args:
        settings: as in `memory_text`, like the others.
        folders: of the models.
        machine: the worker's.

    Raises:
        InvalidError: the message has the sizes, and the setting with which it would fit.
    """
    shapes = _shapes(folders)
    if not shapes or machine is None or machine.has_launcher:
        return
    spec = spec_of(settings, folders=[str(one) for one in folders], has_demonstrations=False)
    try:
        require(
            spec,
            base=shapes[0],
            reward=(*shapes[1:], None)[0],
            device=machine.device,
            free=machine.memory_bytes,
            rows=SHORTEST,
        )
    except RunRefusedError as error:
        message = gettext("%(reason)s (on the worker's machine)", reason=error)
        raise InvalidError(
            f"base_model: {message}",
            code="not_enough_memory",
            faults=(Fault(("body", "base_model"), message),),
        ) from None


def _shapes(folders: Sequence[str | None]) -> list[ModelShape]:
    """The shapes of the models; none unless all of them can be read here."""
    if None in folders:
        return []
    try:
        return [shape_of(Path(folder)) for folder in folders if folder is not None]
    except (RunRefusedError, OSError):
        return []
