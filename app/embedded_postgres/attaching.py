"""What the owner of a server leaves in `server.json`, for other processes to attach to it."""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

SERVER_FILE = "server.json"


@dataclass(frozen=True)
class Server:
    """What another process needs to attach."""

    owner_pid: int
    socket_folder: str
    password: str

    def url(self, scheme: str, database: str) -> str:
        """The address of `database`, which need not exist yet."""
        password, host = quote(self.password), quote(self.socket_folder, safe="")
        return f"{scheme}://postgres:{password}@/{database}?host={host}&port=5432"

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url("postgresql", "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def publish(server: Server, folder: Path) -> None:
    """Write the file, complete or not at all, for its owner only."""
    unfinished = folder / f"{SERVER_FILE}.unfinished"
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(asdict(server)))
    unfinished.replace(folder / SERVER_FILE)


def read_server(folder: Path) -> Server | None:
    """The server that is said to run on `folder`; None when no owner has started one yet."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
        return Server(**json.loads((folder / SERVER_FILE).read_text()))
    return None
