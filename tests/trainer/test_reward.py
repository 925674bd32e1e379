"""The reward model: what is forwarded, where the reward is read, what is saved, a whole run."""

import dataclasses
import math
import os
import random
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification

from tests.trainer.conftest import make_run, make_tokenizer, save_base, user
from trainer import data, forward, models, rundir
from trainer.architecture import reward_head
from trainer.errors import RunDivergedError
from trainer.losses import kwise_loss
from trainer.preference import comparisons, kwise_step, reward_step
from trainer.preference.preferences import read_preferences
from trainer.preference.rankings import fit, group_by_prompt, keep_labelers, split_held_out
from trainer.running.schedule import plan_batches
from trainer.shared_prompt import Tree, pack, pack_separately, pack_shared
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


def rankings_by_share_of_a(count, *, responses=4, seed=0):
    """Rankings where more of the letter `a` is better."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        shares = draw.sample(range(9), responses)
        texts = ["".join(draw.sample("a" * n + "b" * (8 - n), 8)) for n in shares]
        ranks = [1 + sum(other > share for other in shares) for share in shares]
        rows.append(ranking(str(number), texts, ranks, split="train" if number % 4 else "test"))
    return rows


def pack_texts(model, tokenizer, texts):
    """Each text with a short prompt of its own."""
    conversations = [[Message(role="user", content="Hi")]] * len(texts)
    examples = data.encode_examples(tokenizer, conversations, texts, max_tokens=99)
    return pack(model, [example.tree() for example in examples])


def accumulate_loss(model, prompts, settings):
    """The mean loss over the prompts, whose gradient the model has afterwards."""
    score = partial(reward_step.score_prompts, model)
    return kwise_step.accumulate_loss(model, score, prompts, settings)[0]


def prompts_of(tokenizer, *rows, max_tokens=200):
    return group_by_prompt(tokenizer, [RankingRow(**row) for row in rows], max_tokens=max_tokens)


@pytest.mark.parametrize("pad", [None, "<|end|>", "a"])
def test_the_reward_is_read_at_the_eos_whatever_the_pad_id_is(tmp_path, pad):
    """R7."""
    folder = Path(save_base(tmp_path / "base", pad=pad))
    tokenizer = models.load_tokenizer(folder)
    model = models.load_reward_model(folder, seed=1)
    packed = pack_texts(model, tokenizer, ["short", "a longer response"])

    scores = forward.scores(model, packed)

    alone = packed.tokens[:, : int(packed.ends[0]) + 1]
    hidden = model.base_model(alone).last_hidden_state
    assert alone[0, -1] == tokenizer.eos_token_id
    assert scores[0].item() == pytest.approx(model.score(hidden[0, -1]).item(), abs=1e-6)


def cut(row, *places):
    """The row, the responses at these places cut at the limit while they were sampled."""
    responses = [
        {**response, "finish": "length" if place in places else "stop"}
        for place, response in enumerate(row["responses"])
    ]
    return {**row, "responses": responses}


def test_a_response_that_was_cut_has_no_eos_and_is_read_at_its_last_token(base, tokenizer):
    """R7, P10: as PPO shows such a response to the reward model."""
    row = ranking("p", ["ab", "c", ""], [1, 2, 3])
    (prompt,) = prompts_of(tokenizer, cut(row, 1, 2))
    model = models.load_reward_model(Path(base), seed=0)

    scores = reward_step.score_prompts(model, [prompt])

    a, b, c = tokenizer.convert_tokens_to_ids(list("abc"))
    eos = tokenizer.eos_token_id
    # A response has at least one token.
    assert prompt.tree.responses == ((a, b, eos), (c,), (eos,))
    assert prompt.unfinished == 1
    hidden = model.base_model(torch.tensor([[*prompt.tree.prompt, c]])).last_hidden_state
    assert scores[1].item() == pytest.approx(model.score(hidden[0, -1]).item(), abs=1e-6)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.text(min_size=1), st.booleans()), min_size=2, max_size=9))
def test_cut_and_finished_responses_differ_by_exactly_the_eos(drawn):
    tokenizer = make_tokenizer()
    texts = [text for text, _ in drawn]
    row = ranking("p", texts, [1] * len(texts))
    row["responses"] = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
    places = [place for place, (_, is_cut) in enumerate(drawn) if is_cut]

    (unknown,) = prompts_of(tokenizer, row, max_tokens=9999)
    (finished,) = prompts_of(tokenizer, cut(row), max_tokens=9999)
    (unfinished,) = prompts_of(tokenizer, cut(row, *places), max_tokens=9999)

    assert unknown == finished
    assert unfinished.unfinished == len(places)
    for (_, is_cut), whole, own in zip(
        drawn, finished.tree.responses, unfinished.tree.responses, strict=True
    ):
        assert whole == (*own, tokenizer.eos_token_id) if is_cut else whole == own


@pytest.mark.parametrize("order", [1, -1])
def test_a_response_was_cut_when_any_ranking_of_it_says_so(tokenizer, order):
    """Files that were put together: an older export does not say why a response ended."""
    older = ranking("p", ["a", "b"], [1, 2], labeler="l1")
    newer = cut(ranking("p", ["a", "b"], [1, 2], labeler="l2"), 1)

    (prompt,) = prompts_of(tokenizer, *[older, newer][::order])

    assert [len(response) for response in prompt.tree.responses] == [2, 1]


@pytest.mark.parametrize("pad", [None, "<|end|>", "<|user|>"])
def test_the_plain_classifier_reads_the_same_reward_from_the_saved_folder(tmp_path, pad):
    """R7, R10, R15: the bias is saved, loaded and applied exactly once."""
    folder = Path(save_base(tmp_path / "base", pad=pad))
    tokenizer = models.load_tokenizer(folder)
    model = models.load_reward_model(folder, seed=1)
    reward_head.use_padding_of(model, tokenizer)
    reward_head.set_bias(model, 0.25)
    packed = pack_texts(model, tokenizer, ["an answer"])

    (tmp_path / "saved").mkdir()
    models.save_model(model, tokenizer, tmp_path / "saved")

    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", num_labels=1)
    ours = models.load_reward_model(tmp_path / "saved", seed=99)
    expected = forward.scores(model, packed)
    assert torch.equal(forward.scores(ours, packed), expected)
    assert reward_head.bias_of(ours) == 0.25
    assert plain(packed.tokens).logits[0, 0].item() == pytest.approx(expected.item() + 0.25)


def test_what_else_is_in_the_forward_pass_changes_no_score(base, tokenizer):
    """R6: neither other trees in the row nor padding to a longer one."""
    model = models.load_reward_model(Path(base), seed=0)
    trees = [Tree((5, 6), ((7, 2), (8, 9, 10, 2))), Tree(tuple(range(20, 60)), ((3, 2),))]

    alone = forward.scores(model, pack_shared(trees[:1]))
    together = forward.scores(model, pack_shared(trees))
    padded = forward.scores(model, pack_separately(trees))

    assert torch.allclose(together[:2], alone, atol=1e-6)
    assert torch.allclose(padded[:2], alone, atol=1e-6)


def widened(packed, columns, pad_id):
    """Rows of one response each with more padding, and with another id."""
    width = packed.tokens.shape[1]
    is_token = torch.arange(width) <= (packed.ends % width)[:, None]
    tokens = torch.nn.functional.pad(
        packed.tokens.where(is_token, pad_id), (0, columns), value=pad_id
    )
    return dataclasses.replace(
        packed, tokens=tokens, ends=packed.ends + packed.ends // width * columns
    )


@pytest.mark.parametrize("pad_id", [0, 2, 40])
def test_padding_columns_and_the_pad_id_change_no_score(base, pad_id):
    """R6: seven more on the right of rows, or pad tokens left and right of trees in one row."""
    model = models.load_reward_model(Path(base), seed=0)
    trees = [Tree((5, 6), ((7, 2), (8, 9, 10, 2))), Tree((5, 9, 11), ((3, 2),))]
    padding = Tree((pad_id,) * 6, ((pad_id,),))

    expected = forward.scores(model, pack_shared(trees))
    wide = forward.scores(model, widened(pack_separately(trees), 7, pad_id))
    left = forward.scores(model, pack_shared([padding, *trees]))
    right = forward.scores(model, pack_shared([*trees, padding]))

    for scores in (wide, left[1:], right[:-1]):
        assert torch.allclose(scores, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", [(7, 0), (0, 7)], ids=["left", "right"])
@pytest.mark.parametrize("pad", ["<|user|>", "a"])
def test_the_plain_classifier_reads_the_same_reward_from_padded_rows(tmp_path, pad, side):
    """R6: a saved reward model, as others use it."""
    folder = Path(save_base(tmp_path / "base", pad=pad))
    tokenizer = models.load_tokenizer(folder)
    model = models.load_reward_model(folder, seed=1)
    reward_head.use_padding_of(model, tokenizer)
    packed = pack_texts(model, tokenizer, ["an answer"])
    expected = forward.scores(model, packed)
    (tmp_path / "saved").mkdir()
    models.save_model(model, tokenizer, tmp_path / "saved")

    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", num_labels=1)
    tokens = torch.nn.functional.pad(packed.tokens, side, value=tokenizer.pad_token_id)
    is_token = torch.nn.functional.pad(torch.ones_like(packed.tokens), side)
    positions = (is_token.cumsum(1) - 1).clamp(min=0)
    logits = plain(tokens, attention_mask=is_token, position_ids=positions).logits

    assert logits[0].item() == pytest.approx(expected.item(), abs=1e-6)


def test_shared_and_separate_forward_give_the_same_scores_and_gradients(base, tokenizer):
    """R5."""
    prompts = prompts_of(
        tokenizer,
        ranking("p", ["a", "bbbb", "cc"], [1, 2, 3]),
        ranking("q", ["dd", "eeeeeeee"], [2, 1]),
    )
    trees = [prompt.tree for prompt in prompts]
    compared = comparisons.collate(prompts, "drop", torch.device("cpu"))
    found = []
    for way in (pack_shared, pack_separately):
        model = models.load_reward_model(Path(base), seed=0)
        scores = forward.scores(model, way(trees))
        kwise_loss(scores, *compared).backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.requires_grad]
        found.append((scores, gradients))

    (shared, shared_gradients), (separate, separate_gradients) = found
    assert torch.allclose(shared, separate, atol=1e-5)
    for one, other in zip(shared_gradients, separate_gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_head_starts_with_the_spread_of_the_original_code(tmp_path):
    """R13."""
    folder = save_base(tmp_path / "base", hidden_size=1024, num_hidden_layers=1)

    model = models.load_reward_model(Path(folder), seed=0)

    assert model.score.weight.std().item() == pytest.approx((1024 + 1) ** -0.5, rel=0.05)
    assert model.score.bias is None


def test_the_prompt_and_each_response_are_forwarded_once_however_many_rank_them(base, tokenizer):
    """R3."""
    prompts = prompts_of(
        tokenizer,
        ranking("p", ["a", "b", "c"], [1, 2, 3], labeler="l1", weight=0.5),
        ranking("p", ["a", "b", "c"], [2, 1, 3], labeler="l2", weight=0.5),
        ranking("q", ["dddd", "e"], [1, 2]),
    )
    model = models.load_reward_model(Path(base), seed=0)
    forwarded = []
    model.base_model.register_forward_pre_hook(
        lambda _, inputs: forwarded.append(tuple(inputs[0].shape))
    )

    loss = accumulate_loss(model, prompts, RewardSettings())

    # <|user|> "Question p" <|end|> <|assistant|> is 13 tokens; each response has its EOS.
    assert forwarded == [(1, (13 + 3 * 2) + (13 + 5 + 2))]
    # With opposite opinions about the first pair the loss of p is the mean of both rankings'.
    scores = reward_step.score_prompts(model, prompts)
    softplus = torch.nn.functional.softplus
    gaps = torch.stack(
        [scores[1] - scores[0], scores[0] - scores[1]]
        + 2 * [scores[2] - scores[0]]
        + 2 * [scores[2] - scores[1]]
    )
    of_q = softplus(scores[4] - scores[3])
    assert loss == pytest.approx((softplus(gaps).mean() + of_q).item() / 2, abs=1e-6)


def test_what_is_reported_of_scores_is_their_scale_and_the_margin_as_the_loss_weighs_it(tokenizer):
    prompts = prompts_of(
        tokenizer,
        ranking("p", ["a", "b"], [1, 2]),
        ranking("q", ["c", "d", "e"], [1, 2, 2]),
    )

    metrics = reward_step.describe(torch.tensor([3.0, 1.0, 2.0, 0.0, -1.0]), prompts, "drop")

    assert metrics["reward/mean"] == pytest.approx(1.0)
    assert metrics["reward/std"] == pytest.approx(2**0.5)
    assert metrics["reward/margin"] == pytest.approx((2 + (2 + 3) / 2) / 2)


def test_a_ranking_of_ties_leaves_its_weight_to_the_others_of_its_slate(tokenizer):
    """R8."""
    (prompt,) = prompts_of(
        tokenizer,
        ranking("p", ["a", "b", "c"], [1, 1, 1], labeler="ada", weight=0.5),
        ranking("p", ["a", "b", "c"], [1, 2, 2], labeler="bob", weight=0.5),
    )

    dropped, halved = (comparisons.comparisons_in(prompt, ties) for ties in ("drop", "half"))

    assert [row.weight for row in dropped] == [0.5, 0.5]  # two comparisons, together 1
    assert sum(row.weight for row in halved) == pytest.approx(1)


def test_the_slates_of_a_prompt_share_its_weight(tokenizer):
    """R8: a prompt that was sampled again in a later round counts as much as any other."""
    (prompt,) = prompts_of(
        tokenizer,
        ranking("p", ["a", "b", "c"], [1, 2, 2]),
        ranking("p", ["d", "e"], [2, 1], labeler="ada", weight=0.5),
        ranking("p", ["d", "e"], [1, 1], labeler="bob", weight=0.5),
        ranking("p", ["f", "g"], [1, 1]),
    )

    rows = comparisons.comparisons_in(prompt, "drop")

    assert rows == [(0, 1, 0.25), (0, 2, 0.25), (4, 3, 0.5)]


@pytest.mark.parametrize("tokens_per_forward", [16_384, 256])
def test_prompts_of_different_size_weigh_the_same(base, tokenizer, tokens_per_forward):
    """R8, also when the prompts do not fit into one forward pass."""
    model = models.load_reward_model(Path(base), seed=0)
    settings = RewardSettings(tokens_per_forward=tokens_per_forward)
    prompts = prompts_of(
        tokenizer,
        ranking("p", ["a" * 90, "b" * 90], [1, 2]),
        ranking("q", ["c", "d", "e" * 90, "f"], [1, 2, 3, 4]),
    )
    passes = list(comparisons.micro_batches(model, prompts, tokens=tokens_per_forward))

    both = accumulate_loss(model, prompts, settings)
    each = [accumulate_loss(model, [one], settings) for one in prompts]

    assert len(passes) == (1 if tokens_per_forward > 256 else 2)
    assert both == pytest.approx(sum(each) / 2, abs=1e-6)


def test_with_equal_scores_every_prompt_adds_ln_2_whatever_its_size(tokenizer):
    """R1, R8."""
    prompts = prompts_of(
        tokenizer,
        ranking("p", ["a", "b"], [1, 2]),
        ranking("q", list("cdefghijk"), [1, 2, 2, 3, 4, 5, 6, 7, 8]),
        ranking("r", ["l", "m", "n"], [1, 2, 3], weight=0.5, labeler="l1"),
        ranking("r", ["l", "m", "n"], [2, 1, 2], weight=0.5, labeler="l2"),
        # Sampled again in a later round, where nobody could tell the third slate's answers apart.
        ranking("s", ["o", "p"], [1, 2]),
        ranking("s", ["q", "r", "s", "t"], [1, 2, 3, 4], weight=0.5, labeler="l1"),
        ranking("s", ["q", "r", "s", "t"], [1, 1, 1, 1], weight=0.5, labeler="l2"),
        ranking("s", ["u", "v"], [1, 1]),
        ranking("t", ["w", "x"], [1, 2], weight=0.25),
        ranking("u", ["w", "x", "y"], [1, 2, 3], weight=5e-324),
    )

    assert len(prompts) == 6
    for prompt in prompts:
        compared = comparisons.collate([prompt], "drop", torch.device("cpu"))
        loss = kwise_loss(torch.zeros(len(prompt.tree.responses)), *compared)
        assert loss.item() == pytest.approx(math.log(2), abs=1e-6)


def test_forward_passes_of_any_size_give_the_same_gradient(base, tokenizer):
    """R8."""
    rows = [ranking(str(n), ["a" * (7 * n % 50 + 1), "b" * 30, "c"], [1, 2, 3]) for n in range(8)]
    prompts = prompts_of(tokenizer, *rows)
    gradients = []
    for tokens in (16_384, 256):
        model = models.load_reward_model(Path(base), seed=0)
        accumulate_loss(model, prompts, RewardSettings(tokens_per_forward=tokens))
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])

    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_order_of_the_responses_changes_neither_loss_nor_gradient(base, tokenizer):
    """R20."""
    settings, found = RewardSettings(), []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        texts, ranks = ["a", "bbbbbb", "cc", ""], [2, 1, 2, 3]
        prompts = prompts_of(
            tokenizer,
            ranking("p", [texts[place] for place in order], [ranks[place] for place in order]),
        )
        model = models.load_reward_model(Path(base), seed=0)
        loss = accumulate_loss(model, prompts, settings)
        found.append((loss, [p.grad for p in model.parameters() if p.grad is not None]))

    assert found[1][0] == pytest.approx(found[0][0], abs=1e-6)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_every_prompt_is_seen_once_an_epoch_in_a_new_order(tokenizer):
    """R12 on one rank: the batch counts prompts."""
    prompts = prompts_of(tokenizer, *(ranking(str(n), ["a", "b"], [1, 2]) for n in range(10)))
    settings = RewardSettings(epochs=2, batch_size=4)

    batches = plan_batches(prompts, settings)

    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2]
    seen = [[prompt.prompt_id for batch in half for prompt in batch] for half in
            (batches[:3], batches[3:])]  # fmt: skip
    assert sorted(seen[0]) == sorted(seen[1]) == [str(n) for n in range(10)]
    assert seen[0] != seen[1]


def test_a_prompt_that_is_too_long_loses_its_beginning_once_for_all_responses():
    """R16."""
    tree = Tree((1, 2, 3, 4, 5), ((10, 11, 99), (20, 99)))

    fitting, why = fit(tree, 6)

    assert fitting == Tree((3, 4, 5), ((10, 11, 99), (20, 99)))
    assert why == "cut to max_tokens 6: the first 2 of 5 prompt tokens"
    assert fit(tree, 8) == (tree, "")


def test_of_a_response_that_alone_is_too_long_the_end_is_kept():
    """R16."""
    tree = Tree((1, 2), ((10, 11, 12, 13, 99), (20, 99)))

    fitting, why = fit(tree, 4)

    assert fitting == Tree((2,), ((12, 13, 99), (20, 99)))
    assert why == (
        "cut to max_tokens 4: the first 1 of 2 prompt tokens and the beginning of 1 responses, "
        "the longest of 5 tokens"
    )


def test_no_ranking_disappears_silently(tmp_path, tokenizer):
    """R9, R16: what was not trained on, or was cut, is named with its reason."""
    rows = [
        ranking("used", ["a", "b"], [1, 2]),
        ranking("ties", ["a", "b"], [1, 1]),
        ranking("light", ["a", "b"], [1, 2], weight=0.0),
        ranking("held", ["a", "b"], [1, 2], split="test"),
        ranking("long", ["a" * 300, "b"], [1, 2], ranking=17),
    ]
    spec = RewardSpec(base_model="base", settings=RewardSettings())
    run_dir = make_run(tmp_path / "run", spec, rankings=rows)

    use = read_preferences(spec, run_dir, tokenizer, max_tokens=200).row_use(spec.settings)

    assert use.used == ["used/l1", "17"]
    assert use.dropped == {
        "ties/l1": "no comparison: fewer than two ranks differ",
        "light/l1": "its weight is 0",
        "held/l1": "held out: measured, not trained on",
    }
    assert list(use.cut) == ["17"]


def test_what_labelers_who_are_held_out_have_ranked_is_measured_and_not_trained_on(
    tmp_path, tokenizer
):
    """R17: an export holds everybody's rankings and names the cohort."""
    held = {"labeler": "hal", "cohort": "heldout"}
    rows = [
        ranking("p", ["a", "b"], [1, 2], weight=0.5),
        ranking("p", ["a", "b"], [2, 1], weight=0.5, **held),
        ranking("q", ["a", "b"], [2, 1], **held),
        ranking("r", ["a", "b"], [1, 2], split="test", weight=0.5),
        ranking("r", ["a", "b"], [2, 1], split="test", weight=0.5, **held),
    ]
    spec = RewardSpec(base_model="base", settings=RewardSettings())
    run_dir = make_run(tmp_path / "run", spec, rankings=rows)

    preferences = read_preferences(spec, run_dir, tokenizer, max_tokens=200)

    [trained] = preferences.train
    assert [(row.labeler, row.weight) for row in trained.rankings] == [("l1", 1.0)]
    assert preferences.training_labelers == {"l1"}
    assert [row.labeler for row in preferences.held[0].rankings] == ["l1", "hal"]
    use = preferences.row_use(spec.settings)
    assert use.used == ["p/l1"]
    assert use.dropped == {
        "p/hal": "its labeler is held out",
        "q/hal": "its labeler is held out",
        "r/l1": "held out: measured, not trained on",
        "r/hal": "held out: measured, not trained on",
    }
    assert preferences.count()["rankings"] == 5


def test_a_prompt_that_no_step_reaches_is_not_counted_as_trained_on(tmp_path, tokenizer):
    rows = [ranking(f"p{number}", ["a", "b"], [1, 2]) for number in range(8)]
    spec = RewardSpec(base_model="base", settings=RewardSettings(epochs=0.5, batch_size=2))
    run_dir = make_run(tmp_path / "run", spec, rankings=rows)
    preferences = read_preferences(spec, run_dir, tokenizer, max_tokens=200)

    use = preferences.row_use(spec.settings)

    plan = plan_batches(preferences.train, spec.settings)
    reached = {f"{prompt.prompt_id}/l1" for batch in plan for prompt in batch}
    assert len(reached) == 4
    assert set(use.used) == reached
    assert set(use.dropped.values()) == {"the run ended before its turn"}
    assert len(use.used) + len(use.dropped) == 8


def test_no_group_is_on_two_sides_and_a_tenth_is_held_out_when_the_rows_do_not(tokenizer):
    """R17."""
    rows = [ranking(str(n), ["a", "b"], [1, 2], group=f"g{n // 2}") for n in range(40)]

    train, held = split_held_out(prompts_of(tokenizer, *rows))

    assert (len(train), len(held)) == (36, 4)
    sides = [{int(prompt.prompt_id) // 2 for prompt in side} for side in (train, held)]
    assert sides[0].isdisjoint(sides[1])


def test_one_held_out_prompt_takes_its_group_with_it(tokenizer):
    """R17."""
    rows = [ranking(str(n), ["a", "b"], [1, 2], group=f"g{n // 2}") for n in range(6)]
    rows[3]["split"] = "test"

    train, held = split_held_out(prompts_of(tokenizer, *rows))

    assert [prompt.prompt_id for prompt in train] == ["0", "1", "4", "5"]
    assert [prompt.prompt_id for prompt in held] == ["2", "3"]


def test_a_prompt_that_one_row_holds_out_is_not_trained_on(tokenizer):
    """R17."""
    rows = [
        ranking("p", ["a", "b"], [1, 2], labeler=labeler, split=split)
        for labeler, split in (("l1", "train"), ("l2", "validation"))
    ]

    train, held = split_held_out(prompts_of(tokenizer, *rows, ranking("q", ["a", "b"], [1, 2])))

    assert [prompt.prompt_id for prompt in train] == ["q"]
    assert [prompt.prompt_id for prompt in held] == ["p"]


def test_rankings_that_stay_take_over_the_weight_of_those_of_labelers_held_out(tokenizer):
    """R17."""
    prompts = prompts_of(
        tokenizer,
        ranking("p", ["a", "b"], [1, 2], labeler="kept", weight=0.5),
        ranking("p", ["a", "b"], [2, 1], labeler="out", weight=0.5),
        ranking("q", ["a", "b"], [2, 1], labeler="out"),
    )

    kept = keep_labelers(prompts, {"kept"})

    assert [prompt.prompt_id for prompt in kept] == ["p"]
    assert [(row.labeler, row.weight) for row in kept[0].rankings] == [("kept", 1.0)]


def test_rounds_models_and_lengths_of_the_file_are_those_that_are_judged(tokenizer):
    """An empty response has the length 1, of its EOS; a response without a model has none."""
    one, other = ranking("p", ["ab", ""], [2, 1], round=3), ranking("p", ["", "c"], [1, 2])
    one["responses"][0]["model"] = "tuned"
    one["responses"][1]["model"] = other["responses"][0]["model"] = "base"

    first, second = comparisons.judge(prompts_of(tokenizer, one, other), [0.1, 0.2, 0.3])

    assert (first.round, first.models, first.scores) == (3, ("tuned", "base"), [0.1, 0.2])
    assert (second.round, second.models, second.scores) == (None, ("base", None), [0.2, 0.3])
    assert first.token_counts[0] > 1
    assert first.token_counts[1] == second.token_counts[0] == 1


def test_a_reward_run_learns_a_rule_and_centers_demonstrations(tmp_path, base, train):
    """R10, R9, R21."""
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
    unwritten = {**demonstrations[0], "response": " "}
    run_dir = make_run(
        tmp_path / "run", spec, rankings=rows, demonstrations=[*demonstrations, unwritten]
    )

    done = train("reward", run_dir)

    assert done.returncode == 0, done.stderr
    result = rundir.read_result(run_dir)
    assert result.metrics["accuracy/validation"] > 0.85
    assert result.metrics["accuracy/validation_low"] > 0.7
    assert result.rows["prompts_without_comparison"] == 1
    assert result.rows["prompts_validation"] == 20
    assert result.metrics["reward/margin"] > result.metrics["reward/std"] > 0
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
    scores = forward.scores(model, pack(model, [example.tree() for example in examples]))
    assert scores.mean().item() == pytest.approx(0, abs=1e-3)
    assert reward_head.bias_of(model) == pytest.approx(result.metrics["reward/bias"])
    assert steps[-1]["progress"] == 1
    assert steps[-1]["seconds_left"] < 1  # held-out prompts and demonstrations are still read
    assert result.evaluation.accuracy.value == result.metrics["accuracy/validation"]
    assert result.evaluation.agreement is not None
    assert len(result.lineage.rows_used) == 60
    assert result.lineage.rows_dropped["ties/l1"].startswith("no comparison")
    assert list(result.lineage.parents) == ["base_model"]


def test_the_bias_is_the_mean_of_all_demonstrations(tmp_path, base, train, monkeypatch):
    """R10, E2: also of 600, and a SIGTERM while they are scored loses no step."""
    rows = rankings_by_share_of_a(8)
    demonstrations = [
        {"prompt_id": str(n), "messages": user("Hi"), "response": "b" * (n % 7) + "z" * (n > 512)}
        for n in range(1, 600)
    ]
    spec = RewardSpec(
        base_model=base,
        settings=RewardSettings(learning_rate=1e-3, batch_size=2, tokens_per_forward=256),
        demonstrations="demonstrations.jsonl",
    )
    run_dir = make_run(tmp_path / "run", spec, rankings=rows, demonstrations=demonstrations)
    set_bias, calls = reward_head.set_bias, []

    def stop_when_centering_begins(model, bias):
        calls.append(bias)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        set_bias(model, bias)

    with monkeypatch.context() as patched:
        patched.setattr(reward_head, "set_bias", stop_when_centering_begins)
        stopped = train("reward", run_dir)
    assert stopped.returncode == 143
    assert rundir.checkpoint_steps(run_dir)[0] == 3
    done = train("reward", run_dir)

    assert done.returncode == 0, done.stderr
    written = [row for row in demonstrations if row["response"]]
    assert rundir.read_result(run_dir).rows["demonstrations"] == len(written) == 526
    model = models.load_reward_model(run_dir / "model", seed=0)
    scores = pack_and_score(model, models.load_tokenizer(run_dir / "model"), written)
    assert sum(scores) / len(scores) == pytest.approx(0, abs=1e-3)
    assert abs(sum(scores[:450]) / 450) > 1e-3


def pack_and_score(model, tokenizer, rows):
    texts = [row["response"] for row in rows]
    return forward.scores(model, pack_texts(model, tokenizer, texts)).tolist()


def test_demonstrations_without_a_mean_end_the_run(base, tokenizer):
    """R-17: no bias is saved that is not a number."""
    model = models.load_reward_model(Path(base), seed=0)
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids("z")] = torch.nan
    conversations = [[Message(role="user", content="Hi")]] * 2
    examples = data.encode_examples(tokenizer, conversations, ["a", "z"], max_tokens=99)

    with pytest.raises(RunDivergedError, match="the demonstrations score nan on average"):
        reward_step.center(model, examples, RewardSettings())

    assert reward_head.bias_of(model) == 0
