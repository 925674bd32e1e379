"""Tables of projects, their guidelines, flags and members."""

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
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base

COHORT = "cohort in ('training', 'heldout')"


class Project(Base):
    """A labeling program."""

    __tablename__ = "projects"
    __table_args__ = (
        CheckConstraint("labels_per_slate between 1 and 9", name="labels_per_slate"),
        CheckConstraint("overlap_share between 0 and 1", name="overlap_share"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    labels_per_slate: Mapped[int] = mapped_column(SmallInteger)
    overlap_share: Mapped[float]
    screen: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class GuidelineVersion(Base):
    """One version of a project's guidelines; never changed, each ranking names the one in force."""

    __tablename__ = "guideline_versions"
    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    version: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Flag(Base):
    """A yes/no remark that labelers can put on a response."""

    __tablename__ = "flags"
    __table_args__ = (
        UniqueConstraint("project_id", "key"),
        CheckConstraint("polarity in ('bad', 'neutral', 'good')", name="polarity"),
        CheckConstraint("scope in ('response', 'task')", name="scope"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    key: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(Text)
    polarity: Mapped[str] = mapped_column(Text, server_default="bad")
    scope: Mapped[str] = mapped_column(Text, server_default="response")
    condition: Mapped[str | None] = mapped_column(Text)  # when it applies, in words
    is_severe: Mapped[bool] = mapped_column(server_default="false")
    needs_note: Mapped[bool] = mapped_column(server_default="false")
    position: Mapped[int] = mapped_column(SmallInteger)


class Member(Base):
    """A labeler of a project, with the pseudonym that exports show and their place in the queue.

    What a labeler of the cohort `heldout` ranks is in no dataset, so that it can be held against
    what was trained without it. The view `labeler_cohorts` has those of former members as well.
    """

    __tablename__ = "project_members"
    __table_args__ = (
        UniqueConstraint("project_id", "pseudonym"),
        CheckConstraint("role in ('labeler')", name="role"),
        CheckConstraint(COHORT, name="cohort"),
    )

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(Text, server_default="labeler")
    pseudonym: Mapped[str] = mapped_column(Text)
    cohort: Mapped[str] = mapped_column(Text, server_default="training")
    guidelines_read_version: Mapped[int | None]
    # The last task that was offered: the search for the next one starts behind it, so that it never
    # walks over the second places of slates that this labeler has already ranked.
    last_task_id: Mapped[int] = mapped_column(BigInteger, server_default="0")
    tasks_leased: Mapped[int] = mapped_column(server_default="0")  # ever
    # What decides which of them are checks, so that nobody can work it out.
    checks_seed: Mapped[uuid.UUID] = mapped_column(Uuid, server_default=func.gen_random_uuid())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class CohortChange(Base):
    """An admin has moved a labeler to a cohort."""

    __tablename__ = "cohort_changes"
    __table_args__ = (
        CheckConstraint(COHORT, name="cohort"),
        Index("ix_cohort_changes_project_id_user_id", "project_id", "user_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    cohort: Mapped[str] = mapped_column(Text)
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Quarantine(Base):
    """What a labeler ranked `since` then (null: ever) is in no new dataset until it is revoked.

    Nothing is deleted, and the rankings stay in agreement and exports. The view
    `left_out_rankings` lists them, and those of held-out labelers.
    """

    __tablename__ = "quarantines"
    __table_args__ = (
        CheckConstraint("(revoked_at is null) = (revoked_by is null)", name="revoked"),
        Index(
            "uq_quarantines_project_id_user_id",
            "project_id",
            "user_id",
            unique=True,
            postgresql_where="revoked_at is null",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    revoked_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Screening(Base):
    """What an admin has decided about a candidate, and why; the last one holds."""

    __tablename__ = "screenings"
    __table_args__ = (
        CheckConstraint("decision in ('accepted', 'declined', 'again')", name="decision"),
        Index("ix_screenings_project_id_user_id", "project_id", "user_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    decision: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    self_assessment: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class DemonstrationGrade(Base):
    """A researcher's grade, 1 to 7, of what a candidate wrote; their last one of it holds."""

    __tablename__ = "demonstration_grades"
    __table_args__ = (
        CheckConstraint("grade between 1 and 7", name="grade"),
        Index("ix_demonstration_grades_project_id_user_id", "project_id", "user_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    demonstration: Mapped[str] = mapped_column(Text)
    grade: Mapped[int] = mapped_column(SmallInteger)
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
