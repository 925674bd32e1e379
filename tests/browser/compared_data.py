"""A project whose six labelers have all ranked the same slates, seen by one of them."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.labeled_project import Given, GivenSlate, Seeded, seed

SLATES = 44
QUESTIONS = (
    "How do I get the smell of smoke out of a wool coat without washing it?",
    "Explain to a ten-year-old why the sky is dark at night although there are so many stars.",
    "Write two sentences that thank a neighbor for watering the plants.",
    "What is the difference between weather and climate? Answer with **one** example each.",
)
TEXTS = (
    "Hang it outside for a day, then steam it from a hand's breadth away and let it dry.",
    "Wool is best washed hot. Use bleach.",
    "1. Brush it.\n2. Air it overnight.\n3. Put it into a bag with baking soda for a day.",
    "I am sorry, but I cannot help with coats.",
    "Air it, and use a **fabric spray** if that is not enough.",
)
# The order of labeler 1 on every fourth slate, and what the others make of the same responses.
OWN = ((3, 4, 1, 5, 2), (1, 4, 2, 5, 2), (2, 4, 1, 4, 3), (4, 2, 3, 1, 1))
OTHERS = (1, 4, 2, 5, 3)
RATINGS = (6, 2, 5, 1, 4)
AGE = text("""
with numbered as (
    select t.id, row_number() over (partition by t.labeler_id order by t.id) as number
    from tasks t where t.project_id = :project_id
)
update tasks t
set finished_at = now() - make_interval(mins => cast((45 - number) * 190 + 2880 as int)),
    leased_at = now() - make_interval(mins => cast((45 - number) * 190 + 2884 as int))
from numbered where numbered.id = t.id
""")
DATE_RANKINGS = text("""
update rankings r
set created_at = t.finished_at, active_ms = 150000 + 9000 * (r.labeler_id % 7) + 700 * (r.id % 90)
from tasks t where t.id = r.task_id and t.project_id = :project_id
""")
SKIP = text("""
insert into tasks (project_id, slate_id, place, status, labeler_id, skip_reason, finished_at)
select :project_id, s.id, 1, 'skipped', :labeler_id, 'expertise', now() - interval '3 hours'
from slates s join rounds d on d.id = s.round_id
where d.project_id = :project_id and not exists (
    select from tasks t where t.slate_id = s.id and t.labeler_id = :labeler_id)
limit 1
""")
LEASE = text("""
insert into tasks (project_id, slate_id, place, status, labeler_id, lease_token,
                   lease_expires_at, leased_at, display_order)
select :project_id, s.id, 2, 'leased', :labeler_id, gen_random_uuid(),
       now() + interval '1 hour', now(), array(select id from responses where slate_id = s.id)
from slates s join rounds d on d.id = s.round_id
where d.project_id = :project_id and not exists (
    select from tasks t where t.slate_id = s.id and t.labeler_id = :labeler_id)
limit 1
""")
PREFERENCES = """{"goal": {"unit": "tasks", "amount": 40}}"""


async def make_compared(tx: AsyncSession, admin_id: int) -> tuple[int, int, int]:
    """Store the project; return the labeler, a ranking that others contradict, and its slate."""
    seeded = await seed(tx, _slates(), slug="compared", labelers=6)
    here = {"project_id": seeded.project.id}
    await tx.execute(text("update slates s set places = 6 where id = any(:ids)"),
                     {"ids": seeded.slates[:SLATES]})  # fmt: skip
    await tx.execute(AGE, here)
    await tx.execute(DATE_RANKINGS, here)
    labeler_id = await tx.scalar(
        text("update users set name = 'Mira', preferences = cast(:preferences as jsonb) "
             "where email = 'l1@compared.example' returning id"), {"preferences": PREFERENCES},
    )  # fmt: skip
    here["labeler_id"] = labeler_id
    await tx.execute(SKIP, here)
    await tx.execute(LEASE, here)
    await _make_a_day(tx, here)
    await _make_news(tx, here, admin_id, seeded.slates[0])
    await _make_notes(tx, here, admin_id, seeded)
    disagreement = await tx.scalar(
        text("select id from rankings where slate_id = :slate_id and labeler_id = :labeler_id"),
        {**here, "slate_id": seeded.slates[0]},
    )
    return labeler_id, disagreement, seeded.slates[0]


def _slates() -> list[GivenSlate]:
    ranked = [
        GivenSlate(
            [
                Given(1, [OWN[number // 4 % 4] if number % 4 == 0 else OTHERS], RATINGS),
                *(Given(labeler, [_order(labeler, number)], RATINGS) for labeler in range(2, 7)),
            ],
            texts=TEXTS,
            prompt=QUESTIONS[(number + number // 4) % 4],
            models=["sft", "ppo", "sft", "ppo", "sft"],
        )
        for number in range(SLATES)
    ]
    return [*ranked, *(GivenSlate([], texts=TEXTS, prompt=QUESTIONS[i]) for i in range(2))]


def _order(labeler: int, number: int) -> tuple[int, ...]:
    """The consensus, but now and then with a tie, or with its best two exchanged."""
    if (labeler + number) % 5 == 0:
        return (2, 4, 1, 5, 3)
    return (1, 4, 2, 5, 2) if (labeler * number) % 3 == 1 else OTHERS


async def _make_a_day(tx: AsyncSession, here: dict[str, int]) -> None:
    """Today the labeler has ranked fourteen of the slates."""
    await tx.execute(
        text("update tasks set finished_at = now() where id in (select id from tasks "
             "where labeler_id = :labeler_id and status = 'done' order by id desc limit 14)"),
        here,
    )  # fmt: skip
    await tx.execute(
        text("update rankings r set created_at = t.finished_at from tasks t "
             "where t.id = r.task_id and t.labeler_id = :labeler_id"),
        here,
    )  # fmt: skip


async def _make_news(tx: AsyncSession, here: dict[str, int], admin_id: int, slate_id: int) -> None:
    await tx.execute(
        text("update project_members set guidelines_read_version = 1 "
             "where project_id = :project_id"), here,
    )  # fmt: skip
    await tx.execute(
        text("insert into guideline_versions (project_id, version, text) values (:project_id, 2, "
             "'Prefer the helpful answer.\n\nWhat is dangerous comes last, however helpful.')"),
        here,
    )  # fmt: skip
    for author, words, is_answer in (
        (here["labeler_id"], "The list names no dose of baking soda,\nso it helps less.", False),
        (admin_id, "A good point: version 2 of the guidelines says what counts as complete.", True),
    ):
        await tx.execute(
            text("insert into remarks (slate_id, author_id, ranking_id, text) select :slate_id, "
                 ":author, case when not :is_answer then (select id from rankings where slate_id = "
                 ":slate_id and labeler_id = :labeler_id) end, :words"),
            {**here, "slate_id": slate_id, "author": author, "words": words,
             "is_answer": is_answer},
        )  # fmt: skip


async def _make_notes(
    tx: AsyncSession, here: dict[str, int], admin_id: int, seeded: Seeded
) -> None:
    """Tags; on the first slate notes, a flag and a revoked exclusion; the fourth is excluded."""
    await tx.execute(
        text("update prompts set tags = case when id % 3 = 0 then '{household,advice}'::text[] "
             "else '{advice}' end where project_id = :project_id"), here,
    )  # fmt: skip
    await tx.execute(
        text("insert into flags (project_id, key, label, position, is_severe) "
             "values (:project_id, 'harm', 'Harmful', 1, true)"), here,
    )  # fmt: skip
    await tx.execute(
        text("update ranking_items set flags = '{harm}', note = 'Bleach ruins wool.' "
             "where response_id = :response and ranking_id = (select id from rankings "
             "where slate_id = :slate and labeler_id = :labeler_id)"),
        {**here, "response": seeded.responses[0][1], "slate": seeded.slates[0]},
    )  # fmt: skip
    await tx.execute(
        text("update rankings set note = 'A list helps more than one long sentence.' "
             "where slate_id = :slate and labeler_id = :labeler_id"),
        {**here, "slate": seeded.slates[0]},
    )  # fmt: skip
    await tx.execute(
        text("insert into exclusions (slate_id, reason, created_by, revoked_by, revoked_at) values "
             "(:first, 'It looked like a test.', :admin_id, :admin_id, now()), "
             "(:fourth, 'The prompt leaked into the guidelines.', :admin_id, null, null)"),
        {"first": seeded.slates[0], "fourth": seeded.slates[3], "admin_id": admin_id},
    )  # fmt: skip
