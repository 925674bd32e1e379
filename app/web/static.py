"""Static files: compressed once, kept in memory, under addresses that browsers may keep for ever.

An address has the hash of all files in it, so modules that import each other by relative paths are
kept as well: `/static/v-0123456789ab/js/theme.js`. Without a hash, or with that of an earlier
release, the file is asked for again each time and never stale.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.web.bundle import bundle

STATIC = Path(__file__).resolve().parent.parent.parent / "static"
# Style sheets that pages load joined, in this order, by their addresses.
STYLES = {
    "css/page-bundle.css": ("css/tokens.css", "css/base.css"),
    "css/labeling-bundle.css": (
        "css/tokens.css",
        "css/base.css",
        "css/labeling.css",
        "css/labeling-desk.css",
        "css/pair.css",
    ),
}
# Scripts that pages load joined with all that they import, by their addresses.
SCRIPTS = {
    "js/page-bundle.js": "js/page.js",
    "js/labeling-bundle.js": "js/labeling/main.js",
}
YEAR_SECONDS = 31_536_000
KEPT = f"public, max-age={YEAR_SECONDS}, immutable"
ASKED_FOR_AGAIN = "no-cache"
COMPRESSED = {".js", ".css", ".svg", ".json"}


@dataclass(frozen=True)
class StaticFile:
    """What is sent for one address."""

    content: bytes
    compressed: bytes | None
    media_type: str
    etag: str


@cache
def files() -> dict[str, StaticFile]:
    """All files by their paths, with the bundles."""
    found = {
        path.relative_to(STATIC).as_posix(): path.read_bytes()
        for path in sorted(STATIC.rglob("*"))
        if path.is_file()
    }
    scripts = {path: content.decode() for path, content in found.items() if path.endswith(".js")}
    for path, sheets in STYLES.items():
        found[path] = b"".join(found[sheet] for sheet in sheets)
    for path, entry in SCRIPTS.items():
        joined = bundle(scripts, entry, folder=str(Path(path).parent))
        found[path] = joined.encode()
    return {path: _prepared(path, content) for path, content in found.items()}


def _prepared(path: str, content: bytes) -> StaticFile:
    is_compressed = Path(path).suffix in COMPRESSED
    return StaticFile(
        content,
        gzip.compress(content, mtime=0) if is_compressed else None,
        mimetypes.guess_type(path)[0] or "text/plain",
        f'"{hashlib.sha256(content).hexdigest()[:16]}"',
    )


@cache
def version() -> str:
    """The part of an address that changes when any file does."""
    digest = hashlib.sha256()
    for path, file in files().items():
        digest.update(f"{path} {file.etag}\n".encode())
    return f"v-{digest.hexdigest()[:12]}"


def static_url(path: str) -> str:
    """The address of a static file for pages.

    Raises:
        KeyError: when there is no such file.
    """
    files()[path]
    return f"/static/{version()}/{path}"


async def serve_static(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is below `/static`; an ASGI application.

    Raises:
        HTTPException: 404 for what is no file, 405 for what does not read.
    """
    if scope["method"] not in ("GET", "HEAD"):
        raise HTTPException(405, headers={"Allow": "GET, HEAD"})
    path = scope["path"].removeprefix(scope["root_path"]).lstrip("/")
    wanted, _, rest = path.partition("/")
    if wanted.startswith("v-"):
        path = rest
    file = files().get(path)
    if file is None:
        raise HTTPException(404)
    headers = Headers(scope=scope)
    answer = {
        "Cache-Control": KEPT if wanted == version() else ASKED_FOR_AGAIN,
        "ETag": file.etag,
        "Vary": "Accept-Encoding",
    }
    if file.etag in headers.get("if-none-match", ""):
        await Response(status_code=304, headers=answer)(scope, receive, send)
        return
    content = file.content
    if file.compressed is not None and "gzip" in headers.get("accept-encoding", ""):
        content = file.compressed
        answer["Content-Encoding"] = "gzip"
    await Response(content, headers=answer, media_type=file.media_type)(scope, receive, send)
