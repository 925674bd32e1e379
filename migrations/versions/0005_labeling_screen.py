"""what the labeling screen keeps: settings, drafts, events, reports, and more about each ranking"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

EMPTY = {"server_default": "{}", "nullable": False}
NOW = {"server_default": sa.text("now()"), "nullable": False}


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.add_column("users", sa.Column("preferences", postgresql.JSONB(), **EMPTY))
    op.add_column("projects", sa.Column("screen", postgresql.JSONB(), **EMPTY))
    op.add_column("rounds", sa.Column("closed_at", sa.DateTime(timezone=True)))
    _change_flags()
    op.add_column("tasks", sa.Column("leased_at", sa.DateTime(timezone=True)))
    op.execute("update tasks set leased_at = now() where status = 'leased'")
    _change_rankings()
    _create_drafts()
    _create_screen_events()
    _create_reports()
    _create_remarks()


def _change_flags() -> None:
    op.add_column("flags", sa.Column("polarity", sa.Text(), server_default="bad", nullable=False))
    op.add_column("flags", sa.Column("scope", sa.Text(), server_default="response", nullable=False))
    op.add_column("flags", sa.Column("condition", sa.Text()))
    op.add_column(
        "flags", sa.Column("is_severe", sa.Boolean(), server_default="false", nullable=False)
    )
    op.add_column(
        "flags", sa.Column("needs_note", sa.Boolean(), server_default="false", nullable=False)
    )
    op.create_check_constraint(op.f("ck_flags_polarity"), "flags", "polarity in ('bad', 'neutral', 'good')")
    op.create_check_constraint(op.f("ck_flags_scope"), "flags", "scope in ('response', 'task')")


def _change_rankings() -> None:
    op.add_column("rankings", sa.Column("wall_ms", sa.Integer()))
    op.add_column(
        "rankings", sa.Column("rank_origin", sa.Text(), server_default="manual", nullable=False)
    )
    op.add_column("rankings", sa.Column("cannot_rank", sa.Text()))
    op.add_column("rankings", sa.Column("flags", postgresql.ARRAY(sa.Text()), **EMPTY))
    op.add_column(
        "rankings",
        sa.Column("pair_answers", postgresql.JSONB(), server_default="[]", nullable=False),
    )
    op.add_column("rankings", sa.Column("screen", postgresql.JSONB(), **EMPTY))
    op.add_column(
        "rankings",
        sa.Column("selection_policy", sa.Text(), server_default="uniform", nullable=False),
    )
    op.add_column("rankings", sa.Column("propensity", sa.Float()))
    op.create_check_constraint(
        op.f("ck_rankings_rank_origin"),
        "rankings",
        "rank_origin in ('manual', 'from_ratings', 'guided', 'form')"
    )
    op.add_column("ranking_items", sa.Column("cannot_judge", sa.Text()))
    op.add_column("ranking_items", sa.Column("is_opened", sa.Boolean()))
    op.add_column("ranking_items", sa.Column("visible_ms", sa.Integer()))
    op.add_column(
        "ranking_items",
        sa.Column("duplicate_of", sa.BigInteger(), sa.ForeignKey("responses.id")),
    )


def _create_drafts() -> None:
    op.create_table(
        "drafts",
        sa.Column("task_id", sa.BigInteger(), sa.ForeignKey("tasks.id"), nullable=False),
        sa.Column("labeler_id", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), **NOW),
        sa.PrimaryKeyConstraint("task_id", "labeler_id", name=op.f("pk_drafts")),
    )


def _create_screen_events() -> None:
    op.create_table(
        "screen_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("task_id", sa.BigInteger(), sa.ForeignKey("tasks.id"), nullable=False),
        sa.Column("labeler_id", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("visit", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(), **EMPTY),
        sa.Column("client_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), **NOW),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screen_events")),
        sa.UniqueConstraint(
            "task_id", "visit", "sequence", name=op.f("uq_screen_events_task_id_visit_sequence")
        ),
    )
    op.create_index("ix_screen_events_created_at", "screen_events", ["created_at"])


def _create_reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("task_id", sa.BigInteger(), sa.ForeignKey("tasks.id"), nullable=False),
        sa.Column("labeler_id", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("response_id", sa.BigInteger(), sa.ForeignKey("responses.id")),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), **NOW),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.Column("resolved_by", sa.BigInteger(), sa.ForeignKey("users.id")),
        sa.Column("resolution", sa.Text()),
        sa.Column("resolution_note", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.CheckConstraint(
            "kind in ('personal_data', 'illegal', 'malformed', 'leaked_prompt', 'rendering')",
            name="kind",
        ),
        sa.CheckConstraint(
            "resolution in ('removed', 'nothing_wrong', 'fixed')", name="resolution"
        ),
        sa.CheckConstraint(
            "(resolved_at is null) = (resolved_by is null) "
            "and (resolved_at is null) = (resolution is null)",
            name="resolved",
        ),
    )
    op.create_index("ix_reports_task_id", "reports", ["task_id"])


def _create_remarks() -> None:
    op.create_table(
        "remarks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slate_id", sa.BigInteger(), sa.ForeignKey("slates.id"), nullable=False),
        sa.Column("author_id", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("ranking_id", sa.BigInteger(), sa.ForeignKey("rankings.id")),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), **NOW),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remarks")),
    )
    op.create_index("ix_remarks_slate_id", "remarks", ["slate_id"])


def downgrade() -> None:
    for table in ("remarks", "reports", "screen_events", "drafts"):
        op.drop_table(table)
    for column in ("duplicate_of", "visible_ms", "is_opened", "cannot_judge"):
        op.drop_column("ranking_items", column)
    op.drop_constraint(op.f("ck_rankings_rank_origin"), "rankings")
    for column in (
        "propensity", "selection_policy", "screen", "pair_answers", "flags", "cannot_rank",
        "rank_origin", "wall_ms",
    ):  # fmt: skip
        op.drop_column("rankings", column)
    op.drop_column("tasks", "leased_at")
    for name in ("scope", "polarity"):
        op.drop_constraint(op.f(f"ck_flags_{name}"), "flags")
    for column in ("needs_note", "is_severe", "condition", "scope", "polarity"):
        op.drop_column("flags", column)
    op.drop_column("rounds", "closed_at")
    op.drop_column("projects", "screen")
    op.drop_column("users", "preferences")
