"""Labels read from the database bit by bit are those read at once, whatever happened meanwhile."""

import json
import random
from dataclasses import fields

import numpy as np
import pytest
from sqlalchemy import text

from app.accounts.viewer import Viewer
from app.agreement import cache, loading
from app.agreement.cache import labels_of
from app.agreement.dashboard.queries import project_dashboard
from app.agreement.loading import loaded_since, nothing_loaded
from app.agreement.metrics.measures import measure
from app.agreement.schemas import agreement_out
from app.db import create_engine, transaction
from app.projects.queries import project_for
from tests.labeled_project import Given, GivenSlate, revise_ranking, seed

AGE = text("update rankings set created_at = created_at - interval '1 hour'")
SUBMIT = text("""
with task as (
    insert into tasks (project_id, slate_id, place, status, labeler_id)
    select d.project_id, s.id, cast(right(:labeler, 1) as smallint), 'done', m.user_id
    from slates s join rounds d on d.id = s.round_id
    join project_members m on m.project_id = d.project_id and m.pseudonym = :labeler
    where s.id = :slate_id returning *
), ranking as (
    insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key,
                          request_hash, guideline_version_id, display_order, active_ms, flags)
    select task.id, task.slate_id, task.labeler_id, 1, true, gen_random_uuid(), '', g.id,
           array(select id from responses where slate_id = :slate_id order by id desc), 9000,
           cast(:task_flags as text[])
    from task join guideline_versions g on g.project_id = task.project_id returning id
)
insert into ranking_items (ranking_id, response_id, rank, rating, flags)
select ranking.id, r.id, given.rank, given.rating, cast(:flags as text[])
from ranking, unnest(cast(:ranks as smallint[]), cast(:ratings as smallint[])) with ordinality
     as given (rank, rating, place)
join responses r on r.slate_id = :slate_id and r.position = given.place - 1
returning ranking_id
""")


def assert_same(left, right):
    for field in fields(left):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if field.name == "slates":
            assert_same(one, other)
        elif isinstance(one, np.ndarray):
            assert one.shape == other.shape, field.name
            assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), field.name
        else:
            assert one == other, field.name


async def at_once(tx, project):
    return (await loaded_since(tx, project.id, nothing_loaded())).labels


@pytest.fixture
async def seeded(engine):
    """A project with forty slates of which none is ranked."""
    slates = [
        GivenSlate([], models=("ppo", "sft", "ppo", None), round=1 + i % 2, tags=["x"] * (i % 2))
        for i in range(40)
    ]
    async with transaction(engine) as tx:
        made = await seed(tx, slates)
        for key, scope in (("wrong", "response"), ("rude", "response"), ("trap", "task")):
            await tx.execute(
                text("insert into flags (project_id, key, label, position, scope)"
                     " values (:project_id, :key, :key, 1, :scope)"),
                {"project_id": made.project.id, "key": key, "scope": scope},
            )  # fmt: skip
    return made


async def submit(
    tx, slate_id, labeler, ranks=(1, 2, 3, 4), ratings=(7, 5, 3, 1), flags=(), task_flags=()
):
    return await tx.scalar(
        SUBMIT,
        {
            "slate_id": slate_id,
            "labeler": f"L-0{labeler}",
            "ranks": list(ranks),
            "ratings": list(ratings),
            "flags": list(flags),
            "task_flags": list(task_flags),
        },
    )


async def test_what_is_read_bit_by_bit_is_what_is_read_at_once(engine, seeded, monkeypatch):
    monkeypatch.setattr(loading, "ROWS_AT_ONCE", 7)
    chosen = random.Random(4)
    places = [(slate, labeler) for slate in seeded.slates for labeler in (1, 2, 3)]
    chosen.shuffle(places)
    kept = nothing_loaded()
    for step in range(8):
        async with transaction(engine) as tx:
            for slate, labeler in places[12 * step : 12 * step + 12]:
                ranks = [chosen.choice((None, 1, 2, 3)) for _ in range(4)]
                ratings = [chosen.choice((None, 1, 4, 7)) for _ in range(4)]
                flags = chosen.sample(("wrong", "rude"), chosen.randint(0, 2))
                trap = ["trap"] * chosen.randint(0, 1)
                await submit(tx, slate, labeler, ranks, ratings, flags, trap)
            for slate, _ in chosen.sample(places[: 12 * step + 12], 3):
                # K changes: what could not be judged now can, and the other way round.
                await revise_ranking(tx, slate, [chosen.choice((None, 1, 2)) for _ in range(4)])
            if step % 2:
                await tx.execute(AGE)
        async with transaction(engine) as tx:
            kept = await loaded_since(tx, seeded.project.id, kept)

    async with transaction(engine) as tx:
        anew = await at_once(tx, seeded.project)

    assert len(kept.labels) == 96
    # Times moved under the feet of the one that was read bit by bit; numbers do not depend on them.
    assert sorted(kept.labels.ranking_id) == sorted(anew.ranking_id)
    order, other = np.argsort(kept.labels.ranking_id), np.argsort(anew.ranking_id)
    for name in ("slate", "labeler", "ranks", "ratings", "positions", "first_id", "active_ms"):
        one, two = getattr(kept.labels, name)[order], getattr(anew, name)[other]
        assert np.array_equal(one, two, equal_nan=name == "active_ms"), name
    for name in ("flags", "task_flags"):
        sets = [
            part.flag_sets[getattr(part, name)[rows]]
            for part, rows in ((kept.labels, order), (anew, other))
        ]
        assert np.array_equal(*sets), name
    assert kept.labels.version == anew.version


async def test_all_labels_are_read_however_many_there_are(engine, seeded, monkeypatch):
    monkeypatch.setattr(loading, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(loading, "PARTS_AT_ONCE", 3)
    counts = []
    async with transaction(engine) as tx:
        for slate in seeded.slates[:9]:
            await submit(tx, slate, 1)
            counts.append(len(await at_once(tx, seeded.project)))

    assert counts == [1, 2, 3, 4, 5, 6, 7, 8, 9]


async def test_the_numbers_of_both_are_the_same(engine, seeded, monkeypatch):
    chosen = random.Random(5)
    project = seeded.project
    admin = Viewer(id=0, email="", name="", role="admin")

    async def numbers():
        async with transaction(engine) as tx:
            project = await project_for(tx, admin, "seeded")
            found = await project_dashboard(tx, project, baseline=None)
        answer = agreement_out(found).model_dump(mode="json")
        return json.dumps({**answer, "bootstrap": None}, allow_nan=False)

    for labeler in (1, 2, 3):
        async with transaction(engine) as tx:
            for slate in seeded.slates:
                ranks = [chosen.randint(1, 4) for _ in range(4)]
                await submit(tx, slate, labeler, ranks, task_flags=["trap"] * chosen.randint(0, 1))
            await revise_ranking(tx, chosen.choice(seeded.slates), (2, None, 1, 1))
        bit_by_bit = await numbers()
    async with transaction(engine) as tx:
        await tx.execute(text("delete from project_members where pseudonym = 'L-02'"))
    with_a_former_member = await numbers()

    cache._kept.clear()

    assert with_a_former_member == await numbers()
    assert with_a_former_member != bit_by_bit
    assert '"former-' in with_a_former_member
    assert '"L-02"' not in with_a_former_member
    async with transaction(engine) as tx:
        found = measure(await at_once(tx, project), sft={"sft"}, baseline=None)
    trap = json.loads(bit_by_bit)["dashboard"]["flags"][-1]
    assert (trap["key"], trap["ac1"]["units"]) == ("trap", 40)
    assert json.loads(bit_by_bit)["strict"]["value"] == found.headline["strict"].micro.value


async def test_everything_of_a_label_is_read(engine, seeded):
    slate, responses = seeded.slates[1], seeded.responses[1]
    async with transaction(engine) as tx:
        ranking = await submit(tx, slate, 2, (2, None, 1, 2), (3, None, 7, 4), ["rude"], ["trap"])
        labels = await at_once(tx, seeded.project)

    slates = labels.slates
    assert labels.ranking_id.tolist() == labels.first_id.tolist() == [ranking]
    assert labels.ranks.tolist() == [[2, 0, 1, 2]]
    assert labels.ratings.tolist() == [[3, 0, 7, 4]]
    assert labels.positions.tolist() == [[4, 3, 2, 1]]
    assert labels.flag_sets[labels.flags].tolist() == [[2, 2, 2, 2]]
    assert labels.flag_sets[labels.task_flags].tolist() == [4]
    assert labels.active_ms.tolist() == [9000]
    assert (slates.ids.tolist(), slates.responses.tolist()) == ([slate], [responses])
    assert (slates.model_names, slates.models.tolist()) == (("ppo", "sft"), [[1, 2, 1, 0]])
    assert (slates.lengths.tolist(), slates.rounds.tolist()) == ([[1, 1, 1, 1]], [2])
    assert (slates.tag_names, slates.tags.tolist()) == (("x",), [[0, 0]])


async def test_a_ranking_that_commits_after_a_later_one_is_not_missed(engine, seeded):
    project, kept = seeded.project, nothing_loaded()
    async with transaction(engine) as slow:
        early = await submit(slow, seeded.slates[0], 1)
        async with transaction(engine) as tx:
            late = await submit(tx, seeded.slates[0], 2)
        async with transaction(engine) as tx:
            kept = await loaded_since(tx, project.id, kept)
        assert (early < late, kept.labels.ranking_id.tolist()) == (True, [late])

    async with transaction(engine) as tx:
        kept = await loaded_since(tx, project.id, kept)
        assert sorted(kept.labels.ranking_id.tolist()) == [early, late]
        assert_same(kept.labels, await at_once(tx, project))


async def test_what_is_settled_is_not_read_again(engine, seeded, monkeypatch):
    async with transaction(engine) as tx:
        await submit(tx, seeded.slates[0], 1)
        await tx.execute(AGE)
    async with transaction(engine) as tx:
        kept = await loaded_since(tx, seeded.project.id, nothing_loaded())
    monkeypatch.setattr(loading, "_columns", None)

    async with transaction(engine) as tx:
        again = await loaded_since(tx, seeded.project.id, kept)

    assert again.labels is kept.labels
    assert again.settled == kept.labels.ranking_id.max()


@pytest.mark.parametrize(
    "change",
    [
        "delete from flags where key = 'wrong'",
        "delete from ranking_items where ranking_id = (select max(id) from rankings)",
    ],
)
async def test_what_does_not_come_with_new_rankings_is_read_anew(engine, seeded, change):
    async with transaction(engine) as tx:
        for labeler in (1, 2):
            await submit(tx, seeded.slates[0], labeler, flags=["rude"])
        kept = await loaded_since(tx, seeded.project.id, nothing_loaded())
        await tx.execute(text(change))
        if "items" in change:  # as after restoring an older backup
            await tx.execute(text("delete from rankings where id = (select max(id) from rankings)"))

        kept = await loaded_since(tx, seeded.project.id, kept)

        assert_same(kept.labels, await at_once(tx, seeded.project))


async def test_labels_of_other_projects_are_none_of_ours(engine, seeded):
    async with transaction(engine) as tx:
        other = await seed(tx, [GivenSlate([Given(1, [(1, 2, 3, 4)])])], slug="other")
        await submit(tx, seeded.slates[0], 1)

    async with transaction(engine) as tx:
        ours, theirs = [
            (await labels_of(tx, project.id)).labels for project in (seeded.project, other.project)
        ]

    assert (ours.slates.ids.tolist(), theirs.slates.ids.tolist()) == (
        [seeded.slates[0]],
        other.slates,
    )


async def test_a_process_keeps_a_bounded_number_of_labels(database_url, seeded, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 1)
    engine = create_engine(database_url)
    async with transaction(engine) as tx:
        other = await seed(tx, [GivenSlate([Given(1, [(1, 2, 3, 4)])])], slug="other")
        await submit(tx, seeded.slates[0], 1)
        for project in (seeded.project, other.project):
            await labels_of(tx, project.id)

    assert list(cache._kept[engine.sync_engine]) == [other.project.id]
    await engine.dispose()
