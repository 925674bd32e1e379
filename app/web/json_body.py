"""JSON bodies, read strictly: content type, UTF-8, no duplicate keys, no NaN, bounded depth."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.errors import InvalidError, MalformedError, UnsupportedTypeError

MAX_DEPTH = 20


class StrictJSONRoute(APIRoute):
    """A route whose JSON body is parsed by `parse_json` instead of the lenient default."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler; DomainErrors reach the error handlers untouched."""
        handle = super().get_route_handler()
        if self.body_field is None or any(
            "multipart" in str(getattr(p.field_info, "media_type", ""))
            or "urlencoded" in str(getattr(p.field_info, "media_type", ""))
            for p in self.dependant.body_params
        ):
            return handle

        async def strict(request: Request) -> Response:
            require_json(request)
            body = await request.body()
            parsed = _ParsedRequest(request.scope, request.receive)
            parsed.preset(body, parse_json(body))
            return await handle(parsed)

        return strict


class _ParsedRequest(Request):
    """A request whose body has been read and parsed already."""

    def preset(self, body: bytes, value: object) -> None:
        self._body = body
        self._json = value


def require_json(request: Request) -> None:
    """Refuse any other content type: browsers can post text/plain across sites without asking.

    Raises:
        UnsupportedTypeError: it is not application/json in UTF-8.
    """
    kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if kind.strip() != "application/json" or charset not in ("", "charset=utf-8"):
        raise UnsupportedTypeError(
            "Send JSON with the header Content-Type: application/json (UTF-8).",
            code="unsupported_media_type",
        )


def parse_json(body: bytes, *, what: str = "The body") -> object:
    """Parse one JSON value; `what` is its name in messages.

    Raises:
        MalformedError: it is not JSON, not UTF-8, too deep, or holds NaN or a number out of range.
        InvalidError: an object names a key twice; taking the last one would hide an error.
    """
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except InvalidError:
        raise
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise MalformedError(
            f"{what} is not valid JSON: {_reason(error)}.", code="malformed_json"
        ) from None
    if _depth(value) > MAX_DEPTH:
        raise MalformedError(f"The JSON is nested deeper than {MAX_DEPTH}.", code="too_deep")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidError("An object in the JSON names a key twice.", code="duplicate_key")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return "a number is out of range or not a number"


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
