"""the cohort of labelers who are no members any more"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Who was moved to a cohort and then left is still of it: every move is recorded.
LABELER_COHORTS = """
create view labeler_cohorts as
select project_id, user_id, cohort from project_members
union all
select * from (
    select distinct on (project_id, user_id) project_id, user_id, cohort
    from cohort_changes moved
    where not exists (
        select from project_members member
        where member.project_id = moved.project_id and member.user_id = moved.user_id)
    order by project_id, user_id, id desc
) former
"""

# Held out comes first: so a ranking is left out for one reason only.
LEFT_OUT = """
create or replace view left_out_rankings as
select ranking.id as ranking_id, task.project_id, ranking.labeler_id,
       case when {labeler}.cohort = 'heldout' then 'heldout' else 'quarantined' end as reason,
       quarantine.id as quarantine_id
from rankings ranking
join tasks task on task.id = ranking.task_id
left join {table} {labeler}
       on {labeler}.project_id = task.project_id and {labeler}.user_id = ranking.labeler_id
left join quarantines quarantine
       on quarantine.project_id = task.project_id and quarantine.user_id = ranking.labeler_id
      and quarantine.revoked_at is null
      and (quarantine.since is null or ranking.created_at >= quarantine.since)
where {labeler}.cohort = 'heldout' or quarantine.id is not null
"""


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.execute(LABELER_COHORTS)
    op.execute(LEFT_OUT.format(table="labeler_cohorts", labeler="labeler"))


def downgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.execute(LEFT_OUT.format(table="project_members", labeler="member"))
    op.execute("drop view labeler_cohorts")
