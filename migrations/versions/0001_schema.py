"""initial schema"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

PROCRASTINATE = Path(__file__).parent.parent / "procrastinate_3_10.sql"

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

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
           where other.slate_id = ranking.slate_id and other.is_current
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
    where other.slate_id = ranking.slate_id and other.is_current
      and exists (select from ranking_items item where item.ranking_id = other.id and item.rank > 1)
) slate
where ranking.is_current
"""


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_attempts")),
    )
    op.create_index("ix_login_attempts_key_at", "login_attempts", ["key", "at"], unique=False)
    op.create_table(
        "models",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("hub_id", sa.Text(), nullable=True),
        sa.Column("hub_revision", sa.Text(), nullable=True),
        sa.Column("endpoint_model", sa.Text(), nullable=True),
        sa.Column(
            "file_sha256",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
        ),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind in ('base', 'sft', 'reward', 'policy')", name=op.f("ck_models_kind")
        ),
        sa.CheckConstraint(
            "num_nonnulls(path, hub_id, endpoint_model) = 1 and (hub_id is null) = (hub_revision is null)",
            name=op.f("ck_models_one_location"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["models.id"], name=op.f("fk_models_parent_id_models")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", name=op.f("uq_models_name")),
        sa.UniqueConstraint("run_id", name=op.f("uq_models_run_id")),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels_per_slate", sa.SmallInteger(), nullable=False),
        sa.Column("overlap_share", sa.Double(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "labels_per_slate between 1 and 9", name=op.f("ck_projects_labels_per_slate")
        ),
        sa.CheckConstraint("overlap_share between 0 and 1", name=op.f("ck_projects_overlap_share")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("slug", name=op.f("uq_projects_slug")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("role in ('admin', 'labeler')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id_users"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"], unique=False)
    op.create_table(
        "datasets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("prompts", sa.Integer(), nullable=False),
        sa.Column("rankings", sa.Integer(), nullable=False),
        sa.Column("comparisons", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_datasets_created_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_datasets_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
    )
    op.create_index(op.f("ix_datasets_project_id"), "datasets", ["project_id"], unique=False)
    op.create_table(
        "demonstrations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("messages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_demonstrations_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demonstrations")),
        sa.UniqueConstraint(
            "project_id", "content_hash", name=op.f("uq_demonstrations_project_id_content_hash")
        ),
    )
    op.create_table(
        "flags",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_flags_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flags")),
        sa.UniqueConstraint("project_id", "key", name=op.f("uq_flags_project_id_key")),
    )
    op.create_table(
        "guideline_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_guideline_versions_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guideline_versions")),
        sa.UniqueConstraint(
            "project_id", "version", name=op.f("uq_guideline_versions_project_id_version")
        ),
    )
    op.create_table(
        "pretraining_texts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_pretraining_texts_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pretraining_texts")),
        sa.UniqueConstraint(
            "project_id", "content_hash", name=op.f("uq_pretraining_texts_project_id_content_hash")
        ),
    )
    op.create_table(
        "project_members",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), server_default="labeler", nullable=False),
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.Column("guidelines_read_version", sa.Integer(), nullable=True),
        sa.Column("last_task_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("role in ('labeler')", name=op.f("ck_project_members_role")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_members_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_project_members_user_id_users")
        ),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_project_members")),
        sa.UniqueConstraint(
            "project_id", "pseudonym", name=op.f("uq_project_members_project_id_pseudonym")
        ),
    )
    op.create_index(
        op.f("ix_project_members_user_id"), "project_members", ["user_id"], unique=False
    )
    op.create_table(
        "prompts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("messages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "split in ('train', 'validation', 'test')", name=op.f("ck_prompts_split")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_prompts_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompts")),
        sa.UniqueConstraint(
            "project_id", "content_hash", name=op.f("uq_prompts_project_id_content_hash")
        ),
        sa.UniqueConstraint(
            "project_id", "external_id", name=op.f("uq_prompts_project_id_external_id")
        ),
    )
    op.create_table(
        "rounds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("responses_per_prompt", sa.SmallInteger(), nullable=True),
        sa.Column("sampling", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("source in ('sampled', 'imported')", name=op.f("ck_rounds_source")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_rounds_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rounds")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_rounds_project_id_number")),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "round_models",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_round_models_model_id_models")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_round_models_round_id_rounds")
        ),
        sa.PrimaryKeyConstraint("round_id", "model_id", name=op.f("pk_round_models")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=True),
        sa.Column("base_model_id", sa.BigInteger(), nullable=True),
        sa.Column("reward_model_id", sa.BigInteger(), nullable=True),
        sa.Column("round_id", sa.BigInteger(), nullable=True),
        sa.Column("model_id", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.SmallInteger(), server_default="3", nullable=False),
        sa.Column("progress", sa.Double(), server_default="0", nullable=False),
        sa.Column(
            "latest", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("kind in ('sample', 'sft', 'reward', 'ppo')", name=op.f("ck_runs_kind")),
        sa.CheckConstraint(
            "status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_runs_status"),
        ),
        sa.CheckConstraint("attempt <= max_attempts", name=op.f("ck_runs_attempt")),
        sa.CheckConstraint("progress between 0 and 1", name=op.f("ck_runs_progress")),
        sa.ForeignKeyConstraint(
            ["base_model_id"], ["models.id"], name=op.f("fk_runs_base_model_id_models")
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_runs_created_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_runs_dataset_id_datasets")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_runs_model_id_models")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_runs_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["reward_model_id"], ["models.id"], name=op.f("fk_runs_reward_model_id_models")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_runs_round_id_rounds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_project_id_id", "runs", ["project_id", "id"], unique=False)
    op.create_table(
        "slates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("prompt_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("places", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(
            "status in ('pending', 'ready', 'unusable')", name=op.f("ck_slates_status")
        ),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_slates_prompt_id_prompts")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_slates_round_id_rounds")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slates")),
        sa.UniqueConstraint("round_id", "prompt_id", name=op.f("uq_slates_round_id_prompt_id")),
    )
    op.create_index(op.f("ix_slates_prompt_id"), "slates", ["prompt_id"], unique=False)
    op.create_table(
        "responses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slate_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=True),
        sa.Column("model_name", sa.Text(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("temperature", sa.Double(), nullable=True),
        sa.Column("top_p", sa.Double(), nullable=True),
        sa.Column("max_new_tokens", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("finish", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("problem in ('empty', 'duplicate')", name=op.f("ck_responses_problem")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_responses_model_id_models")
        ),
        sa.ForeignKeyConstraint(
            ["slate_id"], ["slates.id"], name=op.f("fk_responses_slate_id_slates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responses")),
        sa.UniqueConstraint("slate_id", "position", name=op.f("uq_responses_slate_id_position")),
    )
    op.create_index(op.f("ix_responses_model_id"), "responses", ["model_id"], unique=False)
    op.create_table(
        "run_metrics",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("values", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_metrics_run_id_runs")),
        sa.PrimaryKeyConstraint("run_id", "attempt", "step", name=op.f("pk_run_metrics")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("slate_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("labeler_id", sa.BigInteger(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("display_order", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("skip_reason", sa.Text(), nullable=True),
        sa.Column("skip_note", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'leased') = (lease_token is not null and lease_expires_at is not null)",
            name=op.f("ck_tasks_lease"),
        ),
        sa.CheckConstraint(
            "status in ('open', 'leased', 'done', 'skipped', 'void')", name=op.f("ck_tasks_status")
        ),
        sa.CheckConstraint(
            "status in ('open', 'void') or labeler_id is not null", name=op.f("ck_tasks_labeler")
        ),
        sa.ForeignKeyConstraint(
            ["labeler_id"], ["users.id"], name=op.f("fk_tasks_labeler_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_tasks_project_id_projects")
        ),
        sa.ForeignKeyConstraint(["slate_id"], ["slates.id"], name=op.f("fk_tasks_slate_id_slates")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("slate_id", "labeler_id", name=op.f("uq_tasks_slate_id_labeler_id")),
    )
    op.create_index(
        "ix_tasks_labeler_id_status", "tasks", ["labeler_id", "project_id", "status"], unique=False
    )
    op.create_index(
        "ix_tasks_leased",
        "tasks",
        ["lease_expires_at"],
        unique=False,
        postgresql_where="status = 'leased'",
    )
    op.create_index(
        "ix_tasks_open",
        "tasks",
        ["project_id", "id"],
        unique=False,
        postgresql_where="status = 'open'",
    )
    op.create_index(
        "uq_tasks_slate_id_place",
        "tasks",
        ["slate_id", "place"],
        unique=True,
        postgresql_where="status not in ('skipped', 'void')",
    )
    op.create_table(
        "rankings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("slate_id", sa.BigInteger(), nullable=False),
        sa.Column("labeler_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("request_key", sa.Uuid(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("guideline_version_id", sa.BigInteger(), nullable=False),
        sa.Column("display_order", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("active_ms", sa.Integer(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["guideline_version_id"],
            ["guideline_versions.id"],
            name=op.f("fk_rankings_guideline_version_id_guideline_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["labeler_id"], ["users.id"], name=op.f("fk_rankings_labeler_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["slate_id"], ["slates.id"], name=op.f("fk_rankings_slate_id_slates")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_rankings_task_id_tasks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rankings")),
        sa.UniqueConstraint(
            "labeler_id", "request_key", name=op.f("uq_rankings_labeler_id_request_key")
        ),
        sa.UniqueConstraint("task_id", "version", name=op.f("uq_rankings_task_id_version")),
    )
    op.create_index(
        "uq_rankings_slate_id_labeler_id_current",
        "rankings",
        ["slate_id", "labeler_id"],
        unique=True,
        postgresql_where="is_current",
    )
    op.create_index(
        "uq_rankings_task_id_current",
        "rankings",
        ["task_id"],
        unique=True,
        postgresql_where="is_current",
    )
    op.create_table(
        "ranking_items",
        sa.Column("ranking_id", sa.BigInteger(), nullable=False),
        sa.Column("response_id", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=True),
        sa.Column("rating", sa.SmallInteger(), nullable=True),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("rank between 1 and 9", name=op.f("ck_ranking_items_rank")),
        sa.CheckConstraint("rating between 1 and 7", name=op.f("ck_ranking_items_rating")),
        sa.ForeignKeyConstraint(
            ["ranking_id"], ["rankings.id"], name=op.f("fk_ranking_items_ranking_id_rankings")
        ),
        sa.ForeignKeyConstraint(
            ["response_id"], ["responses.id"], name=op.f("fk_ranking_items_response_id_responses")
        ),
        sa.PrimaryKeyConstraint("ranking_id", "response_id", name=op.f("pk_ranking_items")),
    )
    op.create_foreign_key("fk_models_run_id_runs", "models", "runs", ["run_id"], ["id"])
    op.execute(COMPARISONS)
    install_procrastinate()


def install_procrastinate() -> None:
    """procrastinate 3.10's schema, frozen beside this file: the package's own moves with its version."""
    op.execute("create schema jobs")
    op.execute("set local search_path = jobs")
    # The raw cursor takes several statements at once and leaves `%` alone.
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(PROCRASTINATE.read_text())
    op.execute("set local search_path = public")


def downgrade() -> None:
    op.execute("drop schema jobs cascade")
    op.execute("drop view comparisons")
    op.drop_constraint("fk_models_run_id_runs", "models")
    op.drop_table("ranking_items")
    op.drop_index(
        "uq_rankings_task_id_current", table_name="rankings", postgresql_where="is_current"
    )
    op.drop_index(
        "uq_rankings_slate_id_labeler_id_current",
        table_name="rankings",
        postgresql_where="is_current",
    )
    op.drop_table("rankings")
    op.drop_index(
        "uq_tasks_slate_id_place",
        table_name="tasks",
        postgresql_where="status not in ('skipped', 'void')",
    )
    op.drop_index("ix_tasks_open", table_name="tasks", postgresql_where="status = 'open'")
    op.drop_index("ix_tasks_leased", table_name="tasks", postgresql_where="status = 'leased'")
    op.drop_index("ix_tasks_labeler_id_status", table_name="tasks")
    op.drop_table("tasks")
    op.drop_table("run_metrics")
    op.drop_index(op.f("ix_responses_model_id"), table_name="responses")
    op.drop_table("responses")
    op.drop_index(op.f("ix_slates_prompt_id"), table_name="slates")
    op.drop_table("slates")
    op.drop_index("ix_runs_project_id_id", table_name="runs")
    op.drop_table("runs")
    op.drop_table("round_models")
    op.drop_index(op.f("ix_sessions_user_id"), table_name="sessions")
    op.drop_table("sessions")
    op.drop_table("rounds")
    op.drop_table("prompts")
    op.drop_index(op.f("ix_project_members_user_id"), table_name="project_members")
    op.drop_table("project_members")
    op.drop_table("pretraining_texts")
    op.drop_table("guideline_versions")
    op.drop_table("flags")
    op.drop_table("demonstrations")
    op.drop_index(op.f("ix_datasets_project_id"), table_name="datasets")
    op.drop_table("datasets")
    op.drop_index(op.f("ix_api_tokens_user_id"), table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("users")
    op.drop_table("projects")
    op.drop_table("models")
    op.drop_index("ix_login_attempts_key_at", table_name="login_attempts")
    op.drop_table("login_attempts")
