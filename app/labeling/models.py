"""Tables of labeling: tasks, rankings, items; comparisons are a view over them (`migrations/`)."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base

PURPOSE = "purpose in ('fresh', 'overlap', 'escalation', 'gold', 'anchor', 'repeat')"
# As Postgres gives it back, so that the schema can be compared.
IS_CHECK = "purpose = any (array['gold'::text, 'anchor'::text, 'repeat'::text])"


class Task(Base):
    """One labeler's place at a slate.

    Places are made beforehand, so overlap is a matter of unique constraints and never of counting.
    A skipped task keeps its labeler, so that the slate is not offered to them again, and a fresh
    open task takes its place.

    Attributes:
        purpose: what its ranking is for. `fresh`: the only label of its slate. `overlap`: one of
            several at a slate that was drawn for them at random before anybody ranked it.
            `escalation`: one more, asked for because of what the others said. The rest are checks
            on the labeler and no labels of the slate: `gold` has a known answer, an `anchor` comes
            in every round, a `repeat` is a slate that the labeler has ranked long ago.
        propensity: the probability with which the slate was drawn for as many labelers as it was
            made with; of a check, the share of its round's tasks that are such checks. None where
            the task was not drawn but asked for, at an escalation or a re-qualification, and of
            checks given before migration 0014.
        occasion: which time the labeler is asked about the slate, from 0; only checks ask again.
        place: which of the slate's places, from 1; 0 for a check, which takes none.
        asked_round_id: the round in whose course a check is asked; its slate is of any round.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("status in ('open', 'leased', 'done', 'skipped', 'void')", name="status"),
        CheckConstraint(
            "(status = 'leased') = (lease_token is not null and lease_expires_at is not null)",
            name="lease",
        ),
        CheckConstraint("status in ('open', 'void') or labeler_id is not null", name="labeler"),
        CheckConstraint(PURPOSE, name="purpose"),
        CheckConstraint(
            "(purpose in ('gold', 'anchor', 'repeat')) = (place = 0) "
            "and (place = 0) = (asked_round_id is not null)",
            name="check",
        ),
        UniqueConstraint("slate_id", "labeler_id", "occasion"),
        Index(
            "uq_tasks_slate_id_place",
            "slate_id",
            "place",
            unique=True,
            postgresql_where="status not in ('skipped', 'void') and place > 0",
        ),
        Index("ix_tasks_open", "project_id", "id", postgresql_where="status = 'open'"),
        Index("ix_tasks_leased", "lease_expires_at", postgresql_where="status = 'leased'"),
        Index("ix_tasks_labeler_id_status", "labeler_id", "project_id", "status"),
        Index(
            "ix_tasks_overlap",
            "labeler_id",
            "project_id",
            "id",
            postgresql_where="purpose = 'overlap'",
        ),
        Index(
            "ix_tasks_asked_round_id",
            "asked_round_id",
            postgresql_where="asked_round_id is not null",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    slate_id: Mapped[int] = mapped_column(ForeignKey("slates.id"))
    place: Mapped[int] = mapped_column(SmallInteger)
    purpose: Mapped[str] = mapped_column(Text, server_default="fresh")
    propensity: Mapped[float | None]
    occasion: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    asked_round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"))
    is_check: Mapped[bool] = mapped_column(Computed(IS_CHECK, persisted=True))
    status: Mapped[str] = mapped_column(Text, server_default="open")
    labeler_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    lease_token: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    lease_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    leased_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    display_order: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    skip_reason: Mapped[str | None] = mapped_column(Text)
    skip_note: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Ranking(Base):
    """What one labeler submitted for one slate; a correction is a new version.

    `purpose`, `propensity`, and `occasion` are those of its task.
    """

    __tablename__ = "rankings"
    __table_args__ = (
        UniqueConstraint("task_id", "version"),
        UniqueConstraint("labeler_id", "request_key"),
        Index(
            "uq_rankings_task_id_current",
            "task_id",
            unique=True,
            postgresql_where="is_current",
        ),
        Index(
            "uq_rankings_slate_id_labeler_id_current",
            "slate_id",
            "labeler_id",
            "occasion",
            unique=True,
            postgresql_where="is_current",
        ),
        CheckConstraint(PURPOSE, name="purpose"),
        CheckConstraint(
            "rank_origin in ('manual', 'from_ratings', 'guided', 'form')", name="rank_origin"
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    slate_id: Mapped[int] = mapped_column(ForeignKey("slates.id"))
    labeler_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    version: Mapped[int] = mapped_column(SmallInteger)
    is_current: Mapped[bool]  # the last version; the only column that ever changes
    request_key: Mapped[uuid.UUID] = mapped_column(Uuid)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    guideline_version_id: Mapped[int] = mapped_column(ForeignKey("guideline_versions.id"))
    display_order: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    note: Mapped[str | None] = mapped_column(Text)
    active_ms: Mapped[int | None]
    wall_ms: Mapped[int | None]
    rank_origin: Mapped[str] = mapped_column(Text, server_default="manual")
    cannot_rank: Mapped[str | None] = mapped_column(Text)  # why all responses share one rank
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")  # on the whole task
    pair_answers: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    screen: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default="{}"
    )  # schemas.Circumstances
    purpose: Mapped[str] = mapped_column(Text, server_default="fresh")
    occasion: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    is_check: Mapped[bool] = mapped_column(Computed(IS_CHECK, persisted=True))
    # How its slate was chosen: `uniform`, at random; else by its purpose.
    selection_policy: Mapped[str] = mapped_column(Text, server_default="uniform")
    propensity: Mapped[float | None]
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class RankingItem(Base):
    """One response of a ranking: rank 1 is best, equal is a tie, null is "cannot judge"."""

    __tablename__ = "ranking_items"
    __table_args__ = (
        CheckConstraint("rank between 1 and 9", name="rank"),
        CheckConstraint("rating between 1 and 7", name="rating"),
    )

    ranking_id: Mapped[int] = mapped_column(ForeignKey("rankings.id"), primary_key=True)
    response_id: Mapped[int] = mapped_column(ForeignKey("responses.id"), primary_key=True)
    rank: Mapped[int | None] = mapped_column(SmallInteger)
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    note: Mapped[str | None] = mapped_column(Text)
    cannot_judge: Mapped[str | None] = mapped_column(Text)  # why
    is_opened: Mapped[bool | None]  # null: short, or not told
    visible_ms: Mapped[int | None]
    duplicate_of: Mapped[int | None] = mapped_column(ForeignKey("responses.id"))


class Draft(Base):
    """Unsubmitted work on a task as the screen keeps it; each save makes the next version."""

    __tablename__ = "drafts"

    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), primary_key=True)
    labeler_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    version: Mapped[int]
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ScreenEvent(Base):
    """One thing that a labeler did on the screen; `visit` is one opening of the task in one tab."""

    __tablename__ = "screen_events"
    __table_args__ = (
        UniqueConstraint("task_id", "visit", "sequence"),
        Index("ix_screen_events_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    labeler_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    visit: Mapped[uuid.UUID] = mapped_column(Uuid)
    sequence: Mapped[int]
    kind: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    client_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Report(Base):
    """A labeler says that a prompt or response is broken or unsafe; an admin answers it."""

    __tablename__ = "reports"
    __table_args__ = (
        CheckConstraint(
            "kind in ('personal_data', 'illegal', 'malformed', 'leaked_prompt', 'rendering')",
            name="kind",
        ),
        CheckConstraint("resolution in ('removed', 'nothing_wrong', 'fixed')", name="resolution"),
        CheckConstraint(
            "(resolved_at is null) = (resolved_by is null) "
            "and (resolved_at is null) = (resolution is null)",
            name="resolved",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    labeler_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    response_id: Mapped[int | None] = mapped_column(ForeignKey("responses.id"))
    kind: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    resolved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    resolved_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    resolution: Mapped[str | None] = mapped_column(Text)
    resolution_note: Mapped[str | None] = mapped_column(Text)


class Gold(Base):
    """A slate whose answer is known, as far as `ranks` says it.

    `ranks` holds a rank per response id: of two different ones the smaller is better; equal ones,
    null, and what is absent say nothing. A retired one is asked no more; what was asked stays.
    """

    __tablename__ = "gold"

    slate_id: Mapped[int] = mapped_column(ForeignKey("slates.id"), primary_key=True)
    ranks: Mapped[dict[str, int | None]] = mapped_column(JSONB)
    explanation: Mapped[str] = mapped_column(Text)
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Requalification(Base):
    """Until a labeler has been through `wanted` known answers, their next tasks have such."""

    __tablename__ = "requalifications"
    __table_args__ = (
        CheckConstraint("wanted > 0", name="wanted"),
        CheckConstraint("(ended_at is null) = (ended_by is null)", name="ended"),
        CheckConstraint("finished_at is null or ended_at is null", name="finished"),
        Index(
            "ix_requalifications_project_id_user_id",
            "project_id",
            "user_id",
            postgresql_where="ended_at is null and finished_at is null",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(Text)
    wanted: Mapped[int] = mapped_column(SmallInteger)
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # All wanted were answered: noted at the next lease, which then counts them no more.
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Remark(Base):
    """A remark on how a slate was ranked: an admin's, or a labeler's on their own `ranking_id`."""

    __tablename__ = "remarks"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    slate_id: Mapped[int] = mapped_column(ForeignKey("slates.id"), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    ranking_id: Mapped[int | None] = mapped_column(ForeignKey("rankings.id"))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Exclusion(Base):
    """A slate, or one labeler's ranking of it, that counts nowhere until it is revoked.

    Nothing is deleted. Of a ranking its later versions are excluded, too; the view
    `excluded_rankings` lists all that are.
    """

    __tablename__ = "exclusions"
    __table_args__ = (
        CheckConstraint("(revoked_at is null) = (revoked_by is null)", name="revoked"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    slate_id: Mapped[int] = mapped_column(ForeignKey("slates.id"), index=True)
    ranking_id: Mapped[int | None] = mapped_column(ForeignKey("rankings.id"))
    reason: Mapped[str] = mapped_column(Text)
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    revoked_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SlateDecision(Base):
    """What an admin decided about a slate and why; what holds now is in the tables it is about."""

    __tablename__ = "slate_decisions"
    __table_args__ = (
        CheckConstraint(
            "kind in ('gold', 'gold_retired', 'anchor', 'anchor_ended', 'another_label')",
            name="kind",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    slate_id: Mapped[int] = mapped_column(ForeignKey("slates.id"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
