"""A model's folder on this machine, ready to be loaded: downloaded from a hub if need be, checked.

Only the worker does this; the trainer is then given a folder and no network.
"""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql import bindparam

from app.db import transaction
from app.errors import InvalidError, UnavailableError
from app.registry.commands import verify_files
from app.registry.folder import check_folder
from app.registry.queries import ModelView
from app.settings import Settings

PATTERNS = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]

# The hashes of a hub model become known with its first download, and hold from then on.
KEEP_HASHES = text("""
update models set file_sha256 = :file_sha256 where id = :id and file_sha256 = '{}'
""").bindparams(bindparam("file_sha256", type_=JSONB))


async def folder_to_load(engine: AsyncEngine, settings: Settings, model: ModelView) -> str:
    """The folder of a model, whose files are the ones that were registered.

    Raises:
        InvalidError: a file has changed or breaks a rule, or an endpoint serves the model.
        UnavailableError: the hub cannot be reached.
    """
    if model.path is not None:
        await verify_files(model, settings.allowed_model_roots)
        return model.path
    if model.hub_id is None:
        raise InvalidError(
            f"Model {model.name!r} is served by an endpoint; it can be sampled but not loaded.",
            code="no_folder",
        )
    return await _hub_folder(engine, settings, model)


async def _hub_folder(engine: AsyncEngine, settings: Settings, model: ModelView) -> str:
    downloads = settings.root / "models" / "hub"
    target = await asyncio.to_thread(_download, model, downloads)
    checked = await asyncio.to_thread(check_folder, target, (downloads,))
    if model.file_sha256 and checked.file_sha256 != model.file_sha256:
        raise InvalidError(
            f"Files of model {model.name!r} changed since it was downloaded. "
            f"Delete {target} and start the run again.",
            code="hash_mismatch",
        )
    async with transaction(engine) as tx:
        await tx.execute(KEEP_HASHES, {"id": model.id, "file_sha256": checked.file_sha256})
    return checked.path


def _download(model: ModelView, downloads: Path) -> str:
    """Download beside the final folder and rename, so that half a model never counts."""
    # Installed with the trainer only; the web process must start without it.
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    hub_id = str(model.hub_id)
    target = downloads / hub_id.replace("/", "--") / str(model.hub_revision)
    if target.is_dir():
        return str(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="download-", dir=target.parent))
    try:
        snapshot_download(
            hub_id,
            revision=model.hub_revision,
            local_dir=unfinished,
            allow_patterns=PATTERNS,
        )
        shutil.rmtree(unfinished / ".cache", ignore_errors=True)
        if not target.is_dir():
            os.replace(unfinished, target)  # noqa: PTH105
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UnavailableError(
            f"Model {hub_id!r} could not be downloaded ({type(error).__name__}); "
            "check the network and the revision, and start the run again.",
            code="hub_unavailable",
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return str(target)
