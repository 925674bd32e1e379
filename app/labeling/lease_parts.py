"""What all statements that lease a task are made of."""

# What stands in the labeler's way to a task: they had their turn at its slate.
NEW_TO_THEM = """not exists (
    select from tasks mine where mine.slate_id = t.slate_id and mine.labeler_id = :labeler_id)"""
LEASED = """
    status = 'leased', labeler_id = :labeler_id, lease_token = gen_random_uuid(),
    lease_expires_at = now() + make_interval(mins => :lease_minutes),
    leased_at = clock_timestamp(),
    display_order = ({display_order})"""
