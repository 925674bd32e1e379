"""Tables of background runs, as people see them; procrastinate only drives them."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Run(Base):
    """One background training or sampling job; `attempt` fences every later write."""

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint("kind in ('sample', 'sft', 'reward', 'dpo', 'ppo')", name="kind"),
        CheckConstraint(
            "status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="status"
        ),
        CheckConstraint("attempt <= max_attempts", name="attempt"),
        CheckConstraint("progress between 0 and 1", name="progress"),
        UniqueConstraint("created_by_id", "request_key"),
        Index("ix_runs_project_id_id", "project_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    kind: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="queued")
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    dataset_id: Mapped[int | None] = mapped_column(ForeignKey("datasets.id"))
    base_model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    reward_model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"))
    model_id: Mapped[int | None] = mapped_column(  # the model that it made
        ForeignKey("models.id")
    )
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    max_attempts: Mapped[int] = mapped_column(SmallInteger, server_default="3")
    progress: Mapped[float] = mapped_column(server_default="0")
    latest: Mapped[dict[str, float | None]] = mapped_column(JSONB, server_default="{}")
    error: Mapped[str | None] = mapped_column(Text)
    needs_disk_bytes: Mapped[int | None] = mapped_column(  # it waits until so much is free
        BigInteger
    )
    cancel_requested: Mapped[bool] = mapped_column(server_default="false")
    heartbeat_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    request_key: Mapped[uuid.UUID | None]  # a repeated request to start it starts nothing
    code_version: Mapped[str | None] = mapped_column(Text)  # of Podium, when the run started
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # trainer.result.RunResult


class RunMetrics(Base):
    """What the trainer reported at one step; a resumed attempt replaces the steps it repeats."""

    __tablename__ = "run_metrics"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger)
    values: Mapped[dict[str, float | None]] = mapped_column(JSONB)
