"""Which language a page is in: the viewer's own, else the browser's, else English.

The API is for programs, and answers in English.
"""

import re

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.translation import ENGLISH, LANGUAGES, speak, speak_as_before

IN_ENGLISH = ("/api/", "/static/", "/healthz", "/readyz")
MAX_HEADER_LENGTH = 500
ACCEPTED = re.compile(
    r"\b([A-Za-z]{2,8})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*(?:,|$)"
)


def speak_to(request: Request, chosen: str | None) -> None:
    """Answer a page's request in the language that the viewer has chosen; None leaves it."""
    if chosen in LANGUAGES and not request.url.path.startswith(IN_ENGLISH):
        speak(chosen)


def accepted(header: str) -> str:
    """The language that a browser likes best of those that there are."""
    ranked = [
        (float(quality or 1), tag.lower())
        for tag, quality in ACCEPTED.findall(header[:MAX_HEADER_LENGTH])
    ]
    known = [(quality, tag) for quality, tag in ranked if quality > 0 and tag in LANGUAGES]
    return max(known, key=lambda one: one[0])[1] if known else ENGLISH


class ChooseLanguage:
    """Starts each page in the language of its browser; the viewer's own choice comes later."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and say that the answer depends on the language."""
        if scope["type"] != "http" or scope["path"].startswith(IN_ENGLISH):
            await self.app(scope, receive, send)
            return

        async def with_vary(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header("Accept-Language")
            await send(message)

        before = speak(accepted(Headers(scope=scope).get("accept-language", "")))
        try:
            await self.app(scope, receive, with_vary)
        finally:
            speak_as_before(before)
