"""A worker for tests: real queue, real processes, the fake trainer, and short times.

python worker_process.py DATABASE_URL DATA_DIR
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

from app import worker
from app.jobs import commands, execution, process
from app.settings import Settings

FAKE_TRAINER = (sys.executable, str(Path(__file__).with_name("fake_trainer.py")))


class SettingsHandler:
    """Hands the run's settings to the fake trainer; stores and registers nothing."""

    async def prepare(self, engine, run, run_dir):  # noqa: ARG002
        (run_dir / "spec.json").write_text(json.dumps(run.settings))

    async def ingest(self, engine, run, run_dir):
        """Nothing to store."""

    async def complete(self, tx, run, run_dir, result):
        """Nothing to register."""


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    commands.STALLED_SECONDS = worker.STALLED_SECONDS = 3
    worker.WORKER_HEARTBEAT_SECONDS = worker.RECOVERY_SECONDS = worker.RESTART_SECONDS = 1
    execution.HEARTBEAT_SECONDS = 0.5
    process.TERM_GRACE_SECONDS = 3
    asyncio.run(
        worker.run_worker(
            Settings(data_dir=sys.argv[2]),
            database_url=sys.argv[1],
            handlers=dict.fromkeys(("sample", "sft", "reward", "dpo", "ppo"), SettingsHandler()),
            trainer=FAKE_TRAINER,
        )
    )
