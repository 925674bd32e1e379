"""what each task is asked for and with which probability; known answers, anchors and repeats"""

import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PURPOSE = "purpose in ('fresh', 'overlap', 'escalation', 'gold', 'anchor', 'repeat')"
IS_CHECK = "purpose in ('gold', 'anchor', 'repeat')"
CHECK = (
    "(purpose in ('gold', 'anchor', 'repeat')) = (place = 0) "
    "and (place = 0) = (asked_round_id is not null)"
)
HELD = "status not in ('skipped', 'void')"

# Rankings that check on labelers are no labels of the slate: they give no comparison and take no
# share of its weight.
COMPARISONS = """
create view comparisons as
select ranking.id as ranking_id, ranking.slate_id, ranking.labeler_id,
       pair.chosen_id, pair.rejected_id, pair.rank_gap,
       pair.rating_chosen, pair.rating_rejected,
       pair.rating_chosen - pair.rating_rejected as margin,
       1.0::float8 / (pair.strict_comparisons * slate.rankings) as weight,
       slate.rankings > 1 and exists (
           select from rankings other
           join ranking_items better
             on better.ranking_id = other.id and better.response_id = pair.rejected_id
           join ranking_items worse
             on worse.ranking_id = other.id and worse.response_id = pair.chosen_id
           where other.slate_id = ranking.slate_id and other.is_current and not other.is_check
             and better.rank < worse.rank
       ) as conflict
from rankings ranking
cross join lateral (
    select chosen.response_id as chosen_id, rejected.response_id as rejected_id,
           (rejected.rank - chosen.rank)::int as rank_gap,
           chosen.rating::int as rating_chosen, rejected.rating::int as rating_rejected,
           count(*) over () as strict_comparisons
    from ranking_items chosen
    join ranking_items rejected
      on rejected.ranking_id = chosen.ranking_id and rejected.rank > chosen.rank
    where chosen.ranking_id = ranking.id
) pair
cross join lateral (
    -- Ranks are dense, so a second rank means that this ranking gives a comparison.
    select count(*) as rankings from rankings other
    where other.slate_id = ranking.slate_id and other.is_current and not other.is_check
      and exists (select from ranking_items item where item.ranking_id = other.id and item.rank > 1)
) slate
where ranking.is_current and not ranking.is_check
"""

# Slates with several places were drawn uniformly from their round; what was their share of it is
# the probability with which they were drawn.
FILL_SLATES = """
update slates set propensity = case when slates.places > 1 then drawn.share else 1 - drawn.share end
from (
    select round_id, avg(case when places > 1 then 1.0 else 0.0 end)::float8 as share
    from slates group by round_id
) drawn
where drawn.round_id = slates.round_id
"""
FILL_TASKS = """
update tasks set purpose = case when slates.places > 1 then 'overlap' else 'fresh' end,
                 propensity = slates.propensity
from slates where slates.id = tasks.slate_id
"""
FILL_RANKINGS = """
update rankings set purpose = tasks.purpose, propensity = tasks.propensity
from tasks where tasks.id = rankings.task_id
"""


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.execute("drop view comparisons")
    op.add_column("project_members", sa.Column("tasks_leased", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "project_members",
        sa.Column(
            "checks_seed", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
    )
    op.add_column("slates", sa.Column("propensity", sa.Double()))
    op.add_column(
        "slates", sa.Column("is_anchor", sa.Boolean(), server_default="false", nullable=False)
    )
    op.create_index(
        "ix_slates_anchor", "slates", ["round_id"], postgresql_where="is_anchor"
    )
    op.execute(FILL_SLATES)
    _change_tasks()
    _change_rankings()
    op.create_table(
        "gold",
        sa.Column("slate_id", sa.BigInteger(), sa.ForeignKey("slates.id"), nullable=False),
        sa.Column("ranks", postgresql.JSONB(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("slate_id", name=op.f("pk_gold")),
    )
    op.execute(COMPARISONS)


def _change_tasks() -> None:
    op.add_column("tasks", sa.Column("purpose", sa.Text(), server_default="fresh", nullable=False))
    op.add_column("tasks", sa.Column("propensity", sa.Double()))
    op.add_column("tasks", sa.Column("occasion", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column(
        "tasks", sa.Column("asked_round_id", sa.BigInteger(), sa.ForeignKey("rounds.id"))
    )
    op.execute(FILL_TASKS)
    op.add_column("tasks", sa.Column("is_check", sa.Boolean(), sa.Computed(IS_CHECK, persisted=True), nullable=False))
    op.create_check_constraint(op.f("ck_tasks_purpose"), "tasks", PURPOSE)
    op.create_check_constraint(op.f("ck_tasks_check"), "tasks", CHECK)
    op.drop_constraint(op.f("uq_tasks_slate_id_labeler_id"), "tasks")
    op.create_unique_constraint(
        op.f("uq_tasks_slate_id_labeler_id_occasion"), "tasks", ["slate_id", "labeler_id", "occasion"]
    )
    op.drop_index("uq_tasks_slate_id_place", table_name="tasks")
    op.create_index(
        "uq_tasks_slate_id_place",
        "tasks",
        ["slate_id", "place"],
        unique=True,
        postgresql_where=f"{HELD} and place > 0",
    )
    op.create_index(
        "ix_tasks_overlap",
        "tasks",
        ["labeler_id", "project_id", "id"],
        postgresql_where="purpose = 'overlap'",
    )
    op.create_index(
        "ix_tasks_asked_round_id", "tasks", ["asked_round_id"],
        postgresql_where="asked_round_id is not null",
    )  # fmt: skip


def _change_rankings() -> None:
    op.add_column(
        "rankings", sa.Column("purpose", sa.Text(), server_default="fresh", nullable=False)
    )
    op.add_column("rankings", sa.Column("occasion", sa.SmallInteger(), server_default="0", nullable=False))
    op.execute(FILL_RANKINGS)
    op.add_column("rankings", sa.Column("is_check", sa.Boolean(), sa.Computed(IS_CHECK, persisted=True), nullable=False))
    op.create_check_constraint(op.f("ck_rankings_purpose"), "rankings", PURPOSE)
    op.drop_index("uq_rankings_slate_id_labeler_id_current", table_name="rankings")
    op.create_index(
        "uq_rankings_slate_id_labeler_id_current",
        "rankings",
        ["slate_id", "labeler_id", "occasion"],
        unique=True,
        postgresql_where="is_current",
    )


# What the older program would take for a second label of the same person.
FORGET_CHECKS = """
delete from remarks where ranking_id in (select id from rankings where is_check);
delete from ranking_items where ranking_id in (select id from rankings where is_check);
delete from rankings where is_check;
delete from drafts where task_id in (select id from tasks where is_check);
delete from screen_events where task_id in (select id from tasks where is_check);
delete from reports where task_id in (select id from tasks where is_check);
delete from tasks where is_check
"""


def downgrade() -> None:
    op.execute("drop view comparisons")
    for statement in FORGET_CHECKS.split(";"):
        op.execute(statement)
    op.drop_table("gold")
    op.drop_index("uq_rankings_slate_id_labeler_id_current", table_name="rankings")
    op.drop_constraint(op.f("ck_rankings_purpose"), "rankings")
    for column in ("is_check", "occasion", "purpose"):
        op.drop_column("rankings", column)
    op.create_index(
        "uq_rankings_slate_id_labeler_id_current",
        "rankings",
        ["slate_id", "labeler_id"],
        unique=True,
        postgresql_where="is_current",
    )
    for index in ("ix_tasks_asked_round_id", "ix_tasks_overlap", "uq_tasks_slate_id_place"):
        op.drop_index(index, table_name="tasks")
    op.drop_constraint(op.f("uq_tasks_slate_id_labeler_id_occasion"), "tasks")
    for name in ("check", "purpose"):
        op.drop_constraint(op.f(f"ck_tasks_{name}"), "tasks")
    for column in ("is_check", "asked_round_id", "occasion", "propensity", "purpose"):
        op.drop_column("tasks", column)
    op.create_unique_constraint(
        op.f("uq_tasks_slate_id_labeler_id"), "tasks", ["slate_id", "labeler_id"]
    )
    op.create_index(
        "uq_tasks_slate_id_place",
        "tasks",
        ["slate_id", "place"],
        unique=True,
        postgresql_where=HELD,
    )
    op.drop_index("ix_slates_anchor", table_name="slates")
    for column in ("is_anchor", "propensity"):
        op.drop_column("slates", column)
    for column in ("checks_seed", "tasks_leased"):
        op.drop_column("project_members", column)
    op.execute(re.sub(r" and not \w+\.is_check", "", COMPARISONS))
