"""who labels what, kept with each round: changed settings are for the rounds that follow"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SHARES = ("overlap_share", "gold_share", "anchor_share", "repeat_share")
# What the program takes where the project's settings name none.
DEFAULTS = {"gold_share": 0.04, "anchor_share": 0.02, "repeat_share": 0.02}
FILL = "update rounds set {values} from projects where projects.id = rounds.project_id"


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.add_column("rounds", sa.Column("labels_per_slate", sa.SmallInteger()))
    for name in SHARES:
        op.add_column("rounds", sa.Column(name, sa.Double()))
    of_screen = [
        f"{name} = coalesce(cast(projects.screen ->> '{name}' as float8), {share})"
        for name, share in DEFAULTS.items()
    ]
    of_project = [f"{name} = projects.{name}" for name in ("labels_per_slate", "overlap_share")]
    op.execute(FILL.format(values=", ".join([*of_project, *of_screen])))
    for name in ("labels_per_slate", *SHARES):
        op.alter_column("rounds", name, nullable=False)
    op.create_check_constraint("labels_per_slate", "rounds", "labels_per_slate between 1 and 9")
    for name in SHARES:
        op.create_check_constraint(name, "rounds", f"{name} between 0 and 1")


def downgrade() -> None:
    for name in ("labels_per_slate", *SHARES):
        op.drop_column("rounds", name)
