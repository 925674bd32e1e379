"""Password hashing: Argon2id with 19 MiB, two at a time, so that a flood cannot eat the machine."""

import asyncio
from functools import cache

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from app.errors import InvalidError, UnavailableError
from app.web.translation import gettext

MIN_LENGTH, MAX_LENGTH = 12, 256
CONCURRENT_HASHES, MAX_WAITING = 2, 50

_hasher = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))


class _Gate:
    """Lets two hashes run at once and turns away who would wait behind fifty others."""

    def __init__(self) -> None:
        self.running = asyncio.Semaphore(CONCURRENT_HASHES)
        self.waiting = 0

    async def __aenter__(self) -> None:
        if self.waiting >= MAX_WAITING:
            raise UnavailableError("Too many people are signing in; try again.", code="busy")
        self.waiting += 1
        try:
            await self.running.acquire()
        finally:
            self.waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self.running.release()


_gate = _Gate()


def check_new_password(password: str) -> None:
    """This function will refuse a password that must not be set.

    Raises:
        InvalidError: it is too short, too long, has NUL, or is one character repeated.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH or "\x00" in password:
        raise InvalidError(
            gettext(
                "A password has %(least)s to %(most)s characters.",
                least=MIN_LENGTH,
                most=MAX_LENGTH,
            ),
            code="bad_password",
        )
    if len(set(password)) <= 2 or password.casefold() in COMMON:  # noqa: PLR2004
        raise InvalidError("This password is too easy to guess.", code="bad_password")


COMMON = {
    "password1234", "123456789012", "qwertyuiop12", "passwordpassword", "administrator",
    "letmeinletmein", "iloveyou1234", "qwerty123456", "correcthorsebatterystaple",
}  # fmt: skip


async def hash_password(password: str) -> str:
    """Hash in a thread; takes about 40 ms of one core."""
    async with _gate:
        return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether the password fits; without a stored hash a dummy is checked, to take as long."""
    async with _gate:
        return await asyncio.to_thread(_verify, password, stored)


def _verify(password: str, stored: str | None) -> bool:
    try:
        fits = _hasher.verify(password, stored or _dummy_hash())
    except UnknownHashError:
        return False
    return fits and stored is not None


@cache
def _dummy_hash() -> str:
    return _hasher.hash("nobody has this password")
