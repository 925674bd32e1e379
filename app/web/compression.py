"""Pages are sent compressed; answers of the API are not.

Exports are streams that their readers take as fast as they can be written; static files are kept
compressed (`app/web/static.py`).
"""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

MIN_BYTES = 1024
# What an attacker can put into a page stands beside no secret that its compressed size could give
# away: sessions are in a cookie, writes are told by Sec-Fetch-Site and Origin, tokens shown once.
EVERYTHING_BUT = ("/api/", "/static/")


class CompressPages:
    """Compresses with gzip what browsers load, where they take it."""

    def __init__(self, app: ASGIApp) -> None:
        self.plain = app
        self.compressed = GZipMiddleware(app, minimum_size=MIN_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, compressed or plain."""
        is_plain = scope["type"] != "http" or scope["path"].startswith(EVERYTHING_BUT)
        await (self.plain if is_plain else self.compressed)(scope, receive, send)
