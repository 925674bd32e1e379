"""Which tasks are checks: the share holds from the start, and nobody can count it out."""

import uuid

import pytest

from app.labeling.checks import due_checks

SEEDS = [uuid.UUID(int=number) for number in range(20)]


def split(**shares):
    return {"gold": 0.0, "anchor": 0.0, "repeat": 0.0, **shares}


def golds(seed, tasks, share):
    with_gold = split(gold=share)
    return [n for n in range(1, tasks + 1) if due_checks(with_gold, seed=seed, ordinal=n)]


@pytest.mark.parametrize("share", [0.02, 0.04, 1 / 3, 0.5, 0.9])
def test_after_any_number_of_tasks_the_share_is_off_by_one_check_at_most(share):
    for seed in SEEDS:
        due = golds(seed, 400, share)
        for tasks in (10, 57, 200, 400):
            # Two thirds of one can fall on one task only when nearly all tasks are checks.
            allowed = 1 if share <= 0.5 else tasks * share
            assert abs(sum(n <= tasks for n in due) - tasks * share) <= allowed + 1


def test_they_neither_come_in_a_rhythm_nor_at_the_same_time_for_all():
    gaps = {
        later - earlier
        for seed in SEEDS
        for earlier, later in zip(*[iter(golds(seed, 1000, 0.04))] * 2, strict=False)
    }
    assert len(gaps) > 15
    assert max(gaps) < 2 / 0.04
    assert len({tuple(golds(seed, 100, 0.04)) for seed in SEEDS}) == len(SEEDS)


def test_each_kind_goes_by_its_own_share():
    all_kinds = split(gold=0.5, anchor=0.25)
    due = [
        purpose
        for n in range(1, 401)
        for purpose in due_checks(all_kinds, seed=SEEDS[0], ordinal=n)
    ]

    assert due.count("anchor") == pytest.approx(100, abs=1)
    assert 150 < due.count("gold") <= 201
    assert "repeat" not in due


def test_a_share_of_one_is_every_task_and_of_none_is_none():
    assert golds(SEEDS[0], 50, 1.0) == list(range(1, 51))
    assert golds(SEEDS[0], 50, 0.0) == []
