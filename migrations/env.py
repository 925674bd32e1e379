"""Alembic's entry: runs migrations under an advisory lock; leaves procrastinate's schema alone."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.accounts import models as accounts
from app.agreement import models as agreement
from app.datasets import models as datasets
from app.db import Base
from app.jobs import models as jobs
from app.labeling import models as labeling
from app.projects import models as projects
from app.prompts import models as prompts
from app.registry import models as registry
from app.rounds import models as rounds

LOADED = (accounts, jobs, labeling, projects, prompts, registry, rounds, datasets, agreement)
MIGRATION_LOCK = 727_274


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Compare only our own schema."""
    return name in (None, "public") if kind == "schema" else True


def run() -> None:
    """Upgrade or check; the session lock ends with the connection, hence no pool."""
    engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_schemas=True,
            include_name=include_name,
            transaction_per_migration=True,
        )
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        with context.begin_transaction():
            context.run_migrations()


run()
