"""Supervised fine-tuning: what the loss looks at, and a whole run."""

import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.trainer.conftest import make_run, make_tokenizer, save_base, user
from trainer import data, forward, language_loss, models, optimization, rundir
from trainer.spec import Message, SFTSettings, SFTSpec

DEMONSTRATIONS = [
    {"prompt_id": str(n), "messages": user(f"Say {n}"), "response": f"{n} it is", "split": split}
    for n, split in enumerate(["train"] * 6 + ["validation"] * 2)
]


def encode(tokenizer, pairs, *, max_tokens=128):
    return data.encode_examples(
        tokenizer,
        [[Message(role="user", content=prompt)] for prompt, _ in pairs],
        [response for _, response in pairs],
        max_tokens=max_tokens,
    )


def test_the_loss_ignores_prompt_tokens_and_counts_the_closing_eos(base, tokenizer):
    """S1."""
    policy = models.load_policy(Path(base), seed=0)
    examples = encode(tokenizer, [("Hello", "Hi"), ("A longer prompt", "Yes")])
    batch = data.collate(examples)

    logits = policy(batch.tokens).logits.detach().requires_grad_()
    policy.forward = lambda *_, logits_to_keep, **__: type(
        "Output", (), {"logits": logits[:, -logits_to_keep:]}
    )
    forward.text_loss(policy, batch).backward()

    predicts_response = torch.zeros_like(batch.is_response_token)
    predicts_response[:, :-1] = batch.is_response_token[:, 1:]
    has_gradient = logits.grad.abs().sum(-1) > 0
    assert torch.equal(has_gradient, predicts_response)
    eos_places = batch.lengths - 1
    assert batch.tokens[[0, 1], eos_places].tolist() == [2, 2]
    assert batch.is_response_token[[0, 1], eos_places].tolist() == [True, True]
    assert batch.is_response_token.sum().item() == len("Hi") + 1 + len("Yes") + 1


def test_the_loss_is_the_same_whether_the_pad_id_is_the_eos_id_or_not(base, monkeypatch):
    """S3."""
    policy = models.load_policy(Path(base), seed=0)
    losses = []
    for pad, pad_id in (("<|end|>", 2), ("a", 40)):
        monkeypatch.setattr(data, "PAD_ID", pad_id)
        examples = encode(make_tokenizer(pad=pad), [("Hi", "a"), ("Tell me more", "No, thank you")])
        losses.append(language_loss.mean_loss(policy, examples))

    assert losses[0] == losses[1]


def test_the_rate_starts_at_the_peak_and_ends_at_a_tenth_of_it():
    """S4."""
    shares = [optimization.cosine_share(step, steps=11) for step in range(11)]

    assert shares[0] == 1.0
    assert shares[-1] == pytest.approx(0.1)
    assert shares[5] == pytest.approx(0.55)


def test_four_ragged_micro_batches_give_the_gradient_of_one_batch(base, tokenizer, monkeypatch):
    """S5."""
    policy = models.load_policy(Path(base), seed=0)
    examples = encode(tokenizer, [("p" * n, "r" * (2 * n)) for n in range(1, 9)])

    whole = language_loss.accumulate_loss(policy, examples)
    expected = [parameter.grad.clone() for parameter in policy.parameters()]
    policy.zero_grad()
    monkeypatch.setattr(language_loss, "MAX_PADDED_TOKENS", 40)
    parts = language_loss.accumulate_loss(policy, examples)

    assert parts == pytest.approx(whole, abs=1e-6)
    for parameter, gradient in zip(policy.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)


def test_every_example_is_in_one_batch_and_batches_hold_similar_lengths():
    lengths = list(range(1, 1001))

    batches = data.bucketed_batches(lengths, batch_size=10, order=random.Random(1))

    assert sorted(index for batch in batches for index in batch) == list(range(1000))
    spans = [max(batch) - min(batch) for batch in batches]
    assert max(spans) < 60


def test_the_end_of_an_example_that_is_too_long_is_kept_and_marked_as_cut(tokenizer):
    """R16."""
    [example] = encode(tokenizer, [("a long prompt", "answer")], max_tokens=10)

    assert example.is_cut
    assert tokenizer.decode(example.tokens[-7:]) == "answer<|end|>"
    assert len(example.tokens) == 10
    assert example.prompt_length == 3


def test_special_tokens_written_in_a_response_stay_text(tokenizer):
    [example] = encode(tokenizer, [("Hi", "a<|end|>b")])

    assert example.tokens.count(2) == 2  # the prompt's and the closing one


def test_an_sft_run_overfits_and_then_stops_at_the_right_place(tmp_path, base, train):
    """S2."""
    settings = SFTSettings(epochs=100, learning_rate=1e-2, batch_size=2)
    rows = [row for row in DEMONSTRATIONS if row["split"] == "train"][:4]
    run_dir = make_run(
        tmp_path / "run", SFTSpec(base_model=base, settings=settings), demonstrations=rows
    )

    done = train("sft", run_dir)

    assert done.returncode == 0, done.stderr
    policy = AutoModelForCausalLM.from_pretrained(run_dir / "model")
    tokenizer = models.load_tokenizer(run_dir / "model")
    for row in rows:
        rendered = data.render_prompt(tokenizer, [Message(**m) for m in row["messages"]])
        prompt = tokenizer(rendered, return_tensors="pt")["input_ids"]
        output = policy.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=20, do_sample=False
        )
        assert tokenizer.decode(output[0, prompt.shape[1] :]) == row["response"] + "<|end|>"


def test_an_sft_run_from_an_untrained_base_leaves_metrics_and_a_result(tmp_path, spawn):
    base = save_base(tmp_path / "base", seed=None)
    settings = SFTSettings(epochs=2, learning_rate=1e-3, batch_size=3)
    run_dir = make_run(
        tmp_path / "run", SFTSpec(base_model=base, settings=settings), demonstrations=DEMONSTRATIONS
    )
    (run_dir / "metrics.jsonl").write_text('{"step": 99, "progress": 0.5}\n')

    process = spawn("sft", run_dir)
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 0, stderr
    steps = rundir.read_metrics_from(run_dir, 0).rows
    assert [row["step"] for row in steps] == [0, 1, 2, 3]
    assert steps[-1]["progress"] == 1.0
    assert steps[-1]["loss/validation"] > 0
    result = rundir.read_result(run_dir)
    assert result is not None
    assert result.rows == {"train": 6, "validation": 2, "cut": 0}
    assert result.model == "model"
    assert (run_dir / "heartbeat").exists()
    assert not (run_dir / "model.tmp").exists()


def test_a_run_without_training_rows_is_refused_with_one_line(tmp_path, base, train):
    run_dir = make_run(
        tmp_path / "run",
        SFTSpec(base_model=base, settings=SFTSettings()),
        demonstrations=[row for row in DEMONSTRATIONS if row["split"] == "validation"],
    )

    done = train("sft", run_dir)

    assert done.returncode == 2
    assert "no row of the split 'train'" in done.stderr.splitlines()[-1]
    assert rundir.read_result(run_dir) is None
