"""What holds for every request: an id, allowed hosts, no cross-site writes, strict headers.

Cross-site requests are told by `Sec-Fetch-Site`, or by `Origin` in browsers without it. A writing
request with a cookie and neither header is refused: only programs send those, and they have tokens.
"""

import asyncio
import secrets
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    DomainError,
    ForbiddenError,
    MalformedError,
    NotFoundError,
    TooLargeError,
)
from app.settings import Settings
from app.web.errors import on_domain_error

SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# What never is a page of its own has no use for most of them.
PARTS_OF_PAGES = ("text/css", "text/javascript", "font/")
HEADERS_OF_PARTS = {
    name: HEADERS[name] for name in ("X-Content-Type-Options", "Cross-Origin-Resource-Policy")
}
# For the few pages that show another of ours in a frame, and for those that are shown in one.
WITH_OWN_FRAMES = {"Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"}
IN_OWN_FRAME = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY.replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    )
}
YEAR_SECONDS = 31_536_000
TOO_LARGE, TOO_SLOW = 413, 408
MAX_HEADERS, MAX_HEADER_BYTES = 100, 32_768
# A body may take this long, and a second more for each so many bytes of it.
BODY_SECONDS, BYTES_PER_SECOND = 30, 16_384


class SecurityMiddleware:
    """Wraps the application; refuses with problem+json or a page like every other error."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self.https = settings.https
        self.hosts = {host.strip().lower() for host in settings.allowed_hosts.split(",")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on with the headers added."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        add_headers = self._sender(send, request_id)
        try:
            self._check(scope)
        except DomainError as error:
            answer = await on_domain_error(Request(scope, receive), error)
            await answer(scope, receive, add_headers)
            return
        # The server leaves the body out where HEAD was asked.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        in_time = _refuse_too_slow(receive)
        await self.app(inner, in_time, _explain_too_large(inner, in_time, add_headers))

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        size = sum(len(name) + len(value) for name, value in headers.raw)
        if size > MAX_HEADER_BYTES or len(headers.raw) > MAX_HEADERS:
            raise MalformedError("The request's headers are too large.", code="large_headers")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _hostname(hosts[0]) not in self.hosts:
            raise MalformedError(
                "This host name is not served here; add it to PODIUM_ALLOWED_HOSTS.",
                code="unknown_host",
            )
        if "\x00" in scope["path"]:  # Postgres cannot even look for it
            raise NotFoundError("There is nothing here, or it is not yours to see.")
        if scope["method"] in SAFE_METHODS:
            return
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if site is not None:
            is_own = site in ("same-origin", "none")
        elif origin is not None:
            is_own = _netloc(origin) == hosts[0].lower()
        else:
            is_own = "cookie" not in headers
        if not is_own:
            raise ForbiddenError(
                "This request came from another site. Open Podium itself and try again.",
                code="cross_site",
            )

    def _sender(self, send: Send, request_id: str) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_part = headers.get("content-type", "").startswith(PARTS_OF_PAGES)
                for name, value in (HEADERS_OF_PARTS if is_part else HEADERS).items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = request_id
                if self.https:
                    headers["Strict-Transport-Security"] = f"max-age={YEAR_SECONDS}"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return with_headers


def _refuse_too_slow(receive: Receive) -> Receive:
    """Stop waiting for a body that trickles in; the server itself would wait for ever."""
    loop = asyncio.get_running_loop()
    deadline: float | None = loop.time() + BODY_SECONDS

    async def in_time() -> Message:
        nonlocal deadline
        if deadline is None:  # what comes after the body is a disconnect, some time
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(TOO_SLOW, headers={"Connection": "close"}) from None
        deadline += len(message.get("body", b"")) / BYTES_PER_SECOND
        if not message.get("more_body", False):
            deadline = None
        return message

    return in_time


def _explain_too_large(scope: Scope, receive: Receive, send: Send) -> Send:
    """Starlette's body limit answers in plain text; give that answer the form of all others."""
    is_replaced = False

    async def explained(message: Message) -> None:
        nonlocal is_replaced
        if is_replaced:
            return
        if message["type"] == "http.response.start" and message["status"] == TOO_LARGE:
            kind = Headers(raw=message["headers"]).get("content-type", "")
            if kind.startswith("text/plain"):
                is_replaced = True
                error = TooLargeError("The body is too large for this address.", code="too_large")
                answer = await on_domain_error(Request(scope, receive), error)
                await answer(scope, receive, send)
                return
        await send(message)

    return explained


def _netloc(origin: str) -> str:
    """Host and port of an origin; empty when it is malformed."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _hostname(host: str) -> str:
    """The name without its port; IPv6 literals keep their brackets."""
    name, bracket, _rest = host.lower().partition("]")
    return name + bracket if bracket else name.partition(":")[0]
