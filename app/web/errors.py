"""Turns what went wrong into an answer: problem+json for programs, a page or a fragment for people.

The rejected input is never echoed: it can be a password, and NaN in it would break the answer.
"""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from app.errors import (
    ConflictError,
    DomainError,
    Fault,
    ForbiddenError,
    InvalidError,
    MalformedError,
    NotBuiltError,
    NotFoundError,
    TooLargeError,
    TooManyError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedTypeError,
)
from app.web.render import page
from app.web.translation import gettext

log = logging.getLogger(__name__)

STATUS: dict[type[DomainError], int] = {
    MalformedError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    TooLargeError: 413,
    UnsupportedTypeError: 415,
    InvalidError: 422,
    TooManyError: 429,
    NotBuiltError: 501,
    UnavailableError: 503,
}
RETRY_SECONDS = 5


def problem(
    request: Request,
    *,
    status: int,
    code: str,
    detail: str,
    faults: tuple[Fault, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """Answer in the form that the client asked for."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": [{"loc": list(fault.loc), "msg": fault.msg} for fault in faults],
        "request_id": request.state.request_id,
    }
    if wants_page(request):
        body["title"], body["detail"] = gettext(body["title"]), gettext(detail)
        is_fragment = request.headers.get("hx-request") == "true"
        return page(
            request,
            "error.html",
            {"problem": body},
            status=status,
            headers=headers,
            block="problem" if is_fragment else None,
        )
    return JSONResponse(
        body, status_code=status, headers=headers, media_type="application/problem+json"
    )


def wants_page(request: Request) -> bool:
    """Whether a person in a browser reads the answer."""
    is_api = request.url.path.startswith(("/api/", "/healthz", "/readyz"))
    return not is_api and "text/html" in request.headers.get("accept", "")


def status_of(error: DomainError) -> int:
    """The HTTP status that a DomainError's class stands for."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


async def on_domain_error(request: Request, error: Exception) -> Response:
    """Map a DomainError by its class."""
    assert isinstance(error, DomainError)
    headers: dict[str, str] = {}
    if isinstance(error, TooManyError):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif isinstance(error, UnavailableError):
        headers["Retry-After"] = str(RETRY_SECONDS)
    elif isinstance(error, UnauthenticatedError):
        if wants_page(request) and request.method == "GET":
            return RedirectResponse(_sign_in_path(request), status_code=303)
        headers["WWW-Authenticate"] = 'Bearer realm="podium"'
    return problem(
        request,
        status=status_of(error),
        code=error.code,
        detail=error.detail,
        faults=error.faults,
        headers=headers,
    )


def _sign_in_path(request: Request) -> str:
    path = request.url.path
    return "/sign-in" if path == "/" else f"/sign-in?next={path}"


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """Report where and why a request is invalid, without its values."""
    assert isinstance(error, RequestValidationError)
    faults = tuple(
        Fault(loc=tuple(item["loc"])[:12], msg=_message(item)) for item in error.errors()[:50]
    )
    unreadable = any(item["type"] == "json_invalid" for item in error.errors())
    return problem(
        request,
        status=400 if unreadable else 422,
        code="malformed_json" if unreadable else "invalid",
        detail="The body is not valid JSON." if unreadable else _summary(faults),
        faults=() if unreadable else faults,
    )


def _message(item: dict[str, Any]) -> str:
    # Our validators' messages and pydantic's own never hold the input.
    if item["type"] in ("literal_error", "enum"):
        return f"must be one of {item['ctx']['expected']}"
    return str(item["msg"]).removeprefix("Value error, ")


def _summary(faults: tuple[Fault, ...]) -> str:
    if not faults:
        return "The request is not valid."
    first = faults[0]
    where = ".".join(str(part) for part in first.loc if part != "body")
    return f"{where}: {first.msg}" if where else first.msg


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Give Starlette's own refusals (404, 405, 413, ...) the same form."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    return problem(
        request,
        status=error.status_code,
        code=phrase.lower().replace(" ", "_"),
        detail={404: "There is nothing here, or it is not yours to see."}.get(
            error.status_code, f"{phrase}."
        ),
        headers=dict(error.headers or {}),
    )


async def on_database_error(request: Request, error: Exception) -> Response:
    """Say 503 when the database is away; anything else is a bug and logged as such."""
    away = isinstance(error, PoolTimeoutError) or (
        isinstance(error, DBAPIError)
        and (error.connection_invalidated or type(error).__name__ == "OperationalError")
    )
    if not away:
        return await on_bug(request, error)
    log.error("web.database.unavailable request_id=%s error=%s", request.state.request_id, error)
    return problem(
        request,
        status=503,
        code="database_unavailable",
        detail="The database cannot be reached at the moment. Nothing was saved; try again.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


async def on_bug(request: Request, error: Exception) -> Response:
    """Log an unexpected error with the request's id and show only that id."""
    request_id = getattr(request.state, "request_id", "-")
    request.state.request_id = request_id
    log.error("web.request.failed request_id=%s", request_id, exc_info=error)
    return problem(
        request,
        status=500,
        code="internal_error",
        detail=gettext(
            "Something went wrong on our side. Nothing was saved. Request %(id)s.", id=request_id
        ),
    )


def install_error_handlers(app: FastAPI) -> None:
    """Register all of the above."""
    app.add_exception_handler(DomainError, on_domain_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(DBAPIError, on_database_error)
    app.add_exception_handler(PoolTimeoutError, on_database_error)
    app.add_exception_handler(Exception, on_bug)
