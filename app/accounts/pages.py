"""Signing in and out, the account with its API tokens, and the list of users."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.commands import (
    change_password,
    close_all_sessions,
    close_session,
    create_api_token,
    create_user,
    revoke_api_token,
    set_active,
    sign_in,
)
from app.accounts.deps import AdminBySession, SignedInBySession, cookie_name
from app.accounts.preferences import preferences_of, replace_preferences
from app.accounts.preferences_form import preferences_from, typed_from, typed_of
from app.accounts.queries import all_users, api_tokens_of
from app.accounts.viewer import Viewer
from app.errors import DomainError, InvalidError
from app.settings import Settings
from app.web.deps import AppSettings, Tx
from app.web.errors import status_of
from app.web.render import page
from app.web.schemas import PathId
from app.web.translation import gettext

router = APIRouter(include_in_schema=False)
MAX_NEXT_LENGTH = 500
SECONDS_PER_DAY = 86_400
EMPTY_FORM = {"email": "", "name": "", "role": "labeler"}
TOKEN_DAYS = 90  # unless somebody asks for another time


def safe_next(path: str) -> str:
    """A path on this site to go on to after signing in; anything else becomes the home page."""
    try:
        parts = urlsplit(path[: MAX_NEXT_LENGTH + 1])
    except ValueError:
        return "/"
    is_ours = (
        len(path) <= MAX_NEXT_LENGTH
        and not parts.scheme
        and not parts.netloc
        and path.startswith("/")
        and not path.startswith("//")
        and "\\" not in path
        and path.isprintable()
        and path.isascii()
        and "%0" not in path
    )
    return path if is_ours else "/"


@router.get("/sign-in")
async def show_sign_in(
    request: Request, after: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """Show the sign-in form."""
    return page(
        request, "accounts/sign_in.html", {"next": safe_next(after), "email": "", "error": None}
    )


@router.post("/sign-in")
async def post_sign_in(
    request: Request,
    tx: Tx,
    settings: AppSettings,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    after: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Open a session; every failure looks the same."""
    address = request.client.host if request.client else "unknown"
    context = {"next": safe_next(after), "email": email[:200].replace("\x00", "")}
    try:
        token = await sign_in(
            tx,
            email=email,
            password=password,
            address=address,
            secret=settings.secret(),
            max_days=settings.session_max_days,
        )
    except InvalidError as error:
        return page(
            request, "accounts/sign_in.html", {**context, "error": error.detail}, status=422
        )
    if token is None:
        message = gettext("Email address and password do not fit.")
        return page(request, "accounts/sign_in.html", {**context, "error": message}, status=401)
    await close_session(tx, request.cookies.get(cookie_name(settings)))
    answer = RedirectResponse(safe_next(after), status_code=303)
    answer.set_cookie(
        cookie_name(settings),
        token,
        max_age=settings.session_max_days * SECONDS_PER_DAY,
        httponly=True,
        secure=settings.https,
        samesite="lax",
    )
    return answer


@router.post("/sign-out")
async def post_sign_out(request: Request, tx: Tx, settings: AppSettings) -> Response:
    """End this browser's session."""
    await close_session(tx, request.cookies.get(cookie_name(settings)))
    return _signed_out(settings)


def _signed_out(settings: Settings) -> Response:
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(
        cookie_name(settings), httponly=True, secure=settings.https, samesite="lax"
    )
    return answer


@router.get("/account")
async def show_account(request: Request, tx: Tx, viewer: SignedInBySession) -> Response:
    """Show the viewer's own account."""
    return await _account_page(request, tx, viewer)


async def _account_page(
    request: Request, tx: Tx, viewer: Viewer, *, status: int = 200, **changes: object
) -> Response:
    preferences = await preferences_of(tx, viewer)
    context = {
        "tokens": await api_tokens_of(tx, viewer),
        "new_token": None,
        "error": None,
        "token_form": {"name": "", "days": TOKEN_DAYS},
        "typed": typed_of(preferences),
        "errors": {},
        "own_keys": len(preferences.keys),
        **changes,
    }
    return page(request, "accounts/account.html", context, status=status)


@router.post("/account/preferences")
async def post_preferences(request: Request, tx: Tx, viewer: SignedInBySession) -> Response:
    """Store the viewer's preferences; their keys stay as they are."""
    typed = typed_from(await request.form())
    stored = await preferences_of(tx, viewer)
    preferences, errors = preferences_from(typed, stored.keys)
    if preferences is None:
        return await _account_page(request, tx, viewer, status=422, typed=typed, errors=errors)
    await replace_preferences(tx, viewer, preferences)
    return RedirectResponse("/account#preferences", status_code=303)


@router.post("/account/tokens")
async def post_token(
    request: Request,
    tx: Tx,
    viewer: SignedInBySession,
    name: Annotated[str, Form()] = "",
    days: Annotated[int, Form()] = TOKEN_DAYS,
) -> Response:
    """Make an API token and show it once."""
    try:
        new_token = await create_api_token(tx, user_id=viewer.id, name=name, days=days)
    except DomainError as error:
        return await _account_page(
            request,
            tx,
            viewer,
            status=status_of(error),
            error=error.detail,
            token_form={"name": name, "days": days},
        )
    return await _account_page(request, tx, viewer, status=201, new_token=new_token)


@router.post("/account/tokens/{token_id}/revoke")
async def post_revoke_token(tx: Tx, viewer: SignedInBySession, token_id: PathId) -> Response:
    """Revoke one of the viewer's tokens."""
    await revoke_api_token(tx, viewer, token_id)
    return RedirectResponse("/account", status_code=303)


@router.post("/account/password")
async def post_password(
    request: Request,
    tx: Tx,
    viewer: SignedInBySession,
    settings: AppSettings,
    current: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
) -> Response:
    """Change the password; all sessions end, so the viewer signs in again with it."""
    try:
        await change_password(tx, viewer, current=current, new=new)
    except DomainError as error:
        return await _account_page(request, tx, viewer, status=status_of(error), error=error.detail)
    return _signed_out(settings)


@router.post("/account/sign-out-everywhere")
async def post_sign_out_everywhere(
    tx: Tx, viewer: SignedInBySession, settings: AppSettings
) -> Response:
    """End all of the viewer's sessions."""
    await close_all_sessions(tx, viewer)
    return _signed_out(settings)


@router.get("/users")
async def show_users(request: Request, tx: Tx, viewer: AdminBySession) -> Response:
    """Show everybody."""
    return page(
        request,
        "accounts/users.html",
        {"users": await all_users(tx), "error": None, "form": EMPTY_FORM, "self_id": viewer.id},
    )


@router.post("/users")
async def post_user(
    request: Request,
    tx: Tx,
    viewer: AdminBySession,
    email: Annotated[str, Form()] = "",
    name: Annotated[str, Form(max_length=200)] = "",
    role: Annotated[str, Form()] = "labeler",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Create a user with a password that the admin hands over."""
    try:
        await create_user(tx, email=email, name=name, role=role, password=password)
    except DomainError as error:
        context = {
            "users": await all_users(tx),
            "error": error.detail,
            "form": {"email": email, "name": name, "role": role},
            "self_id": viewer.id,
        }
        return page(request, "accounts/users.html", context, status=status_of(error))
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{user_id}/{action}")
async def post_user_state(tx: Tx, viewer: AdminBySession, user_id: PathId, action: str) -> Response:
    """Enable or disable a user."""
    del viewer
    if action not in ("enable", "disable"):
        raise InvalidError("Users can be enabled or disabled.", code="bad_action")
    await set_active(tx, user_id, is_active=action == "enable")
    return RedirectResponse("/users", status_code=303)
