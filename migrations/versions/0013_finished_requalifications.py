"""re-qualifications that are finished, which leases count no more"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INDEX = "ix_requalifications_project_id_user_id"
COLUMNS = ["project_id", "user_id"]


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.add_column("requalifications", sa.Column("finished_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(
        "finished", "requalifications", "finished_at is null or ended_at is null"
    )
    op.drop_index(INDEX)
    op.create_index(
        INDEX,
        "requalifications",
        COLUMNS,
        postgresql_where="ended_at is null and finished_at is null",
    )


def downgrade() -> None:
    op.drop_index(INDEX)
    op.drop_column("requalifications", "finished_at")
    op.create_index(INDEX, "requalifications", COLUMNS, postgresql_where="ended_at is null")
