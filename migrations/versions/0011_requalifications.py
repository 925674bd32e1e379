"""re-qualification: the next tasks of a labeler have known answers"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.create_table(
        "requalifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("wanted", sa.SmallInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("ended_by", sa.BigInteger(), sa.ForeignKey("users.id")),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requalifications")),
        sa.CheckConstraint("wanted > 0", name="wanted"),
        sa.CheckConstraint("(ended_at is null) = (ended_by is null)", name="ended"),
    )
    op.create_index(
        "ix_requalifications_project_id_user_id",
        "requalifications",
        ["project_id", "user_id"],
        postgresql_where="ended_at is null",
    )


def downgrade() -> None:
    op.drop_table("requalifications")
