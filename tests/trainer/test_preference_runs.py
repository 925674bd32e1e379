"""Reward and DPO runs that are stopped, killed, or given what cannot work."""

import gc
import json
import math
import os
import signal
import weakref

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import make_run, save_base, user
from tests.trainer.test_reward import cut, ranking, rankings_by_share_of_a
from trainer import generate, losses, rundir
from trainer.preference import dpo_step, kwise_step, reward_step
from trainer.running import checkpoints
from trainer.spec import DPOSettings, DPOSpec, RewardSettings, RewardSpec

SMALL = {"epochs": 2, "batch_size": 4, "max_tokens": 32, "learning_rate": 1e-3}


def make_preference_run(folder, kind, base, *, rows=None, **settings):
    chosen = {**SMALL, "checkpoint_minutes": 0, **settings}
    spec = (
        RewardSpec(base_model=base, settings=RewardSettings(**chosen))
        if kind == "reward"
        else DPOSpec(base_model=base, settings=DPOSettings(**chosen))
    )
    return make_run(folder, spec, rankings=ROWS if rows is None else rows)


ROWS = [
    {**row, "labeler": f"l{number % 3}"} for number, row in enumerate(rankings_by_share_of_a(16))
]


class KilledError(BaseException):
    """Stands for a process that is gone: nothing in the trainer catches it."""


def kill_at(monkeypatch, module, name, *, call, after=False):
    """Let the n-th call of a function be the last thing that the process does."""
    original, calls = getattr(module, name), []

    def stand_in(*arguments, **options):
        calls.append(name)
        if len(calls) == call and not after:
            raise KilledError
        result = original(*arguments, **options)
        if len(calls) == call:
            raise KilledError
        return result

    monkeypatch.setattr(module, name, stand_in)


def outcome_of(run_dir):
    """Weights, and the curves without what tells the time."""
    weights = load_file(run_dir / "model" / "model.safetensors")
    steps = rundir.read_metrics_from(run_dir, 0).rows
    clock = ("tokens_per_second", "seconds_left")
    curves = [{k: v for k, v in step.items() if k not in clock} for step in steps]
    texts = run_dir / rundir.TEXTS_FILE
    return weights, curves, texts.read_text() if texts.exists() else ""


def assert_same(one, other):
    assert one[1:] == other[1:]
    assert one[0].keys() == other[0].keys()
    for name, value in one[0].items():
        assert torch.equal(value, other[0][name]), name


CRASHES = {
    "before a step": (rundir, "append_metrics", {"call": 3}),
    "between a step's metrics and its checkpoint": (
        rundir,
        "append_metrics",
        {"call": 4, "after": True},
    ),
    "while the tensors are written": (checkpoints.tensor_file, "write", {"call": 3}),
    "before the manifest is complete": (checkpoints, "_write_json", {"call": 6}),
    "after the last step": (rundir, "write_result", {"call": 1}),
}


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize(
    ("kind", "settings"),
    [("reward", {}), ("reward", {"labeler_folds": 2}), ("dpo", {})],
    ids=["reward", "folds", "dpo"],
)
def test_a_killed_run_ends_bit_equal_to_one_that_was_not(
    tmp_path, base, train, monkeypatch, caplog, kind, settings, crash
):
    """R-06, E1."""
    whole = make_preference_run(tmp_path / "whole", kind, base, **settings)
    killed = make_preference_run(tmp_path / "killed", kind, base, **settings)
    assert train(kind, whole).returncode == 0
    with monkeypatch.context() as patched:
        module, name, when = CRASHES[crash]
        kill_at(patched, module, name, **when)
        with pytest.raises(KilledError):
            train(kind, killed)
    assert rundir.read_result(killed) is None

    caplog.set_level("INFO")
    done = train(kind, killed)

    assert done.returncode == 0, done.stderr
    assert "resuming at step" in caplog.text
    assert_same(outcome_of(killed), outcome_of(whole))
    results = [rundir.read_result(run_dir) for run_dir in (killed, whole)]
    assert results[0].evaluation == results[1].evaluation


@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_a_run_counts_the_responses_that_were_cut_while_they_were_sampled(
    tmp_path, base, train, kind
):
    run_dir = make_preference_run(
        tmp_path / "run", kind, base, rows=[cut(row, 0, 2) for row in ROWS], epochs=1
    )

    done = train(kind, run_dir)

    assert done.returncode == 0, done.stderr
    counted = rundir.read_result(run_dir).rows
    assert (counted["responses"], counted["responses_unfinished"]) == (64, 32)


@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_sigterm_ends_a_run_within_a_forward_pass_and_it_goes_on_bit_equal(
    tmp_path, base, train, monkeypatch, kind
):
    """E2: the checkpoint is that of the last border, though none was due."""
    rows = rankings_by_share_of_a(16, responses=9)
    settings = {"rows": rows, "tokens_per_forward": 256, "checkpoint_minutes": 60}
    whole = make_preference_run(tmp_path / "whole", kind, base, **settings)
    stopped = make_preference_run(tmp_path / "stopped", kind, base, **settings)
    assert train(kind, whole).returncode == 0
    losses_made = []

    def kwise_loss(*arguments):
        # A step has two forward passes here: this is the first of the third step.
        losses_made.append(0)
        if len(losses_made) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses.kwise_loss(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(kwise_step, "kwise_loss", kwise_loss)
        ended = train(kind, stopped)

    assert ended.returncode == 143
    assert len(losses_made) == 5
    assert rundir.checkpoint_steps(stopped) == [2, 0]
    assert train(kind, stopped).returncode == 0
    assert_same(outcome_of(stopped), outcome_of(whole))


@pytest.mark.parametrize(
    ("kind", "module", "name", "settings"),
    [
        ("reward", reward_step, "score_prompts", {}),
        ("reward", reward_step, "score_prompts", {"labeler_folds": 2}),
        ("dpo", dpo_step, "reward_prompts", {}),
        ("dpo", generate, "pick_tokens", {}),
    ],
    ids=["reward", "fold", "dpo", "dpo's texts"],
)
def test_sigterm_during_a_validation_ends_a_run_within_a_forward_pass(
    tmp_path, base, train, monkeypatch, kind, module, name, settings
):
    """E2: it goes on from its last checkpoint, here that of the beginning."""
    # The held-out prompts take two forward passes.
    rows = [
        {**row, "labeler": f"l{number % 3}"}
        for number, row in enumerate(rankings_by_share_of_a(16, responses=9))
    ]
    settings = {"rows": rows, "tokens_per_forward": 256, "checkpoint_minutes": 60, **settings}
    whole = make_preference_run(tmp_path / "whole", kind, base, **settings)
    stopped = make_preference_run(tmp_path / "stopped", kind, base, **settings)
    assert train(kind, whole).returncode == 0
    original, calls = getattr(module, name), []

    def measure(*arguments, **options):
        if not torch.is_grad_enabled():
            calls.append(name)
            if len(calls) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(module, name, measure)
        ended = train(kind, stopped)

    assert ended.returncode == 143
    assert len(calls) == 1
    assert rundir.checkpoint_steps(stopped) == [0]
    assert train(kind, stopped).returncode == 0
    assert_same(outcome_of(stopped), outcome_of(whole))


@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_a_weight_that_is_not_a_number_ends_a_run_before_its_first_step(tmp_path, train, kind):
    """R-17."""
    base = save_base(tmp_path / "base")
    weights = load_file(tmp_path / "base" / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = float("nan")
    save_file(weights, tmp_path / "base" / "model.safetensors", metadata={"format": "pt"})
    run_dir = make_preference_run(tmp_path / "run", kind, base)

    ended = train(kind, run_dir)

    assert ended.returncode == 1
    assert "non-finite loss at step 0" in ended.stderr.splitlines()[-1]
    assert "non-finite loss at step 0" in rundir.read_failure(run_dir).error
    assert not (run_dir / "model").exists()
    assert rundir.read_metrics_from(run_dir, 0).rows == []


@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_a_gradient_that_is_not_finite_ends_a_run_and_the_last_good_state_stays(
    tmp_path, base, train, monkeypatch, kind
):
    """R-17: the step is not applied."""
    whole = make_preference_run(tmp_path / "whole", kind, base)
    broken = make_preference_run(tmp_path / "broken", kind, base)
    assert train(kind, whole).returncode == 0
    calls = []

    def kwise_loss(scores, *compared):
        calls.append(0)
        loss = losses.kwise_loss(scores, *compared)
        if len(calls) == 4:
            scores.register_hook(lambda gradient: gradient * float("inf"))
        return loss

    with monkeypatch.context() as patched:
        patched.setattr(kwise_step, "kwise_loss", kwise_loss)
        ended = train(kind, broken)

    assert ended.returncode == 1
    error = rundir.read_failure(broken).error
    assert error.startswith("non-finite loss at step 3")
    assert error.endswith("(the last good state is the checkpoint of step 3)")
    assert [row["step"] for row in rundir.read_metrics_from(broken, 0).rows] == [0, 1, 2]
    assert train(kind, broken).returncode == 0
    assert_same(outcome_of(broken), outcome_of(whole))


SLATES = [
    (["a", "bb"], [1, 2]),
    (["c", "dd", "eee", "ffff"], [1, 2, 2, 3]),
    (["g", "hhhhhh", "ii"], [2, 2, 1]),
    (["kkk", "l"], [1, 1]),
]


@pytest.mark.parametrize("ties", ["drop", "half"])
@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_the_validation_loss_is_the_training_loss_of_the_next_step_on_the_same_prompts(
    tmp_path, base, train, kind, ties
):
    rows = [
        ranking(f"{split}{n}", *slate, messages=user(f"Question {n}"), split=split)
        for split in ("train", "test")
        for n, slate in enumerate(SLATES)
    ]
    settings = {"ties": ties, "epochs": 4, "learning_rate": 1e-2}
    run_dir = make_preference_run(tmp_path / "run", kind, base, rows=rows, **settings)

    done = train(kind, run_dir)

    assert done.returncode == 0, done.stderr
    steps = rundir.read_metrics_from(run_dir, 0).rows
    validated = [step["loss/validation"] for step in steps]
    assert len(validated) == 4
    assert validated[:-1] == pytest.approx([step[f"loss/{kind}"] for step in steps[1:]], abs=1e-5)
    assert rundir.read_result(run_dir).metrics["loss/validation"] == validated[-1]


CONTRADICTIONS = [
    ranking(str(n // 2), ["a", "b"], [1, 2] if n % 2 else [2, 1], labeler=f"l{n % 2}", weight=0.5)
    for n in range(8)
]


@pytest.mark.parametrize("kind", ["reward", "dpo"])
@pytest.mark.parametrize(
    ("rows", "settings"),
    [
        (CONTRADICTIONS, {}),
        ([ranking("p", ["a", "b"], [1, 1])], {"ties": "half"}),
        ([ranking("p", ["", ""], [1, 2])], {}),
    ],
    ids=["contradictory", "ties as halves", "empty"],
)
def test_data_without_a_preference_gives_a_loss_of_ln_2_not_nan(
    tmp_path, base, train, kind, rows, settings
):
    """R-17: a finished run whose loss says that there was nothing to learn."""
    run_dir = make_preference_run(tmp_path / "run", kind, base, rows=rows, **settings)

    done = train(kind, run_dir)

    assert done.returncode == 0, done.stderr
    steps = rundir.read_metrics_from(run_dir, 0).rows
    assert all(step[f"loss/{kind}"] == pytest.approx(math.log(2), abs=0.02) for step in steps)
    # Nothing is held out of so few prompts: what cannot be measured is null, not a number.
    metrics = rundir.read_result(run_dir).metrics
    assert metrics["accuracy/validation"] is metrics["loss/validation"] is None


@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_one_prompt_with_a_response_of_100_000_tokens_is_cut_and_trained_on(
    tmp_path, base, train, kind
):
    """R16."""
    rows = [ranking("p", ["a" * 100_000, ""], [1, 2])]
    run_dir = make_preference_run(tmp_path / "run", kind, base, rows=rows)

    done = train(kind, run_dir)

    assert done.returncode == 0, done.stderr
    lineage = rundir.read_result(run_dir).lineage
    assert lineage.rows_used == ["p/l1"]
    assert "the longest of 100001 tokens" in lineage.rows_cut["p/l1"]


@pytest.mark.parametrize("kind", ["reward", "dpo"])
@pytest.mark.parametrize(
    ("texts", "cause"),
    [
        (
            ["c" * 20, "d" * 30],
            "max_tokens 8 leaves only the end of every response, the shortest of which has 21 "
            "tokens; raise max_tokens, or take a model with more positions; 44 hold all of them",
        ),
        (
            ["c" * 20 + "the same", "the same", "e"],
            "cut to max_tokens 8, the responses of each comparison are the same; raise max_tokens",
        ),
    ],
    ids=["ends alone", "same ends"],
)
def test_rankings_of_which_nothing_is_left_to_compare_are_refused(
    tmp_path, base, train, kind, texts, cause
):
    ranks = [1, 2, None][: len(texts)]
    rows = [ranking("p", texts, ranks)]
    run_dir = make_preference_run(tmp_path / "run", kind, base, rows=rows, max_tokens=8)

    ended = train(kind, run_dir)

    assert_refused(ended, run_dir, cause)


@pytest.mark.parametrize("kind", ["reward", "dpo"])
@pytest.mark.parametrize("is_most", [True, False])
def test_it_is_said_when_most_rankings_are_cut(tmp_path, base, train, caplog, kind, is_most):
    whole, cut = ranking("p", ["a", "b"], [1, 2]), ranking("q", ["a" * 40, "b"], [1, 2])
    rows = [whole, cut, {**(cut if is_most else whole), "labeler": "l2"}]
    run_dir = make_preference_run(tmp_path / "run", kind, base, rows=rows, max_tokens=32)

    with caplog.at_level("WARNING"):
        done = train(kind, run_dir)

    assert done.returncode == 0, done.stderr
    said = "2 of the 3 rankings to train on are cut to max_tokens 32; raise max_tokens, or take a "
    assert (said in caplog.text) == is_most


GOOD = ranking("p", ["a", "b"], [1, 2])
REFUSED = {
    "no rankings": ([], "rankings.jsonl holds no ranking"),
    "all ties": ([ranking("p", ["a", "b"], [1, 1])], "no strict comparison to train on: 1 rank"),
    "weights of 0": ([{**GOOD, "weight": 0.0}], "held out (1 of them have the weight 0); rank"),
    "a weight whose sum overflows": ([{**GOOD, "weight": 1e308}], "less than or equal to 100000"),
    "all by held-out labelers": (
        [{**GOOD, "cohort": "held_out"}],
        "rankings.jsonl: all rankings of prompts that are not held out are by labelers of another",
    ),
    "all held out": (
        [{**GOOD, "group": "g"}, {**GOOD, "prompt_id": "q", "group": "g", "split": "Train"}],
        "rankings.jsonl: all 2 rankings are held out, by the split 'Train' of their prompt or of",
    ),
    "a role that nobody knows": (
        [GOOD, {**GOOD, "messages": [{"role": "tool", "content": "x"}]}],
        "line 2: messages.0.role: Input should be 'system', 'user' or 'assistant'",
    ),
    "a rating that is no number": ([{**GOOD, "ratings": [math.nan, 1]}], "line 1: ratings.0: "),
    "a rank above the best": (
        [GOOD, {**GOOD, "ranks": [0, 1]}],
        "line 2: ranks.0: Input should be greater than or equal to 1",
    ),
    "a rank too few": ([{**GOOD, "ranks": [1]}], "2 responses but 1 ranks"),
}


@pytest.mark.parametrize("kind", ["reward", "dpo"])
@pytest.mark.parametrize("bad", REFUSED)
def test_rankings_that_cannot_be_trained_on_are_refused_in_one_line(
    tmp_path, base, train, kind, bad
):
    rows, cause = REFUSED[bad]
    run_dir = make_preference_run(tmp_path / "run", kind, base, rows=rows)

    ended = train(kind, run_dir)

    assert_refused(ended, run_dir, cause)


def test_a_wrong_key_of_the_spec_is_refused_in_one_line(tmp_path, base, train):
    run_dir = make_preference_run(tmp_path / "run", "dpo", base)
    spec = json.loads((run_dir / "spec.json").read_text())
    (run_dir / "spec.json").write_text(json.dumps({**spec, "betta": 1}))

    ended = train("dpo", run_dir)

    assert_refused(ended, run_dir, "spec.json: betta: there is no such key here; correct its name")


@pytest.mark.parametrize("kind", ["reward", "dpo"])
@pytest.mark.parametrize("name", [".", "rankings.jsonl"])
@pytest.mark.timeout(60)
def test_what_is_no_file_is_refused_as_rankings(tmp_path, base, train, kind, name):
    run_dir = make_preference_run(tmp_path / "run", kind, base)
    (run_dir / "rankings.jsonl").unlink()
    os.mkfifo(run_dir / "rankings.jsonl")
    spec = json.loads((run_dir / "spec.json").read_text())
    (run_dir / "spec.json").write_text(json.dumps({**spec, "rankings": name}))

    ended = train(kind, run_dir)

    assert_refused(ended, run_dir, "cannot be read: it is no file; spec.json has to name")


@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_a_tokenizer_that_is_larger_than_the_model_is_refused(tmp_path, train, kind):
    base = save_base(tmp_path / "base", vocab_size=100)
    run_dir = make_preference_run(tmp_path / "run", kind, base)

    ended = train(kind, run_dir)

    assert_refused(ended, run_dir, "the tokenizer has 259 tokens but the model only 100")


@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_rows_of_one_prompt_with_other_messages_are_refused_with_both_lines(
    tmp_path, base, train, kind
):
    other = {**ROWS[2], "messages": [{"role": "user", "content": "Something else"}]}
    run_dir = make_preference_run(tmp_path / "run", kind, base)
    lines = [json.dumps(row) for row in ROWS]
    # Line 4 is empty.
    text = "\n".join([*lines[:3], "", *lines[3:], json.dumps(other)])
    (run_dir / "rankings.jsonl").write_text(text)

    ended = train(kind, run_dir)

    assert_refused(ended, run_dir, "rankings.jsonl lines 3 and 18 are of one prompt, '2', but")


def assert_refused(ended, run_dir, cause):
    """One line says why, in the log and in the result; nothing is half-written."""
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert cause in ended.stderr.splitlines()[-1]
    assert cause in rundir.read_failure(run_dir).error
    left = {path.name for path in run_dir.iterdir()}
    assert left <= {"spec.json", "rankings.jsonl", "heartbeat", "result.json"}


def test_each_group_of_labelers_is_held_out_once(tmp_path, base, train):
    """R17, R21: the folds' trainings come first, and the model is trained on everybody after."""
    run_dir = make_preference_run(tmp_path / "run", "reward", base, labeler_folds=3)

    done = train("reward", run_dir)

    assert done.returncode == 0, done.stderr
    folds = rundir.read_result(run_dir).evaluation.folds
    assert sorted(name for fold in folds for name in fold.labelers) == ["l0", "l1", "l2"]
    for fold in folds:
        # Four held-out prompts with four responses each, ranked by l0 (twice), l1 and l2.
        assert fold.training_labelers.count + fold.held_out_labelers.count == 4 * 6
        assert fold.held_out_labelers.count in (6, 12)
    steps = rundir.read_metrics_from(run_dir, 0).rows
    assert [row["step"] for row in steps] == list(range(len(steps)))
    assert [row.get("fold") for row in steps] == [1] * 4 + [2] * 4 + [3] * 4 + [None] * 6
    assert [row["progress"] for row in steps] == sorted(row["progress"] for row in steps)
    assert steps[-1]["progress"] == 1


def test_the_model_of_a_fold_is_gone_before_the_next_is_loaded(tmp_path, base, train, monkeypatch):
    """The estimate of memory counts one; a GPU that is full does not look for cycles."""
    load, loaded, alive = reward_step.load_trainable, [], []

    def watched(*args):
        alive.append(sum(model() is not None for model in loaded))
        model = load(*args)
        loaded.append(weakref.ref(model.base_model))
        return model

    monkeypatch.setattr(reward_step, "load_trainable", watched)
    settings = {"labeler_folds": 3, "precision": "bfloat16"}
    run_dir = make_preference_run(tmp_path / "run", "reward", base, **settings)

    often = gc.get_threshold()
    gc.set_threshold(0)
    try:
        assert train("reward", run_dir).returncode == 0
    finally:
        gc.set_threshold(*often)

    # The run's own waits for its turn.
    assert alive == [0, 1, 1, 1]


def test_a_labeler_of_held_out_prompts_alone_is_in_no_group_of_a_fold(tmp_path, base, train):
    """R17."""
    newcomer = [{**row, "labeler": "new"} for row in ROWS if row["split"] == "test"]
    run_dir = make_preference_run(
        tmp_path / "run", "reward", base, rows=[*ROWS, *newcomer], labeler_folds=3
    )

    done = train("reward", run_dir)

    assert done.returncode == 0, done.stderr
    evaluation = rundir.read_result(run_dir).evaluation
    assert evaluation.held_out_labelers.count == 4 * 6
    for fold in evaluation.folds:
        assert fold.training_labelers.count + fold.held_out_labelers.count == 4 * 6


def test_labelers_in_one_group_are_refused(tmp_path, base, train):
    run_dir = make_preference_run(tmp_path / "run", "reward", base, labeler_folds=1)

    ended = train("reward", run_dir)

    assert_refused(ended, run_dir, "labeler_folds is 1")
