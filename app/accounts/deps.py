"""Who may call a route: `SignedIn` or `AdminOnly`, by session cookie or by bearer token.

When both are sent, the token counts alone.
"""

from typing import Annotated

from fastapi import Depends, Request

from app.accounts.queries import viewer_by_session, viewer_by_token
from app.accounts.viewer import Viewer
from app.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from app.settings import Settings
from app.web.deps import AppSettings, Tx
from app.web.language import speak_to


def cookie_name(settings: Settings) -> str:
    """The session cookie's name; the prefix makes browsers insist on Secure and on this host."""
    return "__Host-podium" if settings.https else "podium"


async def signed_in(request: Request, tx: Tx, settings: AppSettings) -> Viewer:
    """The viewer of this request.

    Raises:
        UnauthenticatedError: there is no valid session or token.
    """
    authorization = request.headers.getlist("authorization")
    if authorization:
        viewer = await viewer_by_token(tx, _bearer(authorization))
    else:
        cookie = request.cookies.get(cookie_name(settings))
        viewer = await viewer_by_session(tx, cookie, idle_hours=settings.session_idle_hours)
    if viewer is None:
        raise UnauthenticatedError("Sign in, or send a valid API token as `Authorization: Bearer`.")
    request.state.viewer = viewer
    speak_to(request, viewer.language)
    return viewer


def _bearer(headers: list[str]) -> str:
    scheme, _, token = headers[0].partition(" ")
    if len(headers) != 1 or scheme.lower() != "bearer" or not token or " " in token:
        raise UnauthenticatedError("Send one header `Authorization: Bearer TOKEN`.")
    return token


SignedIn = Annotated[Viewer, Depends(signed_in, scope="function")]


async def admin_only(viewer: SignedIn) -> Viewer:
    """The viewer, when they are an admin.

    Raises:
        ForbiddenError: they are not.
    """
    if not viewer.is_admin:
        raise ForbiddenError("Only admins can do this.")
    return viewer


AdminOnly = Annotated[Viewer, Depends(admin_only, scope="function")]


async def admin_or_nothing(viewer: SignedIn) -> Viewer:
    """The viewer, when they are an admin; labelers are not told that there is something to see.

    Raises:
        NotFoundError: they are not.
    """
    if not viewer.is_admin:
        raise NotFoundError("There is nothing here, or it is not for you.")
    return viewer


HiddenFromLabelers = Annotated[Viewer, Depends(admin_or_nothing, scope="function")]


async def signed_in_by_session(request: Request, viewer: SignedIn) -> Viewer:
    """The viewer, when a person in a browser is asking.

    Raises:
        ForbiddenError: an API token is; tokens manage neither tokens, passwords nor users.
    """
    if "authorization" in request.headers:
        raise ForbiddenError("This takes a signed-in browser, not an API token.")
    return viewer


SignedInBySession = Annotated[Viewer, Depends(signed_in_by_session, scope="function")]


async def admin_by_session(viewer: SignedInBySession) -> Viewer:
    """The same for admins.

    Raises:
        ForbiddenError: they are not an admin.
    """
    return await admin_only(viewer)


AdminBySession = Annotated[Viewer, Depends(admin_by_session, scope="function")]
