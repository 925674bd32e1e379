"""labelers held out of training, quarantine, and what was decided in screening"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Held out comes first: so a ranking is left out for one reason only.
LEFT_OUT = """
create view left_out_rankings as
select ranking.id as ranking_id, task.project_id, ranking.labeler_id,
       case when member.cohort = 'heldout' then 'heldout' else 'quarantined' end as reason,
       quarantine.id as quarantine_id
from rankings ranking
join tasks task on task.id = ranking.task_id
left join project_members member
       on member.project_id = task.project_id and member.user_id = ranking.labeler_id
left join quarantines quarantine
       on quarantine.project_id = task.project_id and quarantine.user_id = ranking.labeler_id
      and quarantine.revoked_at is null
      and (quarantine.since is null or ranking.created_at >= quarantine.since)
where member.cohort = 'heldout' or quarantine.id is not null
"""


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.add_column(
        "project_members",
        sa.Column("cohort", sa.Text(), server_default="training", nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_project_members_cohort"), "project_members", "cohort in ('training', 'heldout')"
    )
    op.create_table(
        "cohort_changes",
        _id(),
        *_of_labeler(),
        sa.Column("cohort", sa.Text(), nullable=False),
        *_made(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cohort_changes")),
        sa.CheckConstraint("cohort in ('training', 'heldout')", name="cohort"),
    )
    op.create_table(
        "quarantines",
        _id(),
        *_of_labeler(),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True)),
        *_made(),
        sa.Column("revoked_by", sa.BigInteger(), sa.ForeignKey("users.id")),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantines")),
        sa.CheckConstraint("(revoked_at is null) = (revoked_by is null)", name="revoked"),
    )
    op.create_index(
        "uq_quarantines_project_id_user_id",
        "quarantines",
        ["project_id", "user_id"],
        unique=True,
        postgresql_where="revoked_at is null",
    )
    op.create_table(
        "screenings",
        _id(),
        *_of_labeler(),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("self_assessment", sa.Text()),
        *_made(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screenings")),
        sa.CheckConstraint("decision in ('accepted', 'declined', 'again')", name="decision"),
    )
    for table in ("cohort_changes", "screenings"):
        op.create_index(f"ix_{table}_project_id_user_id", table, ["project_id", "user_id"])
    op.execute(LEFT_OUT)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def _of_labeler() -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
    )


def _made() -> tuple[sa.Column[int], sa.Column[sa.DateTime]]:
    return (
        sa.Column("created_by", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
    )


def downgrade() -> None:
    op.execute("drop view left_out_rankings")
    for table in ("screenings", "quarantines", "cohort_changes"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_project_members_cohort"), "project_members")
    op.drop_column("project_members", "cohort")
