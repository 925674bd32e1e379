"""The graph of what was made from what, and how it is told and drawn."""

from datetime import UTC, datetime, timedelta

from app.training.lineage import lineage_of_rows
from app.training.lineage_picture import clipped, path_of, picture_of
from app.training.lineage_queries import (
    LineageDataset,
    LineageModel,
    LineageRound,
    LineageRows,
    LineageRun,
)
from app.training.lineage_table import lineage_csv, rows_of
from app.training.lineage_words import captions_of, details_of
from app.web.translation import speak, speak_as_before

START = datetime(2026, 11, 1, tzinfo=UTC)
SFT, RM, PPO = 1, 2, 3


def day(number):
    return START + timedelta(days=number)


def a_model(id_, name, kind, **changes):
    given = {"parent_id": None, "run_id": None, "run_kind": None, "run_project": None,
             "base_model_id": None, "reward_model_id": None, "dataset_id": None,
             "accuracy": None, **changes}  # fmt: skip
    return LineageModel(id_, name, kind, day(0), **given)


def a_round(number, *model_ids, first_at, **changes):
    given = {"source": "sampled", "responses_per_prompt": 6, "sampling": {"temperature": 1.0},
             "created_at": day(0), "closed_at": None, "unregistered": [], "slates": 10,
             "rankings": 1203, "labelers": ["L-01"], "guidelines": [4, 5], **changes}  # fmt: skip
    return LineageRound(number, model_ids=list(model_ids), first_at=first_at, **given)


def a_dataset(id_, rounds, *, at):
    return LineageDataset(id_, f"{id_:064x}", 8, 1203, 14870, at, rounds)


def a_loop(**changes):
    """Round 1 of sft, dataset 1, rm and ppo made from it, round 2 of ppo and sft, dataset 2."""
    rows = {
        "rounds": [a_round(1, SFT, first_at=day(1)), a_round(2, SFT, PPO, first_at=day(5))],
        "runs": [],
        "models": [
            a_model(SFT, "sft", "sft"),
            a_model(RM, "rm", "reward", run_id=1, run_kind="reward", base_model_id=SFT,
                    parent_id=SFT, dataset_id=1),
            a_model(PPO, "ppo", "policy", run_id=2, run_kind="ppo", base_model_id=SFT,
                    reward_model_id=RM, dataset_id=1),
        ],
        "datasets": [a_dataset(1, [1], at=day(2)), a_dataset(2, [1, 2], at=day(6))],
        "rounds_left_out": 0,
        "runs_left_out": 0,
    }  # fmt: skip
    return lineage_of_rows(LineageRows(**{**rows, **changes}))


def test_each_node_comes_after_those_it_was_made_from():
    keys = [node.key for node in a_loop().nodes]

    assert keys == ["model-1", "round-1", "dataset-1", "model-2", "model-3", "round-2", "dataset-2"]


def test_all_that_depends_on_a_node_is_known():
    assert a_loop().depending["model-2"] == ["model-3", "round-2", "dataset-2"]


def test_an_earlier_round_is_not_drawn_to_a_dataset_that_it_reaches_by_a_later_one():
    lineage = a_loop()

    assert lineage.by_key["dataset-2"].made_from == ("round-1", "round-2")
    assert ("round-1", "dataset-2") not in lineage.drawn_edges
    assert {("round-1", "dataset-1"), ("round-2", "dataset-2")} <= set(lineage.drawn_edges)


def test_two_datasets_of_one_round_are_both_drawn_to_it():
    lineage = a_loop(datasets=[a_dataset(1, [1], at=day(2)), a_dataset(2, [1], at=day(3))])

    assert {("round-1", "dataset-1"), ("round-1", "dataset-2")} <= set(lineage.drawn_edges)


def test_a_round_that_was_ranked_after_a_dataset_is_not_in_it():
    lineage = a_loop(datasets=[a_dataset(2, [1, 2], at=day(3))])

    assert lineage.by_key["dataset-2"].made_from == ("round-1",)


def test_what_was_left_out_of_the_rows_is_nobodys_parent():
    lineage = a_loop(datasets=[])

    assert lineage.by_key["model-2"].made_from == ("model-1",)


def test_a_run_that_goes_on_is_a_node_and_one_that_made_a_model_is_not():
    runs = [
        LineageRun(7, "reward", "running", 0.4, SFT, None, 2, None),
        LineageRun(1, "reward", "succeeded", 1.0, SFT, None, 1, RM),
    ]

    lineage = a_loop(runs=runs)

    assert "run-1" not in lineage.by_key
    assert lineage.by_key["run-7"].made_from == ("model-1", "dataset-2")
    assert details_of(lineage.by_key["run-7"]) == ("reward model", "running, 40%")


def test_nodes_tell_the_most_important_first():
    by_key = a_loop().by_key

    assert captions_of(by_key["round-1"]) == ("K = 6, T = 1", "1,203 rankings, 1 labeler")
    assert details_of(by_key["round-1"])[2] == "guidelines version 4, 5"
    assert captions_of(by_key["dataset-1"])[0] == "1,203 rankings, 14,870 comparisons"
    assert details_of(by_key["dataset-2"])[2] == "rounds 1–2"
    assert captions_of(by_key["model-2"]) == ("reward model", "run 1 (reward model)")


def test_the_accuracy_of_a_reward_model_is_told_and_one_of_a_later_version_is_not():
    share = {"value": 0.689, "count": 84, "prompts": 24}
    known, unknown = (
        a_loop(models=[a_model(RM, "rm", "reward", accuracy=accuracy)]).by_key["model-2"]
        for accuracy in (share, {"share": 0.689})
    )

    assert captions_of(known) == ("reward model", "accuracy 68.9%, registered")
    assert captions_of(unknown) == ("reward model", "registered")


def test_the_accuracy_of_a_trained_model_fits_its_box_in_german():
    made = {"run_id": 12_345, "run_kind": "reward", "run_project": "loops"}
    share = {"value": 0.689, "count": 84, "prompts": 24}
    model = a_model(RM, "rm", "reward", accuracy=share, **made)
    before = speak("de")

    box = {box.key: box for box in picture_of(a_loop(models=[model]), "/projects/loops").boxes}
    speak_as_before(before)

    told = ["Belohnungsmodell", "Treffsicherheit 68,9\u00a0%, Lauf 12345"]
    assert box["model-2"].captions == told


def test_a_round_that_nobody_ranked_says_so():
    rounds = [a_round(1, first_at=None, rankings=0, source="imported")]

    assert details_of(a_loop(rounds=rounds).by_key["round-1"]) == ("imported", "not ranked yet")


def test_the_picture_has_a_box_for_each_node_and_a_curve_for_each_line():
    lineage = a_loop()

    picture = picture_of(lineage, "/projects/p")

    assert [box.key for box in picture.boxes] == [node.key for node in lineage.nodes]
    assert {(curve.source, curve.target) for curve in picture.curves} == set(lineage.drawn_edges)
    assert picture.boxes[1].address == "/projects/p/rounds/1"
    assert picture.boxes[0].full == "sft (SFT model)\nregistered"


def test_a_path_goes_straight_down_where_it_can_and_ends_where_the_arrow_begins():
    assert path_of([(10, 0), (10, 40)]) == "M10 0V33"
    assert path_of([(10, 0), (30, 40), (30, 100)]) == "M10 0C10 20 30 20 30 40V93"


def test_long_names_are_cut_by_their_width():
    assert clipped("policy", 6) == "policy"
    assert clipped("policies", 6) == "polic…"
    assert clipped("模型的名字", 6) == "模型…"


def test_the_table_has_the_names_behind_the_keys():
    row = rows_of(a_loop(), "/projects/p")[2]

    assert (row.name, [one.name for one in row.made_from]) == ("Dataset 1", ["Round 1"])
    assert [one.name for one in row.depending] == ["rm", "ppo", "Round 2", "Dataset 2"]


def test_csv_quotes_what_a_spreadsheet_would_calculate():
    lines = lineage_csv(a_loop(models=[a_model(SFT, "=1+1", "sft")]), "/projects/p").decode()

    assert '"\'=1+1"' in lines
