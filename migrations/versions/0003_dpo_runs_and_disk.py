"""runs of kind dpo, runs that wait for disk, and one row of metrics per step"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.drop_constraint(op.f("ck_runs_kind"), "runs")
    op.create_check_constraint(
        op.f("ck_runs_kind"), "runs", "kind in ('sample', 'sft', 'reward', 'dpo', 'ppo')"
    )
    op.add_column("runs", sa.Column("needs_disk_bytes", sa.BigInteger(), nullable=True))
    # What a later attempt reported from its first step on took the place of the earlier one's.
    op.execute("""
        delete from run_metrics reported using run_metrics later
        where later.run_id = reported.run_id and later.attempt > reported.attempt
          and later.step <= reported.step
    """)
    op.drop_constraint(op.f("pk_run_metrics"), "run_metrics")
    op.create_primary_key(op.f("pk_run_metrics"), "run_metrics", ["run_id", "step"])


def downgrade() -> None:
    op.drop_constraint(op.f("pk_run_metrics"), "run_metrics")
    op.create_primary_key(op.f("pk_run_metrics"), "run_metrics", ["run_id", "attempt", "step"])
    op.drop_column("runs", "needs_disk_bytes")
    op.drop_constraint(op.f("ck_runs_kind"), "runs")
    # The older program knows no such run.
    op.execute("delete from run_metrics where run_id in (select id from runs where kind = 'dpo')")
    op.execute("update models set run_id = null where run_id in "
               "(select id from runs where kind = 'dpo')")
    op.execute("delete from runs where kind = 'dpo'")
    op.create_check_constraint(
        op.f("ck_runs_kind"), "runs", "kind in ('sample', 'sft', 'reward', 'ppo')"
    )
