"""The reward model: where the reward is read, what is saved, and a whole run."""

import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.trainer.conftest import make_run, make_tokenizer, save_base, user
from trainer import data, forward, models, optimization, rundir, train_reward
from trainer.rankings import group_by_prompt, split_held_out
from trainer.spec import Message, RankingRow, RewardSettings, RewardSpec


def ranking(prompt_id, texts, ranks, **changes):
    return {
        "prompt_id": prompt_id,
        "messages": user(f"Question {prompt_id}"),
        "responses": [{"id": f"{prompt_id}-{text}", "text": text} for text in texts],
        "ranks": ranks,
        "ratings": [None] * len(ranks),
        "labeler": "l1",
        "weight": 1.0,
        **changes,
    }


def rankings_by_share_of_a(count, *, seed=0):
    """Rankings where more of the letter `a` is better."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        shares = draw.sample(range(9), 4)
        texts = ["".join(draw.sample("a" * n + "b" * (8 - n), 8)) for n in shares]
        ranks = [1 + sum(other > share for other in shares) for share in shares]
        rows.append(ranking(str(number), texts, ranks, split="train" if number % 4 else "test"))
    return rows


def batch_of(tokenizer, texts):
    return data.collate(
        data.encode_examples(
            tokenizer, [[Message(role="user", content="Hi")]] * len(texts), texts, max_tokens=99
        )
    )


@pytest.mark.parametrize("pad", [None, "<|end|>", "a"])
def test_the_reward_is_read_at_the_eos_whatever_the_pad_id_is(tmp_path, pad):
    """R7."""
    folder = Path(save_base(tmp_path / "base", pad=pad))
    tokenizer = models.load_tokenizer(folder)
    model = models.load_reward_model(folder, seed=1)
    batch = batch_of(tokenizer, ["short", "a longer response"])

    scores = forward.scores(model, batch)

    hidden = model.base_model(batch.tokens[:1, : batch.lengths[0]]).last_hidden_state
    assert batch.tokens[0, batch.lengths[0] - 1] == tokenizer.eos_token_id
    assert scores[0].item() == pytest.approx(model.score(hidden[0, -1]).item(), abs=1e-6)


@pytest.mark.parametrize("pad", [None, "<|end|>", "<|user|>"])
def test_the_plain_classifier_reads_the_same_reward_from_the_saved_folder(tmp_path, pad):
    """R7, R15."""
    folder = Path(save_base(tmp_path / "base", pad=pad))
    tokenizer = models.load_tokenizer(folder)
    model = models.load_reward_model(folder, seed=1)
    models.use_padding_of(model, tokenizer)
    models.set_bias(model, 0.25)
    batch = batch_of(tokenizer, ["an answer"])

    models.save_model(model, tokenizer, tmp_path / "saved")

    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", num_labels=1)
    ours = models.load_reward_model(tmp_path / "saved", seed=99)
    expected = forward.scores(model, batch)
    assert torch.equal(forward.scores(ours, batch), expected)
    assert models.bias_of(ours) == 0.25
    assert plain(batch.tokens).logits[0, 0].item() == pytest.approx(expected.item() + 0.25)


def test_padding_changes_no_score(base, tokenizer):
    """R6."""
    model = models.load_reward_model(Path(base), seed=0)

    together = forward.scores(model, batch_of(tokenizer, ["x", "a" * 40]))
    alone = forward.scores(model, batch_of(tokenizer, ["x"]))

    assert together[0].item() == pytest.approx(alone[0].item(), abs=1e-6)


def test_the_head_starts_with_the_spread_of_the_original_code(tmp_path):
    """R13."""
    folder = save_base(tmp_path / "base", hidden_size=1024, num_hidden_layers=1)

    model = models.load_reward_model(Path(folder), seed=0)

    assert model.score.weight.std().item() == pytest.approx((1024 + 1) ** -0.5, rel=0.05)
    assert model.score.bias is None


def test_each_response_is_forwarded_once_however_many_rank_it(base, tokenizer):
    """R3."""
    rows = [
        RankingRow(**ranking("p", ["a", "b", "c"], ranks, labeler=f"l{n}", weight=0.5))
        for n, ranks in enumerate(([1, 2, 3], [2, 1, 3]))
    ]
    model = models.load_reward_model(Path(base), seed=0)
    prompts = group_by_prompt(tokenizer, rows, max_tokens=99)
    forwarded = []
    model.base_model.register_forward_pre_hook(lambda _, inputs: forwarded.append(len(inputs[0])))

    loss, _ = train_reward.accumulate_loss(model, prompts, RewardSettings())

    assert forwarded == [3]
    # With opposite opinions about the first pair the loss is the mean of both rankings'.
    scores = train_reward.score_prompts(model, prompts)
    softplus = torch.nn.functional.softplus
    gaps = torch.stack(
        [scores[1] - scores[0], scores[0] - scores[1]]
        + 2 * [scores[2] - scores[0]]
        + 2 * [scores[2] - scores[1]]
    )
    assert loss == pytest.approx(softplus(gaps).mean().item(), abs=1e-6)


@pytest.mark.parametrize("max_padded_tokens", [16_384, 1])
def test_prompts_of_different_size_weigh_the_same(base, tokenizer, monkeypatch, max_padded_tokens):
    """R8, also when each prompt needs a forward pass of its own."""
    monkeypatch.setattr(optimization, "MAX_PADDED_TOKENS", max_padded_tokens)
    model = models.load_reward_model(Path(base), seed=0)
    rows = [
        RankingRow(**ranking("p", ["a", "b"], [1, 2])),
        RankingRow(**ranking("q", ["c", "d", "e", "f"], [1, 2, 3, 4])),
    ]
    prompts = group_by_prompt(tokenizer, rows, max_tokens=99)

    both, _ = train_reward.accumulate_loss(model, prompts, RewardSettings())
    each = [train_reward.accumulate_loss(model, [one], RewardSettings())[0] for one in prompts]

    assert both == pytest.approx(sum(each) / 2, abs=1e-6)


def test_no_group_is_on_two_sides_and_a_tenth_is_held_out_when_the_rows_do_not(tokenizer):
    """R17."""
    rows = [
        RankingRow(**ranking(str(n), ["a", "b"], [1, 2], group=f"g{n // 2}")) for n in range(40)
    ]
    prompts = group_by_prompt(tokenizer, rows, max_tokens=99)

    train, held = split_held_out(prompts)

    assert (len(train), len(held)) == (36, 4)
    assert not {prompt.group for prompt in train} & {prompt.group for prompt in held}


def test_a_reward_run_learns_a_rule_and_centers_demonstrations(tmp_path, base, train):
    """R10, R9."""
    spec = RewardSpec(
        base_model=base,
        settings=RewardSettings(epochs=12, learning_rate=1e-2, batch_size=8),
        demonstrations="demonstrations.jsonl",
    )
    rows = rankings_by_share_of_a(80)
    rows.append(ranking("ties", ["x", "y"], [1, 1]))
    demonstrations = [
        {"prompt_id": str(n), "messages": user(f"Question {n}"), "response": "aaaa"}
        for n in range(5)
    ]
    run_dir = make_run(tmp_path / "run", spec, rankings=rows, demonstrations=demonstrations)

    done = train("reward", run_dir)

    assert done.returncode == 0, done.stderr
    result = rundir.read_result(run_dir)
    assert result.metrics["accuracy/validation"] > 0.85
    assert result.metrics["accuracy/validation_low"] > 0.7
    assert result.rows["prompts_without_comparison"] == 1
    assert result.rows["prompts_validation"] == 20
    steps = rundir.read_metrics_from(run_dir, 0).rows
    assert steps[0]["loss/reward"] > steps[-1]["loss/reward"]
    model = models.load_reward_model(run_dir / "model", seed=0)
    tokenizer = models.load_tokenizer(run_dir / "model")
    examples = data.encode_examples(
        tokenizer,
        [[Message(**row["messages"][0])] for row in demonstrations],
        [row["response"] for row in demonstrations],
        max_tokens=99,
    )
    assert forward.scores(model, data.collate(examples)).mean().item() == pytest.approx(0, abs=1e-3)


def test_a_reward_run_on_ties_only_is_refused(tmp_path, base, train):
    run_dir = make_run(
        tmp_path / "run",
        RewardSpec(base_model=base, settings=RewardSettings()),
        rankings=[ranking("p", ["a", "b"], [1, 1])],
    )

    done = train("reward", run_dir)

    assert done.returncode == 2
    assert "no strict comparison" in done.stderr.splitlines()[-1]


def test_a_tokenizer_that_is_larger_than_the_model_is_refused(tmp_path, train):
    base = save_base(tmp_path / "base", vocab_size=100)
    make_tokenizer().save_pretrained(base)
    run_dir = make_run(
        tmp_path / "run",
        RewardSpec(base_model=base, settings=RewardSettings()),
        rankings=[ranking("p", ["a", "b"], [1, 2])],
    )

    done = train("reward", run_dir)

    assert done.returncode == 2
    assert "the tokenizer has 259 tokens but the model only 100" in done.stderr.splitlines()[-1]
