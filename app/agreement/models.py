"""Tables of agreement: what takes too long to compute while somebody waits."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class AgreementBootstrap(Base):
    """The bootstrapped intervals of a slice's headline; they hold for one version of its labels."""

    __tablename__ = "agreement_bootstraps"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    slice: Mapped[str] = mapped_column(Text, primary_key=True)  # agreement.slices.Slice.key
    requested_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    label_version: Mapped[str | None] = mapped_column(Text)  # null: none has been computed yet
    resamples: Mapped[int | None]
    intervals: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    computed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
