"""Changes to people, sessions and tokens."""

import hashlib
import hmac
import re
import unicodedata
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.models import APIToken, BrowserSession, LoginAttempt, User
from app.accounts.passwords import MAX_LENGTH, check_new_password, hash_password, verify_password
from app.accounts.tokens import digest, new_api_token, new_session_token
from app.accounts.viewer import Viewer
from app.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    TooManyError,
)
from app.web.translation import gettext

WINDOW_MINUTES = 15
# Per account and address together first, so that a stranger elsewhere cannot lock a person out.
MAX_FAILURES = {"pair": 10, "account": 30, "address": 30}
MAX_TOKENS = 50
MAX_TOKEN_DAYS = 366
TOKEN_NAME_LENGTH = 200
EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9.-]{1,190}")
ADMIN_LOCK = 727_275


def canonical_email(email: str) -> str:
    """One form for every way of writing an address.

    Raises:
        InvalidError: it is not a plain ASCII address; look-alike letters are refused.
    """
    folded = unicodedata.normalize("NFKC", email).strip().casefold()
    if not EMAIL.fullmatch(folded):
        raise InvalidError(
            "The email address must look like name@example.org, in plain letters.",
            code="bad_email",
        )
    return folded


async def create_user(tx: AsyncSession, *, email: str, name: str, role: str, password: str) -> int:
    """Make a user and return the id.

    Raises:
        ConflictError: the address is taken.
        InvalidError: the address, role, name or password is not acceptable.
    """
    address = canonical_email(email)
    if role not in ("admin", "labeler"):
        raise InvalidError(f"The role is admin or labeler, not {role!r}.", code="bad_role")
    if "\x00" in name:
        raise InvalidError("The name must not contain NUL characters.", code="bad_name")
    check_new_password(password)
    hashed = await hash_password(password)
    created = await tx.execute(
        text(
            "insert into users (email, name, role, password_hash) "
            "values (:email, :name, :role, :hash) on conflict (email) do nothing returning id"
        ),
        {"email": address, "name": name.strip() or address, "role": role, "hash": hashed},
    )
    user_id = created.scalar_one_or_none()
    if user_id is None:
        raise ConflictError(
            gettext("There is already a user %(address)s.", address=address), code="email_taken"
        )
    return int(user_id)


async def sign_in(
    tx: AsyncSession, *, email: str, password: str, address: str, secret: str, max_days: int
) -> str | None:
    """Check a password and open a session.

    Failures are counted under keys made with `secret`, so that nobody reads who tried from where.

    Returns:
        The new session's token, or None when email and password do not fit; the caller must let
        the transaction commit in both cases, because the failure is counted in it.

    Raises:
        InvalidError: a field is empty, too long or has NUL.
        TooManyError: there were too many failures in the last minutes.
    """
    if (
        not email.strip()
        or not password
        or len(password) > MAX_LENGTH
        or "\x00" in email + password
    ):
        raise InvalidError("Enter your email address and your password.", code="bad_credentials")
    folded = unicodedata.normalize("NFKC", email).strip().casefold()[:300]
    keys = {
        "pair": _attempt_key("pair", f"{folded}|{address}", secret),
        "account": _attempt_key("account", folded, secret),
        "address": _attempt_key("address", address, secret),
    }
    await _refuse_when_too_many(tx, keys)
    found = await tx.execute(
        select(User.id, User.password_hash).where(User.email == folded, User.is_active)
    )
    row = found.one_or_none()
    if not await verify_password(password, row.password_hash if row else None) or row is None:
        await tx.execute(insert(LoginAttempt), [{"key": key} for key in keys.values()])
        return None
    await tx.execute(delete(LoginAttempt).where(LoginAttempt.key == keys["pair"]))
    return await open_session(tx, user_id=row.id, max_days=max_days)


def _attempt_key(kind: str, value: str, secret: str) -> str:
    keyed = hmac.new(secret.encode(), value.encode("utf-8", "replace"), hashlib.sha256)
    return f"{kind}:{keyed.hexdigest()}"


async def _refuse_when_too_many(tx: AsyncSession, keys: dict[str, str]) -> None:
    counts = await tx.execute(
        select(LoginAttempt.key, func.count(), func.min(LoginAttempt.at))
        .where(
            LoginAttempt.key.in_(keys.values()),
            LoginAttempt.at > func.now() - timedelta(minutes=WINDOW_MINUTES),
        )
        .group_by(LoginAttempt.key)
    )
    for key, count, oldest in counts:
        if count >= MAX_FAILURES[key.partition(":")[0]]:
            free_at = oldest + timedelta(minutes=WINDOW_MINUTES)
            seconds = max(1, int((free_at - datetime.now(UTC)).total_seconds()))
            raise TooManyError(
                gettext(
                    "Too many failed tries. Wait %(minutes)s minutes and try again.",
                    minutes=seconds // 60 + 1,
                ),
                retry_after_seconds=seconds,
            )


async def open_session(tx: AsyncSession, *, user_id: int, max_days: int) -> str:
    """Open a browser session and return its token, which only the cookie keeps."""
    token = new_session_token()
    await tx.execute(
        insert(BrowserSession).values(
            token_hash=digest(token),
            user_id=user_id,
            expires_at=func.now() + timedelta(days=max_days),
        )
    )
    return token


async def close_session(tx: AsyncSession, token: str | None) -> None:
    """End one session; an unknown one is no error."""
    if token:
        await tx.execute(delete(BrowserSession).where(BrowserSession.token_hash == digest(token)))


async def close_all_sessions(tx: AsyncSession, viewer: Viewer) -> None:
    """Sign the viewer out everywhere."""
    await tx.execute(delete(BrowserSession).where(BrowserSession.user_id == viewer.id))


async def change_password(tx: AsyncSession, viewer: Viewer, *, current: str, new: str) -> None:
    """Set a new password and sign out everywhere.

    Raises:
        ForbiddenError: the current password is wrong.
        InvalidError: the new one is not acceptable.
    """
    stored = await tx.scalar(select(User.password_hash).where(User.id == viewer.id))
    if len(current) > MAX_LENGTH or not await verify_password(current, stored):
        raise ForbiddenError("The current password is wrong.", code="wrong_password")
    check_new_password(new)
    if new == current:
        raise InvalidError("The new password is the old one.", code="bad_password")
    await tx.execute(
        update(User).where(User.id == viewer.id).values(password_hash=await hash_password(new))
    )
    await close_all_sessions(tx, viewer)


async def set_active(tx: AsyncSession, user_id: int, *, is_active: bool) -> None:
    """Disable or enable a user; disabling ends their sessions.

    Raises:
        ConflictError: they are the last active admin.
        NotFoundError: there is no such user.
    """
    await tx.execute(text("select pg_advisory_xact_lock(:key)"), {"key": ADMIN_LOCK})
    role = await tx.scalar(select(User.role).where(User.id == user_id))
    if role is None:
        raise NotFoundError("There is no such user.")
    others = await tx.scalar(
        select(func.count()).where(User.role == "admin", User.is_active, User.id != user_id)
    )
    if role == "admin" and not is_active and not others:
        raise ConflictError("The last admin cannot be disabled.", code="last_admin")
    await tx.execute(update(User).where(User.id == user_id).values(is_active=is_active))
    if not is_active:
        await tx.execute(delete(BrowserSession).where(BrowserSession.user_id == user_id))


async def create_api_token(tx: AsyncSession, *, user_id: int, name: str, days: int) -> str:
    """Make an API token and return it; it cannot be read again.

    Raises:
        InvalidError: the name or the number of days is out of range.
        ConflictError: the user has too many tokens already.
    """
    if not name.strip() or len(name) > TOKEN_NAME_LENGTH or "\x00" in name:
        raise InvalidError(
            gettext("A token needs a name of 1 to %(most)s characters.", most=TOKEN_NAME_LENGTH),
            code="bad_token_name",
        )
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise InvalidError(
            gettext(
                "A token lasts 1 to %(most)s days, not %(days)s.", most=MAX_TOKEN_DAYS, days=days
            ),
            code="bad_token_days",
        )
    alive = await tx.scalar(
        select(func.count()).where(
            APIToken.user_id == user_id,
            APIToken.revoked_at.is_(None),
            APIToken.expires_at > func.now(),
        )
    )
    if (alive or 0) >= MAX_TOKENS:
        raise ConflictError(
            gettext("You have %(count)s tokens; revoke one first.", count=alive),
            code="too_many_tokens",
        )
    token = new_api_token()
    await tx.execute(
        insert(APIToken).values(
            user_id=user_id,
            name=name.strip(),
            prefix=token[:12],
            token_hash=digest(token),
            expires_at=func.now() + timedelta(days=days),
        )
    )
    return token


async def create_api_token_for_email(tx: AsyncSession, *, email: str, name: str, days: int) -> str:
    """The same, for the user with this address.

    Raises:
        NotFoundError: there is no such active user.
    """
    address = canonical_email(email)
    user_id = await tx.scalar(select(User.id).where(User.email == address, User.is_active))
    if user_id is None:
        raise NotFoundError(f"There is no active user {address}; see `podium user create`.")
    return await create_api_token(tx, user_id=user_id, name=name, days=days)


async def revoke_api_token(tx: AsyncSession, viewer: Viewer, token_id: int) -> None:
    """End one of the viewer's own tokens.

    Raises:
        NotFoundError: it is not theirs, or has ended already.
    """
    revoked = await tx.execute(
        update(APIToken)
        .where(
            APIToken.id == token_id,
            APIToken.user_id == viewer.id,
            APIToken.revoked_at.is_(None),
        )
        .values(revoked_at=func.now())
        .returning(APIToken.id)
    )
    if revoked.one_or_none() is None:
        raise NotFoundError("There is no such token.")
