"""Tables of rounds, slates and responses."""

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

SHARES = ("overlap_share", "gold_share", "anchor_share", "repeat_share")


class Round(Base):
    """One pass of the loop: sampled from models, or imported from answers made elsewhere.

    Who labels what (`overlap.Overlap`) stays as it was when the round was made.
    """

    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        CheckConstraint("source in ('sampled', 'imported')", name="source"),
        CheckConstraint("labels_per_slate between 1 and 9", name="labels_per_slate"),
        *(CheckConstraint(f"{name} between 0 and 1", name=name) for name in SHARES),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    number: Mapped[int]
    source: Mapped[str] = mapped_column(Text)
    responses_per_prompt: Mapped[int | None] = mapped_column(SmallInteger)  # null: imported
    sampling: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # trainer.spec.Sampling
    labels_per_slate: Mapped[int] = mapped_column(SmallInteger)
    overlap_share: Mapped[float]
    gold_share: Mapped[float]
    anchor_share: Mapped[float]
    repeat_share: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class RoundModel(Base):
    """A model that a round samples from."""

    __tablename__ = "round_models"

    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"), primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"), primary_key=True)


class Slate(Base):
    """The responses to one prompt in one round that are ranked together.

    Status: `pending` until its responses are there, `ready` when it is offered to labelers,
    `unusable` when too many responses stayed empty or duplicate; only admins see those.
    """

    __tablename__ = "slates"
    __table_args__ = (
        UniqueConstraint("round_id", "prompt_id"),
        CheckConstraint("status in ('pending', 'ready', 'unusable')", name="status"),
        Index("ix_slates_anchor", "round_id", postgresql_where="is_anchor"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id"), index=True)
    status: Mapped[str] = mapped_column(Text, server_default="pending")
    places: Mapped[int] = mapped_column(SmallInteger)  # how many labelers it wants
    propensity: Mapped[float | None]  # of being drawn for as many as it was made with
    is_anchor: Mapped[bool] = mapped_column(server_default="false")  # asked again in every round


class Response(Base):
    """One sampled or imported answer; with a `problem` it is kept for admins and never offered."""

    __tablename__ = "responses"
    __table_args__ = (
        UniqueConstraint("slate_id", "position"),
        CheckConstraint("problem in ('empty', 'duplicate')", name="problem"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    slate_id: Mapped[int] = mapped_column(ForeignKey("slates.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    text: Mapped[str] = mapped_column(Text)
    model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"), index=True)
    model_name: Mapped[str | None] = mapped_column(Text)  # as imported, when it is not registered
    seed: Mapped[int | None] = mapped_column(BigInteger)
    temperature: Mapped[float | None]
    top_p: Mapped[float | None]
    max_new_tokens: Mapped[int | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    finish: Mapped[str | None] = mapped_column(Text)
    problem: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
