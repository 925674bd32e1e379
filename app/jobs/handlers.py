"""What a kind of run provides so that it can be executed; `app.worker` maps kinds to these."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from trainer.result import RunResult
from trainer.spec import RunKind


@dataclass(frozen=True)
class StartedRun:
    """One attempt at a run; every write for it names `id` and `attempt`."""

    id: int
    attempt: int
    max_attempts: int
    project_id: int
    kind: RunKind
    settings: dict[str, Any]
    dataset_id: int | None
    base_model_id: int | None
    reward_model_id: int | None
    round_id: int | None
    created_by_id: int | None
    code_version: str | None


class Handler(Protocol):
    """The steps of one kind of run. A DomainError from any of them fails the run with its text."""

    async def prepare(self, engine: AsyncEngine, run: StartedRun, run_dir: Path) -> None:
        """Write `spec.json` and the files it names; called for each attempt: it is repeatable."""

    async def ingest(self, engine: AsyncEngine, run: StartedRun, run_dir: Path) -> None:
        """Store what the trainer has finished so far.

        Called about twice a second and once more after the end, so it is cheap when there is
        nothing new. It commits on its own, hence each of its transactions starts with
        `hold_attempt(tx, run)` or names the attempt in its WHERE.
        """

    async def complete(
        self, tx: AsyncSession, run: StartedRun, run_dir: Path, result: RunResult
    ) -> int | None:
        """Register the result in the transaction that marks the run succeeded.

        Returns:
            The id of the model that the run made, if it makes one.
        """
