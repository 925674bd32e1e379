"""What a run's page makes of metrics, evaluations, lineage and sampled texts. No database."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app.training.charts import Band
from app.training.curves import charts_of
from app.training.display import (
    closing_numbers,
    is_closing,
    live_numbers,
    shown_settings,
    state_of,
    time_left,
)
from app.training.evaluation import band_of, estimate, evaluation_of
from app.training.lineage_view import lineage_view
from app.training.queries import MetricsRow, RunView
from app.training.sampled_texts import MAX_CHARACTERS, read_texts
from app.web.formats import duration
from app.web.translation import speak, speak_as_before
from tests.evaluated import EVALUATED, NOTHING, share
from trainer.measures import outcomes
from trainer.result import Share

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RUN = RunView(
    id=1, kind="ppo", status="running", progress=0.5, latest={}, error=None, is_waiting=False,
    cancel_requested=False, attempt=1, max_attempts=3, created_at=NOW, started_at=NOW,
    finished_at=None, project="demo", project_name="Demo", base_model="tuned",
    reward_model="judge", model=None, settings={}, code_version=None, result=None, dataset_id=None,
    dataset_sha256=None, dataset_prompts=None, dataset_rankings=None, dataset_comparisons=None,
    round_number=None, started_by=None, elapsed=timedelta(seconds=5),
)  # fmt: skip


def run(**changes: object) -> RunView:
    return RunView(**{**vars(RUN), **changes})


def drawing(kind: str, title: str, *, band: Band | None = None, **settings: object):
    charts = charts_of(kind, settings, [], agreement=band)
    return json.loads(next(chart.drawing for chart in charts if chart.title == title))


# --- curves --------------------------------------------------------------------------------------


def test_accuracy_is_seen_against_the_agreement_of_labelers():
    band = band_of(0.726)

    drawn = drawing("reward", "Accuracy", band=band)

    # Statistics of the paper: labelers who agree in 72.6% are each right in 83.6%.
    assert drawn["band"]["low"] == 0.726
    assert drawn["band"]["high"] == pytest.approx(0.836155, abs=1e-6)


@pytest.mark.parametrize("agreement", [None, 0.49])
def test_without_agreement_above_chance_there_is_no_band(agreement):
    assert band_of(agreement) is None
    assert drawing("reward", "Accuracy", band=None)["band"] is None


def test_a_measured_ceiling_comes_before_the_computed_one():
    assert band_of(0.7, 0.8).high == 0.8


@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_a_loss_on_comparisons_is_seen_against_guessing(kind):
    assert drawing(kind, "Loss")["references"][0]["value"] == pytest.approx(0.6931, abs=1e-4)


def test_the_kl_is_seen_against_0_and_its_target():
    values = [one["value"] for one in drawing("ppo", "KL", kl_target_nats=6.0)["references"]]

    assert values == [0.0, 6.0]
    assert len(drawing("ppo", "KL", kl_target_nats=None)["references"]) == 1


def test_the_kl_is_seen_against_the_limit_that_ends_the_run():
    references = drawing("ppo", "KL", kl_target_nats=6.0, kl_limit_nats=12.5)["references"]

    assert [(one["label"], one["value"]) for one in references] == [
        ("0: reference model", 0.0), ("6: target", 6.0), ("12.5: limit, ends the run", 12.5),
    ]  # fmt: skip


def test_the_charts_of_ppo_say_what_their_numbers_are():
    charts = charts_of("ppo", {}, [], agreement=None)

    detail = {chart.title: chart.detail for chart in charts}
    assert detail["Value loss"] == "half the clipped squared error, mean over tokens"
    assert detail["Gradient norm"] == (
        "before clipping; of the pretraining mix after multiplying by its coefficient"
    )


def test_the_length_is_seen_against_that_of_the_first_step():
    assert drawing("ppo", "Length")["references"][0]["first"] == "response/length"


def test_the_table_of_a_curve_has_its_last_values_only():
    rows = [MetricsRow(step, 1, {"loss/sft": step / 10}) for step in range(9)]

    loss = charts_of("sft", {}, [*rows, MetricsRow(9, 1, {"other": 1.0})], agreement=None)[0]

    assert loss.rows[0] == (3, ["0.300", "–"])
    assert len(loss.rows) == 6


# --- the head ------------------------------------------------------------------------------------


def test_the_time_left_is_what_the_trainer_counts():
    assert time_left(run(latest={"seconds_left": 754.2})) == "12 min 34 s"
    assert time_left(run(latest={"seconds_left": None})) is None
    assert time_left(run(latest={"seconds_left": 5.0}, status="succeeded")) is None


def test_no_time_is_left_to_tell_once_the_last_step_is_done():
    measuring = run(latest={"seconds_left": 0.0}, progress=1.0)

    assert time_left(measuring) is None
    assert is_closing(measuring)
    assert not is_closing(run(progress=0.999))
    assert not is_closing(run(progress=1.0, status="succeeded"))


def test_durations_are_in_their_two_largest_units():
    assert [duration(one) for one in (59.9, 60, 3599, 3600, 90_000)] == [
        "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "25 h 0 min",
    ]  # fmt: skip


def test_the_state_is_one_word():
    assert state_of(run()) == "running"
    assert state_of(run(cancel_requested=True)) == "cancelling"
    assert state_of(run(status="queued", is_waiting=True)) == "waiting"
    assert state_of(run(cancel_requested=True, status="cancelled")) == "cancelled"


def test_settings_are_shown_in_words():
    settings = {"ties": "drop", "whiten_rewards": False, "lora_rank": None, "beta": 0.1}

    assert shown_settings(run(settings=settings)) == [
        ("Beta", "0.1"), ("Whiten rewards", "off"), ("Ties", "left out"), ("LoRA rank", "none"),
    ]  # fmt: skip


def test_settings_have_the_decimal_sign_of_the_page():
    before = speak("de")
    try:
        assert shown_settings(run(settings={"learning_rate": 0.0015})) == [("Lernrate", "0,0015")]
    finally:
        speak_as_before(before)


def test_settings_of_sampling_are_shown_in_the_language_of_the_page():
    settings = {
        "models": ["a", "b"], "prompts": {"limit": 9, "split": None}, "responses_per_prompt": 5,
        "sampling": {"seed": 1, "top_p": 0.95, "temperature": 0.9, "max_new_tokens": 96},
    }  # fmt: skip

    before = speak("de")
    try:
        shown = shown_settings(run(kind="sample", settings=settings))
    finally:
        speak_as_before(before)

    assert shown == [
        ("Antworten je Prompt", "5"),
        ("Modelle", "a, b"),
        ("Prompts", "Höchstens 9"),
        ("Erzeugen", "Startwert 1, Top p 0,95, Temperatur 0,9, Längste Antwort 96 Tokens"),
    ]


def test_settings_are_shown_with_their_units():
    settings = {"max_tokens": 256, "kl_target_nats": None, "checkpoint_minutes": 0.5}

    assert shown_settings(run(settings=settings)) == [
        ("KL target", "none"),
        ("Longest prompt plus response", "256 tokens"),
        ("Checkpoint every", "0.5 minutes"),
    ]


def test_the_time_that_was_left_at_the_end_is_no_closing_number():
    result = {"metrics": {"loss/sft": 1.5, "seconds_left": 0.0}, "rows": {"train": 3}}

    assert closing_numbers(run(result=result)) == [
        ("loss/sft", "1.500"),
        ("Demonstrations, train", "3"),
    ]


def test_closing_numbers_have_the_names_and_the_order_of_the_curves():
    metrics = {
        "tokens": 9000, "learning_rate": 1e-5, "gradient/norm": 1.0, "accuracy/validation": 0.6,
        "tokens_per_second": 12_345.6, "reward/bias": 2.0, "loss/reward": 0.5,
    }  # fmt: skip
    result = {"metrics": metrics, "rows": {"rankings": 3, "cut": 0}}

    assert closing_numbers(run(kind="reward", result=result)) == [
        ("Loss: train", "0.500 nats per comparison"),
        ("Accuracy: validation", "60.0%"),
        ("Gradient norm", "1"),
        ("Learning rate", "1e-5"),
        ("Speed", "12,346 tokens per second"),
        ("Bias, so that demonstrations score 0", "2"),
        ("Tokens trained on", "9,000"),
        ("Rankings", "3"),
        ("Rows shortened", "0"),
    ]


def test_closing_numbers_of_ppo_are_counted_in_its_units():
    metrics = {
        "objective/kl": 12.3456, "response/length": 45.678, "policy/clipfrac": 0.0123,
        "seconds/rollout": 1.239, "objective/entropy": 81.26, "loss/ptx": None,
        "policy/log_ratio_max": 0.25,
    }  # fmt: skip

    before = speak("de")
    try:
        german = closing_numbers(run(result={"metrics": metrics, "rows": {"episodes": 12_800}}))
    finally:
        speak_as_before(before)

    assert german == [
        ("KL", "12,346 Nats je Antwort"),
        ("Länge", "45,7 Tokens je Antwort"),
        ("Begrenzt: Policy", "1,2\u00a0%"),
        ("Vortrainingsverlust", "–"),
        ("Zeit je Iteration: Erzeugen", "1,24 s"),
        ("Größtes Log-Verhältnis eines Tokens", "0,250 Nats"),
        ("Entropie ganzer Antworten", "81,260 Nats"),
        ("Episoden", "12.800"),
    ]


def test_the_numbers_at_the_head_have_their_units():
    latest = {"objective/kl": 0.5, "policy/clipfrac": 0.031, "seconds_left": 9.0}

    assert live_numbers(run(latest=latest)) == [
        ("KL", "0.500", "nats per response"),
        ("Clipped share", "3.1%", None),
    ]


def test_a_closing_number_without_words_keeps_its_name():
    result = {"metrics": {"new/number": 2.0, "gradient/norm": 7.5}, "rows": {"odd_rows": 1}}

    assert closing_numbers(run(kind="sft", result=result)) == [
        ("Gradient norm", "7.500"), ("new/number", "2"), ("odd rows", "1"),
    ]  # fmt: skip


# --- the evaluation ------------------------------------------------------------------------------


def test_agreement_of_too_few_prompts_is_no_band():
    few = {"value": 0.63, "count": 19, "prompts": 2, "reason": "not enough data: 2 of 10 prompts"}
    agreement = {**EVALUATED["evaluation"]["agreement"], "agreement": few, "ceiling": 0.757}
    scarce = {**EVALUATED, "evaluation": {**EVALUATED["evaluation"], "agreement": agreement}}

    assert evaluation_of(scarce).band is None
    assert evaluation_of(EVALUATED).band == band_of(0.726, 0.836)


def test_bins_with_fewer_than_20_comparisons_are_hollow():
    counts = [one["count"] for one in EVALUATED["evaluation"]["calibration"]["bins"]]

    points = evaluation_of(EVALUATED).points

    assert [point.is_hollow for point in points] == [count < 20 for count in counts]


def test_the_reliability_diagram_starts_at_a_confidence_of_a_half():
    ends = [(0.5, 0.5, 0.0), (0.95, 1.0, 1.0), (0.55, None, None)]
    bins = [
        {"low": low, "high": low + 0.05, "confidence": mean, "accuracy": right, "count": 20}
        for low, mean, right in ends
    ]
    calibration = {**EVALUATED["evaluation"]["calibration"], "bins": bins}
    result = {**EVALUATED, "evaluation": {**EVALUATED["evaluation"], "calibration": calibration}}

    points = evaluation_of(result).points

    assert [(point.x, point.y) for point in points] == [(44, 204), (332, 12)]


def test_the_folds_have_means():
    assert evaluation_of(EVALUATED).fold_means == (pytest.approx(0.73), pytest.approx(0.69))


def test_rounds_are_in_their_order_whatever_order_the_database_keeps():
    rounds = {"10": NOTHING, "2": share(0.6), "1": share(0.7)}
    result = {**EVALUATED, "evaluation": {**EVALUATED["evaluation"], "by_round": rounds}}

    assert [label for label, _ in evaluation_of(result).rounds] == ["1", "2", "10"]


def test_the_pairs_of_models_beyond_the_first_eight_are_kept_apart():
    pairs = [
        {"models": [f"m{number}", "n"], "accuracy": share(0.7, 90 - number)} for number in range(11)
    ]
    result = {**EVALUATED, "evaluation": {**EVALUATED["evaluation"], "by_models": pairs}}

    view = evaluation_of(result)

    assert [label for label, _ in view.model_pairs][::7] == ["m0 vs n", "m7 vs n"]
    assert [label for label, _ in view.more_model_pairs] == ["m8 vs n", "m9 vs n", "m10 vs n"]
    assert evaluation_of(EVALUATED).more_model_pairs == []


@pytest.mark.parametrize(
    ("reason", "german"),
    [
        (outcomes.NO_COMPARISON, "zu wenig Daten: kein Vergleich"),
        ("not enough data: 8 of 10 prompts", "zu wenig Daten: 8 von 10 Prompts"),
        (
            "labelers agree on 48.1%, which is less than chance",
            "die Labeler stimmen zu 48,1\u00a0% überein, was weniger als Zufall ist",
        ),
        ("a reason of a later version", "a reason of a later version"),
    ],
)
def test_why_a_number_is_missing_is_told_in_german(reason, german):
    share = Share(value=None, count=0, prompts=0, reason=reason)
    before = speak("de")
    try:
        told = estimate(share).reason
    finally:
        speak_as_before(before)

    assert told == german


@pytest.mark.parametrize("result", [None, {}, {"evaluation": {"accuracy": 3}}])
def test_a_result_without_a_readable_evaluation_has_none(result):
    assert evaluation_of(result) is None


def test_a_share_without_comparisons_is_not_a_number():
    shown = estimate(Share(value=None, count=0, prompts=0, reason="not enough data"))

    assert (shown.value, shown.ci95, shown.status) == (None, None, "not_enough_data")


# --- lineage -------------------------------------------------------------------------------------


def test_rows_left_out_are_counted_by_reason_the_most_frequent_first():
    dropped = {f"a{number}": "tied" for number in range(30)} | {"b": "too long"}
    lineage = {**EVALUATED["lineage"], "rows_dropped": dropped}

    view = lineage_view(run(result={**EVALUATED, "lineage": lineage}))

    assert [(one.text, one.count, len(one.ids)) for one in view.dropped_for] == [
        ("tied", 30, 20), ("too long", 1, 1),
    ]  # fmt: skip
    assert (view.used, view.dropped, view.cut) == (14, 31, 0)
    assert [(one.role, one.model) for one in view.parents] == [("base model", "tuned")]


def test_a_run_without_a_result_has_no_lineage():
    assert lineage_view(RUN) is None


# --- sampled texts -------------------------------------------------------------------------------


def line(step: int, *responses: str) -> str:
    samples = [{"prompt": "Hi", "response": one, "score": 0.1} for one in responses]
    return json.dumps({"step": step, "samples": samples}) + "\n"


def test_the_newest_texts_are_shown_unless_a_step_is_chosen(tmp_path):
    (tmp_path / "texts.jsonl").write_text(line(10, "old") + line(20, "new"))

    newest, chosen = read_texts(tmp_path, step=None), read_texts(tmp_path, step=10)

    assert (newest.step, newest.steps, newest.samples[0].response) == (20, [20, 10], "new")
    assert (chosen.step, chosen.samples[0].response) == (10, "old")
    assert read_texts(tmp_path, step=11).step == 20


def test_of_a_step_that_was_sampled_again_the_last_texts_count(tmp_path):
    (tmp_path / "texts.jsonl").write_text(line(10, "first") + line(10, "second"))

    assert read_texts(tmp_path, step=None).samples[0].response == "second"


def test_half_lines_and_malformed_lines_hide_no_others(tmp_path):
    (tmp_path / "texts.jsonl").write_text("{}\nnonsense\n" + line(10, "good") + '{"step": 20')

    assert read_texts(tmp_path, step=None).step == 10


def test_texts_are_bounded(tmp_path):
    (tmp_path / "texts.jsonl").write_text(line(1, *["x" * 9000] * 12))

    texts = read_texts(tmp_path, step=None)

    assert len(texts.samples) == 8
    assert len(texts.samples[0].response) == MAX_CHARACTERS + 2


def test_a_run_that_sampled_nothing_has_no_texts(tmp_path):
    assert read_texts(tmp_path, step=None) is None
    (tmp_path / "texts.jsonl").write_text("")
    assert read_texts(tmp_path, step=None) is None
