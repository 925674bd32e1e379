"""The plain form and the scripts of the screen keep the same work."""

import pytest

from app.labeling.plain_draft import values_from_work, work_from_values

TYPED = {
    "lease_token": ["t"],
    "rank-7": ["2"],
    "rank-8": ["1"],
    "rank-9": ["2"],
    "rating-7": ["6"],
    "flags-7": ["hallucination"],
    "answer-8-opinion": ["yes"],
    "answer-8-refusal": ["no"],
    "note-9": ["As I said."],
    "cannot_judge-9": [""],
    "note": ["All of it."],
    "flags": ["task_flag"],
    "cannot_rank": [""],
}


def test_what_was_typed_becomes_the_work_that_the_scripts_keep():
    work = work_from_values(TYPED, [7, 8, 9])

    assert work["board"] == {"rows": [[8], [7, 9], []], "last": None}
    assert work["items"]["7"] == {
        "rating": 6, "flags": ["hallucination"], "notFlagged": [], "note": "", "cannotJudge": None,
    }  # fmt: skip
    assert (work["items"]["8"]["flags"], work["items"]["8"]["notFlagged"]) == (
        ["opinion"], ["refusal"],
    )  # fmt: skip
    assert (work["note"], work["flags"], work["cannotRank"]) == ("All of it.", ["task_flag"], None)


def test_kept_work_is_typed_again_as_it_was():
    values = values_from_work(work_from_values(TYPED, [7, 8, 9]))

    for name, value in TYPED.items():
        if name not in ("lease_token", "cannot_judge-9"):
            assert values[name] == value, name


@pytest.mark.parametrize("rank", ["", "0", "4", "-1", "x", "1.5", "²"])
def test_a_rank_that_is_none_stays_out(rank):
    assert work_from_values({"rank-7": [rank]}, [7, 8, 9])["board"]["rows"] == [[], [], []]


@pytest.mark.parametrize("work", [None, 3, [], {}, {"note": 1}, {"board": {"rows": 3}}])
def test_damaged_work_types_nothing(work):
    assert values_from_work(work) == {}
