"""intervals of agreement that are computed in the background"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.create_table(
        "agreement_bootstraps",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("slice", sa.Text(), nullable=False),
        sa.Column(
            "requested_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("label_version", sa.Text()),
        sa.Column("resamples", sa.Integer()),
        sa.Column("intervals", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_agreement_bootstraps_project_id_projects"),
        ),
        sa.PrimaryKeyConstraint("project_id", "slice", name=op.f("pk_agreement_bootstraps")),
    )


def downgrade() -> None:
    op.drop_table("agreement_bootstraps")
