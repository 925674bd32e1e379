"""Which account the server runs as, and the folders that this account can enter.

Postgres refuses to run as root, and an unprivileged account cannot enter root's private folders.
"""

import contextlib
import logging
import os
import pwd
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from app.embedded_postgres.errors import EmbeddedPostgresError

logger = logging.getLogger(__name__)

SYSTEM_FOLDER = Path("/var/lib/podium")
UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The unprivileged account that the server runs as when we are root."""

    uid: int
    gid: int


class Credentials(TypedDict, total=False):
    """Arguments of `subprocess` that change the account; empty when it stays."""

    user: int
    group: int
    extra_groups: list[int]


def account_for(folder: Path) -> Account | None:
    """None unless we are root: Postgres refuses root, so the folder's owner runs it, or nobody.

    Raises:
        EmbeddedPostgresError: we are root, and there is no other account to use.
    """
    if os.geteuid() != 0:
        return None
    if (owner := folder.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in UNPRIVILEGED_ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        "Postgres refuses to run as root and there is no account named "
        f"{' or '.join(UNPRIVILEGED_ACCOUNTS)}; make one, or start Podium as an ordinary user"
    )


def usable_folder(chosen: Path) -> Path:
    """`chosen`, or a system folder that it names when Postgres' account cannot get there.

    Raises:
        EmbeddedPostgresError: a database is already in `chosen`, out of that account's reach.
    """
    chosen.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = account_for(chosen)
    if account is None or can_enter(chosen.parent, account):
        return chosen
    if any(chosen.glob("pg[0-9]*")):
        raise EmbeddedPostgresError(
            f"the database in {chosen} lies below a private folder that Postgres cannot enter, "
            "because it does not run as root; move the data folder, for example to /var/lib"
        )
    folder = _remembered_folder(chosen / "location")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _remembered_folder(pointer: Path) -> Path:
    """The system folder that `pointer` names; random: a deleted data folder starts afresh."""
    if not pointer.exists():
        unfinished = pointer.with_suffix(f".{os.getpid()}")
        unfinished.write_text(str(SYSTEM_FOLDER / f"data-{secrets.token_hex(6)}"))
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.link(unfinished, pointer)
        unfinished.unlink()
        logger.warning(
            "embedded_postgres.folder.moved to=%s: %s is private and Postgres does not run as root",
            pointer.read_text(),
            pointer.parent,
        )
    return Path(pointer.read_text())


def can_enter(folder: Path, account: Account) -> bool:
    """Whether `account` can get to what is in `folder`."""
    for entered in (folder, *folder.parents):
        info = entered.stat()
        bit = stat.S_IXUSR if info.st_uid == account.uid else stat.S_IXOTH
        if not info.st_mode & bit:
            return False
    return True


def as_account(account: Account | None) -> Credentials:
    """What makes `subprocess` start a program as `account`; None: as ourselves."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}
