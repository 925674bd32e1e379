"""Pretraining texts mixed into supervised fine-tuning: how much, of what weight, and going on."""

import hashlib
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import lineage_of, make_run, make_tokenizer, user, write_lines
from tests.trainer.test_resume import kill_at, outcome, terminating_at
from trainer import data, forward, language_loss, memory, models, rundir, train_sft
from trainer.errors import RunRefusedError
from trainer.pretraining import open_texts
from trainer.running.checkpoints import Checkpointer
from trainer.running.schedule import plan_batches
from trainer.running.trained import Trained
from trainer.sft.demonstrations import split_demonstrations
from trainer.sft.mix import open_mix
from trainer.spec import DemonstrationRow, Message, SFTSettings, SFTSpec
from trainer.spec_file import read_spec

SHARE, STEPS = 0.4, 6
ROWS = [
    {
        "prompt_id": str(n),
        "messages": user(f"Say {n}"),
        "response": f"{n} it is! " * (1 + n % 4),
        "split": split,
    }
    for n, split in enumerate(["train"] * 9 + ["validation"] * 2)
]
TEXTS = [
    {"text": "the quick brown fox jumps over"},
    {"text": "lazy dogs"},
    {"text": ""},
    {"text": "a text that is longer than a row may be, " * 3},
    {"text": "rivers carry water"},
]
MAX_TOKENS = 64
TEXT_TOKENS = [min(len(row["text"]) + 1, MAX_TOKENS) for row in TEXTS if row["text"]]


def spec_of(base, *, pretraining="pretraining.jsonl", **changes):
    settings = SFTSettings(
        **{
            "epochs": 2,
            "batch_size": 3,
            "learning_rate": 1e-2,
            "max_tokens": MAX_TOKENS,
            "checkpoint_minutes": 0,
            "tokens_per_forward": 256,
            "pretraining_share": SHARE,
            **changes,
        }
    )
    return SFTSpec(base_model=base, settings=settings, pretraining=pretraining)


@pytest.fixture
def make(tmp_path, base):
    def make(name="run", texts=TEXTS, **changes):
        return make_run(
            tmp_path / name, spec_of(base, **changes), demonstrations=ROWS, pretraining=texts
        )

    return make


def open_run(run_dir):
    """What a run reads, and a checkpointer that never saves."""
    spec = read_spec(run_dir, "sft")
    tokenizer = make_tokenizer()
    demonstrations = split_demonstrations(
        [DemonstrationRow.model_validate(row) for row in ROWS], tokenizer, max_tokens=MAX_TOKENS
    )
    policy = models.load_policy(Path(spec.base_model), seed=0, compute=spec.settings)
    mix = open_mix(spec, run_dir, tokenizer, max_tokens=MAX_TOKENS)
    return spec, policy, demonstrations, mix


# --- how much ------------------------------------------------------------------------------------


def test_at_every_step_the_texts_have_their_share_of_the_tokens_in_the_loss(make, train):
    run_dir = make()

    done = train("sft", run_dir)

    assert done.returncode == 0, done.stderr
    steps = rundir.read_metrics_from(run_dir, 0).rows
    spec, _, demonstrations, _ = open_run(run_dir)
    plan = plan_batches(demonstrations.train, spec.settings)
    of_responses = of_texts = 0
    for step, examples in zip(steps, plan, strict=True):
        of_responses += language_loss.response_tokens_of(examples)
        of_texts += step["pretraining/tokens"] - step["pretraining/texts"]
        over = of_texts - of_responses * SHARE / (1 - SHARE)
        assert 0 <= over < max(TEXT_TOKENS)
        assert (step["loss/pretraining"] is None) == (step["pretraining/texts"] == 0)
    rates = [step["learning_rate"] for step in steps]
    assert (rates[0], rates[-1]) == (1e-2, pytest.approx(1e-3))  # S4
    assert steps[-1]["progress"] == 1.0
    assert steps[-1]["seconds_left"] == 0.0
    prompts = sum(len(example.tokens) for batch in plan for example in batch)
    assert steps[-1]["tokens"] == prompts + sum(step["pretraining/tokens"] for step in steps)
    assert all(one["progress"] < next_one["progress"] for one, next_one in pairwise(steps))


def test_the_result_counts_the_texts_and_names_their_file(make, train):
    run_dir = make()

    assert train("sft", run_dir).returncode == 0

    result = rundir.read_result(run_dir)
    steps = rundir.read_metrics_from(run_dir, 0).rows
    read = sum(step["pretraining/texts"] for step in steps)
    assert read > len(TEXT_TOKENS)  # so that each was read and one again
    assert result.rows["pretraining_texts"] == len(TEXT_TOKENS)
    assert result.rows["pretraining_read"] == read
    assert read // 4 <= result.rows["pretraining_cut"] <= -(-read // 4)
    assert result.lineage.settings["pretraining_share"] == SHARE
    content = (run_dir / "pretraining.jsonl").read_bytes()
    assert result.lineage.files["pretraining.jsonl"] == hashlib.sha256(content).hexdigest()


def test_texts_are_read_once_a_round_in_the_order_of_ppos_stream(make, tokenizer):
    run_dir = make()
    *_, mix = open_run(run_dir)

    found = [*mix.read_beside(100), *mix.read_beside(300), *mix.read_beside(301)]
    assert len(found) > len(TEXT_TOKENS)

    stream = open_texts(run_dir / "pretraining.jsonl", tokenizer, max_tokens=MAX_TOKENS, seed=0)
    assert found == stream.between(0, len(found))
    assert sorted(len(example.tokens) for example in found[:4]) == sorted(TEXT_TOKENS)
    assert (mix.read, mix.tokens) == (len(found), sum(len(example.tokens) for example in found))


def test_without_a_share_the_texts_are_not_read(make, train):
    run_dir = make(pretraining_share=0.0)

    assert train("sft", run_dir).returncode == 0

    result = rundir.read_result(run_dir)
    assert "pretraining_texts" not in result.rows
    assert "loss/pretraining" not in result.metrics


# --- of what weight ------------------------------------------------------------------------------


def test_a_step_has_the_gradient_of_the_mean_over_all_tokens_of_responses_and_texts(make):
    """S1, S6 with the mix: against transformers' own forward of one sequence at a time."""
    run_dir = make()
    spec, policy, demonstrations, mix = open_run(run_dir)
    batch, texts = demonstrations.train[:4], mix.read_beside(200)
    with Checkpointer(
        run_dir, spec, Trained(), lineage=lineage_of(spec, run_dir), minutes=10
    ) as checkpoints:
        losses = train_sft.accumulate_losses(policy, batch, texts, spec.settings, checkpoints)
    packed = [parameter.grad.clone() for parameter in policy.parameters()]
    policy.zero_grad()

    sums, counts = [], []
    for examples in (batch, texts):
        counts.append(language_loss.response_tokens_of(examples))
        sums.append(sum(plain_loss(policy, example) for example in examples))
    (sum(sums) / sum(counts)).backward()

    assert losses.demonstrations == pytest.approx(sums[0].item() / counts[0], rel=1e-5)
    assert losses.pretraining == pytest.approx(sums[1].item() / counts[1], rel=1e-5)
    assert losses.together == pytest.approx(sum(sums).item() / sum(counts), rel=1e-5)
    for parameter, gradient in zip(policy.parameters(), packed, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-5, atol=1e-6)


def plain_loss(policy, example):
    tokens = torch.tensor([example.tokens])
    labels = tokens.clone()
    labels[0, : example.prompt_length] = -100
    return policy(tokens, labels=labels).loss * (len(example.tokens) - example.prompt_length)


def test_the_size_of_a_forward_pass_changes_nothing(make):
    """S5 with the mix."""
    stepped = []
    for name, budget in (("whole", 16_384), ("parts", 256)):
        run_dir = make(name, tokens_per_forward=budget, epochs=0.3)
        spec, policy, demonstrations, mix = open_run(run_dir)
        lineage = lineage_of(spec, run_dir)
        metrics = train_sft.train_policy(
            policy, demonstrations, spec, run_dir, lineage=lineage, selection=None, mix=mix
        )
        stepped.append((metrics["loss/sft"], metrics["loss/pretraining"], policy))

    (*losses, whole), (*losses_of_parts, parts) = stepped
    assert losses_of_parts == pytest.approx(losses, abs=1e-6)
    for parameter, expected in zip(parts.parameters(), whole.parameters(), strict=True):
        assert torch.allclose(parameter, expected, rtol=0, atol=1e-6)


def test_the_end_of_a_response_is_still_learnt(make, train):
    """S2 with the mix: what the four responses have in common, and then the end."""
    run_dir = make(epochs=60, batch_size=4, pretraining_share=0.1, checkpoint_minutes=10)
    rows = [{**row, "response": f"{row['prompt_id']} it is"} for row in ROWS[:4]]
    write_lines(run_dir / "demonstrations.jsonl", rows)

    assert train("sft", run_dir).returncode == 0

    policy, tokenizer = models.load_policy(run_dir / "model", seed=0), make_tokenizer()
    for row in rows:
        messages = [Message(**message) for message in row["messages"]]
        [prompt] = data.encode_prompts(tokenizer, [messages], max_tokens=MAX_TOKENS)
        tokens = torch.tensor([prompt.tokens])
        output = policy.generate(
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=20, do_sample=False
        )
        assert tokenizer.decode(output[0, tokens.shape[1] + 1 :]) == " it is<|end|>"


# --- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [2, STEPS])
def test_a_killed_run_goes_on_where_it_was_in_the_texts(make, train, monkeypatch, step):
    """R-06, E1: the same weights and numbers, bit for bit."""
    whole, killed = make("whole"), make("killed")
    assert train("sft", whole).returncode == 0

    kill_at(step, killed, train, monkeypatch)
    done = train("sft", killed)

    assert done.returncode == 0, done.stderr
    assert outcome(killed) == outcome(whole)
    assert rundir.read_result(killed).rows == rundir.read_result(whole).rows


def test_a_run_stopped_between_responses_and_texts_reads_these_texts_again(
    make, train, monkeypatch
):
    """E2: what the step has read so far is of no checkpoint."""
    # Two passes a step: one of responses and one of texts.
    settings = {"pretraining_share": 0.75, "tokens_per_forward": 2048, "checkpoint_minutes": 10}
    whole, stopped = make("whole", **settings), make("stopped", **settings)
    assert train("sft", whole).returncode == 0

    with monkeypatch.context() as patched:
        patched.setattr(train_sft, "mean_loss", lambda *_, **__: 0.0)
        patched.setattr(forward, "text_loss", terminating_at(3, []))
        assert train("sft", stopped).returncode == 143
    assert rundir.checkpoint_steps(stopped) == [1, 0]
    assert train("sft", stopped).returncode == 0

    assert outcome(stopped)[0] == outcome(whole)[0]
    assert rundir.read_result(stopped).rows == rundir.read_result(whole).rows


# --- what cannot work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"pretraining": None}, "there are no pretraining texts"),
        ({"texts": [{"text": ""}]}, "there are no pretraining texts"),
        ({"texts": [{"text": "fine"}, {"txt": 1}]}, "pretraining.jsonl line 2: "),
        ({"pretraining": "missing.jsonl"}, "does not exist"),
    ],
)
def test_a_mix_without_texts_is_refused(make, train, changes, complaint):
    done = train("sft", make(**changes))

    assert done.returncode == 2
    assert complaint in done.stderr.splitlines()[-1]


def test_texts_without_a_token_are_refused_and_not_searched_forever(make, monkeypatch):
    *_, mix = open_run(make())
    monkeypatch.setattr(data, "tokenize", lambda _, texts, **__: [[] for _ in texts])

    with pytest.raises(RunRefusedError, match="no text with a token"):
        mix.read_beside(10)


def test_the_memory_of_a_step_with_more_texts_than_demonstrations_is_counted(base):
    spec = spec_of(
        base, batch_size=2, max_tokens=256, tokens_per_forward=16_384, pretraining_share=0.2
    )
    mostly_texts = spec_of(
        base, batch_size=2, max_tokens=256, tokens_per_forward=16_384, pretraining_share=0.75
    )

    assert memory.largest_forward(spec, "cuda") == 2 * 256
    assert memory.largest_forward(mostly_texts, "cuda") == (2 * 3 + 1) * 256
