"""The table of models: where each lies, what it was made from, and by which run."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Model(Base):
    """A base, SFT, reward or policy model, in exactly one place."""

    __tablename__ = "models"
    __table_args__ = (
        CheckConstraint("kind in ('base', 'sft', 'reward', 'policy')", name="kind"),
        CheckConstraint(
            "num_nonnulls(path, hub_id, endpoint_model) = 1 "
            "and (hub_id is null) = (hub_revision is null)",
            name="one_location",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(Text)
    path: Mapped[str | None] = mapped_column(Text)
    hub_id: Mapped[str | None] = mapped_column(Text)
    hub_revision: Mapped[str | None] = mapped_column(Text)
    endpoint_model: Mapped[str | None] = mapped_column(Text)
    file_sha256: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id", use_alter=True), unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
