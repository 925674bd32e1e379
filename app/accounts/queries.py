"""Reads of people, sessions and tokens."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.models import APIToken, User
from app.accounts.tokens import digest, is_api_token
from app.accounts.viewer import Viewer

MAX_COOKIE_LENGTH = 100

# One statement: find the session and, at most once a minute, note that it was used.
BY_SESSION = text("""
with found as (
    select s.token_hash, s.last_seen_at, u.id, u.email, u.name, u.role,
           u.preferences->>'language' as language
    from sessions s join users u on u.id = s.user_id
    where s.token_hash = :token_hash and u.is_active and s.expires_at > now()
      and s.last_seen_at > now() - make_interval(hours => :idle_hours)
), seen as (
    update sessions set last_seen_at = now() from found
    where sessions.token_hash = found.token_hash
      and found.last_seen_at < now() - interval '1 minute'
)
select id, email, name, role, language from found
""")

BY_TOKEN = text("""
select u.id, u.email, u.name, u.role, u.preferences->>'language'
from api_tokens t join users u on u.id = t.user_id
where t.token_hash = :token_hash and u.is_active and t.revoked_at is null and t.expires_at > now()
""")


async def viewer_by_session(
    tx: AsyncSession, cookie: str | None, *, idle_hours: int
) -> Viewer | None:
    """The viewer whose session cookie this is, while it is alive."""
    if not cookie or len(cookie) > MAX_COOKIE_LENGTH:
        return None
    found = await tx.execute(BY_SESSION, {"token_hash": digest(cookie), "idle_hours": idle_hours})
    row = found.one_or_none()
    return None if row is None else Viewer(*row)


async def viewer_by_token(tx: AsyncSession, token: str) -> Viewer | None:
    """The owner of a living API token."""
    if not is_api_token(token):
        return None
    row = (await tx.execute(BY_TOKEN, {"token_hash": digest(token)})).one_or_none()
    return None if row is None else Viewer(*row)


@dataclass(frozen=True)
class TokenRow:
    """An API token as its owner sees it; the token itself is not kept."""

    id: int
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime


async def api_tokens_of(tx: AsyncSession, viewer: Viewer) -> list[TokenRow]:
    """The viewer's tokens that still work, newest first."""
    rows = await tx.execute(
        select(
            APIToken.id, APIToken.name, APIToken.prefix, APIToken.created_at, APIToken.expires_at
        )
        .where(
            APIToken.user_id == viewer.id,
            APIToken.revoked_at.is_(None),
            APIToken.expires_at > func.now(),
        )
        .order_by(APIToken.id.desc())
    )
    return [TokenRow(*row) for row in rows]


@dataclass(frozen=True)
class UserRow:
    """A user as admins see them."""

    id: int
    email: str
    name: str
    role: str
    is_active: bool
    created_at: datetime


async def all_users(tx: AsyncSession) -> list[UserRow]:
    """Everybody, by email."""
    rows = await tx.execute(
        select(User.id, User.email, User.name, User.role, User.is_active, User.created_at).order_by(
            User.email
        )
    )
    return [UserRow(*row) for row in rows]
