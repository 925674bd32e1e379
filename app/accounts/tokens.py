"""Random tokens and what is stored of them.

An API token carries a checksum, so that a mistyped one needs no query.
"""

import hashlib
import secrets
import zlib

PREFIX = "podium_"
CHECKSUM_LENGTH = 8
MAX_TOKEN_LENGTH = 100


def new_session_token() -> str:
    """256 random bits for a cookie."""
    return secrets.token_urlsafe(32)


def new_api_token() -> str:
    """A prefix that secret scanners recognize, 256 random bits, and a CRC-32 in hexadecimal."""
    body = PREFIX + secrets.token_urlsafe(32)
    return body + _checksum(body)


def is_api_token(token: str) -> bool:
    """Whether a token can be one of ours at all."""
    body, checksum = token[:-CHECKSUM_LENGTH], token[-CHECKSUM_LENGTH:]
    return (
        len(token) <= MAX_TOKEN_LENGTH
        and token.isascii()
        and body.startswith(PREFIX)
        and secrets.compare_digest(_checksum(body), checksum)
    )


def digest(token: str) -> bytes:
    """What is stored: SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
