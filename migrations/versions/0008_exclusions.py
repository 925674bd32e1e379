"""rankings that an admin has excluded: kept, and counted nowhere; what admins decide about slates"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# An exclusion of a ranking holds for its later versions, too: a revision does not undo it.
EXCLUDED_RANKINGS = """
create view excluded_rankings as
select ranking.id as ranking_id, exclusion.id as exclusion_id
from exclusions exclusion
join rankings ranking on ranking.slate_id = exclusion.slate_id
left join rankings excluded on excluded.id = exclusion.ranking_id
where exclusion.revoked_at is null
  and (exclusion.ranking_id is null or excluded.task_id = ranking.task_id)
"""

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
           where other.slate_id = ranking.slate_id and {other_counts}
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
    where other.slate_id = ranking.slate_id and {other_counts}
      and exists (select from ranking_items item where item.ranking_id = other.id and item.rank > 1)
) slate
where {counts}
"""
COUNTS = "ranking.is_current and not ranking.is_check"
NOT_EXCLUDED = " and ranking.id not in (select ranking_id from excluded_rankings)"


def comparisons(counts: str) -> str:
    """The view of those rankings for which `counts` holds."""
    return COMPARISONS.format(counts=counts, other_counts=counts.replace("ranking.", "other."))


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.create_table(
        "exclusions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slate_id", sa.BigInteger(), sa.ForeignKey("slates.id"), nullable=False),
        sa.Column("ranking_id", sa.BigInteger(), sa.ForeignKey("rankings.id")),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("revoked_by", sa.BigInteger(), sa.ForeignKey("users.id")),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exclusions")),
        sa.CheckConstraint("(revoked_at is null) = (revoked_by is null)", name="revoked"),
    )
    op.create_index("ix_exclusions_slate_id", "exclusions", ["slate_id"])
    _create_decisions()
    op.execute("drop view comparisons")
    op.execute(EXCLUDED_RANKINGS)
    op.execute(comparisons(COUNTS + NOT_EXCLUDED))


def _create_decisions() -> None:
    op.create_table(
        "slate_decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slate_id", sa.BigInteger(), sa.ForeignKey("slates.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("created_by", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slate_decisions")),
        sa.CheckConstraint(
            "kind in ('gold', 'gold_retired', 'anchor', 'anchor_ended', 'another_label')",
            name="kind",
        ),
    )
    op.create_index("ix_slate_decisions_slate_id", "slate_decisions", ["slate_id"])


def downgrade() -> None:
    op.execute("drop view comparisons")
    op.execute("drop view excluded_rankings")
    op.execute(comparisons(COUNTS))
    op.drop_table("slate_decisions")
    op.drop_table("exclusions")
