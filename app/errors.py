"""What can go wrong in the domain, without any HTTP in it; `app.web.errors` maps these to answers.

DomainError
├── NotFoundError          not there, or not yours to see
├── ForbiddenError         yours to see, not yours to do
├── UnauthenticatedError   nobody is signed in, or the proof is not valid
├── ConflictError          the state has moved on (a lease was lost, a name is taken)
├── InvalidError           understood, but against a rule
├── MalformedError         cannot be understood
├── UnsupportedTypeError   not a type of content that this place takes
├── TooLargeError          over a limit
├── TooManyError           over a rate
└── UnavailableError       cannot be done at the moment, or not built yet
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input: where, and what to do; never echoes the input."""

    loc: tuple[str | int, ...]
    msg: str


class DomainError(Exception):
    """Says what happened and what to do next; `code` is the stable word that programs look at."""

    def __init__(self, detail: str, *, code: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.faults = faults


class NotFoundError(DomainError):
    """The thing does not exist, or the viewer may not know that it does."""

    def __init__(self, detail: str, *, code: str = "not_found") -> None:
        super().__init__(detail, code=code)


class ForbiddenError(DomainError):
    """The viewer is known but may not do this."""

    def __init__(self, detail: str, *, code: str = "forbidden") -> None:
        super().__init__(detail, code=code)


class UnauthenticatedError(DomainError):
    """Nobody is signed in, or the password, session or token is not valid."""

    def __init__(self, detail: str, *, code: str = "unauthenticated") -> None:
        super().__init__(detail, code=code)


class ConflictError(DomainError):
    """The state does not allow it (any more)."""


class InvalidError(DomainError):
    """The input is well-formed but breaks a rule."""


class MalformedError(DomainError):
    """The input cannot be read."""


class UnsupportedTypeError(DomainError):
    """The content type or file type is not one that is taken here."""


class TooLargeError(DomainError):
    """The input is over a limit."""


class TooManyError(DomainError):
    """Too many tries; wait `retry_after_seconds`."""

    def __init__(
        self, detail: str, *, retry_after_seconds: int, code: str = "rate_limited"
    ) -> None:
        super().__init__(detail, code=code)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(DomainError):
    """Cannot be done at the moment."""


class NotBuiltError(DomainError):
    """A part of the contract that this version does not have yet."""
