"""Who is asking: passed to every query and command that depends on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Viewer:
    """A signed-in user; their language is None while they leave it to the browser."""

    id: int
    email: str
    name: str
    role: str
    language: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether they may see and change everything."""
        return self.role == "admin"
