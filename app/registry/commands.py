"""Writes of the registry: register a model, by hand or as a run's result; check its files again."""

import asyncio
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import bindparam

from app.errors import ConflictError, InvalidError
from app.registry.folder import CheckedFolder, check_folder
from app.registry.location import (
    Location,
    check_endpoint_model,
    check_hub_id,
    check_one_place,
)
from app.registry.queries import ModelView, model_by_name
from app.settings import Settings

KINDS = ("base", "sft", "reward", "policy")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

INSERT = text("""
insert into models (name, kind, path, hub_id, hub_revision, endpoint_model, file_sha256,
                    parent_id, run_id)
values (:name, :kind, :path, :hub_id, :hub_revision, :endpoint_model, :file_sha256,
        :parent_id, :run_id)
on conflict do nothing
returning id
""").bindparams(bindparam("file_sha256", type_=JSONB))
ID_BY_NAME = text("select id from models where name = :name")
MADE_BY_RUN = text("select id from models where run_id = :run_id")


@dataclass(frozen=True)
class NewModel:
    """What an admin says about a model."""

    name: str
    kind: str
    location: Location
    parent: str | None = None


async def register_model(tx: AsyncSession, settings: Settings, new: NewModel) -> ModelView:
    """Check where the model lies and add it to the registry.

    Raises:
        InvalidError: the name, the kind, the location or a file breaks a rule.
        ConflictError: the name is taken.
    """
    if not NAME.fullmatch(new.name):
        raise InvalidError(
            "The name must have 1 to 100 letters, digits, '.', '_' or '-' and start with a "
            "letter or a digit.",
            code="bad_name",
        )
    if new.kind not in KINDS:
        raise InvalidError(f"The kind must be one of {', '.join(KINDS)}.", code="bad_kind")
    parent_id = await _parent_id(tx, new.parent)
    location, hashes = await _checked(settings, new)
    rows = await tx.execute(
        INSERT,
        {
            "name": new.name,
            "kind": new.kind,
            **asdict(location),
            "file_sha256": hashes,
            "parent_id": parent_id,
            "run_id": None,
        },
    )
    if rows.scalar_one_or_none() is None:
        raise ConflictError(
            f"A model named {new.name!r} exists already; choose another name.", code="name_taken"
        )
    return await model_by_name(tx, new.name)


async def _parent_id(tx: AsyncSession, parent: str | None) -> int | None:
    if parent is None:
        return None
    parent_id: int | None = await tx.scalar(ID_BY_NAME, {"name": parent})
    if parent_id is None:
        raise InvalidError("There is no model with the parent's name.", code="unknown_model")
    return parent_id


async def _checked(settings: Settings, new: NewModel) -> tuple[Location, dict[str, str]]:
    """The location as it is stored, and the hashes of its files when they are here."""
    location = new.location
    check_one_place(location)
    if location.hub_id is not None:
        check_hub_id(location, settings.hub_organizations)
        return location, {}
    if location.endpoint_model is not None:
        check_endpoint_model(location, settings.sampler_url)
        if new.kind == "reward":
            raise InvalidError("An endpoint's model can only be sampled.", code="bad_kind")
        return location, {}
    folder = await asyncio.to_thread(
        check_folder, location.path or "", settings.allowed_model_roots
    )
    _require_weights(folder, new.kind)
    _require_head(folder, new.kind)
    return Location(path=folder.path), folder.file_sha256


def _require_weights(folder: CheckedFolder, kind: str) -> None:
    if kind != "base" and not folder.has_weights:
        raise InvalidError(
            "The folder has no .safetensors weights; only a base model may be untrained.",
            code="no_weights",
        )


def _require_head(folder: CheckedFolder, kind: str) -> None:
    if folder.scores is False and kind == "reward":
        raise InvalidError(
            "config.json names a language model, which gives no scores; register it as base, sft "
            "or policy, and train a reward model from it.",
            code="no_reward_head",
        )
    if folder.scores and folder.has_weights and kind != "reward":
        raise InvalidError(
            "config.json names a model with a reward head, which writes no text; register it as "
            "reward.",
            code="reward_head",
        )


def _check_result(path: str) -> CheckedFolder:
    resolved = Path(path).resolve()
    return check_folder(str(resolved), (resolved.parent,))


async def register_run_result(
    tx: AsyncSession, *, run_id: int, name: str, kind: str, path: str, parent_id: int | None
) -> int:
    """Register the model that a run made, and return its id; asking again returns the same id.

    A name that is taken gets the run's id behind it.

    Raises:
        InvalidError: the folder breaks a rule.
    """
    folder = await asyncio.to_thread(_check_result, path)
    _require_weights(folder, kind)
    known = await tx.scalar(MADE_BY_RUN, {"run_id": run_id})
    if known is not None:
        return int(known)
    values = {
        "kind": kind,
        **asdict(Location(path=folder.path)),
        "file_sha256": folder.file_sha256,
        "parent_id": parent_id,
        "run_id": run_id,
    }
    for candidate in (name, f"{name}-{run_id}"):
        made = await tx.scalar(INSERT, {"name": candidate, **values})
        if made is not None:
            return int(made)
    raise ConflictError(f"Models named {name!r} and {name}-{run_id} exist.", code="name_taken")


async def verify_files(model: ModelView, roots: tuple[Path, ...]) -> None:
    """Check the files of a model again before it is loaded; what an endpoint serves is not checked.

    Raises:
        InvalidError: a file was changed, added or removed since the model was registered.
    """
    if model.path is None:
        return
    folder = await asyncio.to_thread(check_folder, model.path, roots)
    changed = sorted(
        name
        for name in folder.file_sha256.keys() | model.file_sha256.keys()
        if folder.file_sha256.get(name) != model.file_sha256.get(name)
    )
    if changed:
        raise InvalidError(
            f"Files of model {model.name!r} changed since it was registered: "
            f"{', '.join(changed[:5])}. Register it again under a new name.",
            code="hash_mismatch",
        )
