"""a key per request that starts a run, so that a repeated one starts nothing"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.add_column("runs", sa.Column("request_key", sa.Uuid(), nullable=True))
    op.create_unique_constraint(
        op.f("uq_runs_created_by_id_request_key"), "runs", ["created_by_id", "request_key"]
    )


def downgrade() -> None:
    op.drop_constraint(op.f("uq_runs_created_by_id_request_key"), "runs")
    op.drop_column("runs", "request_key")
