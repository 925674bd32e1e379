"""Supervised fine-tuning: what the loss looks at, and a whole run."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.trainer.conftest import Reads, lineage_of, make_run, make_tokenizer, save_base, user
from tests.trainer.test_adapters import save_family
from trainer import data, forward, language_loss, models, rundir, shared_prompt, train_sft
from trainer.errors import RunRefusedError
from trainer.running import optimization
from trainer.running.lineage import model_sha256
from trainer.running.schedule import plan_batches
from trainer.sft import selection
from trainer.sft.demonstrations import split_demonstrations
from trainer.spec import DemonstrationRow, Message, SFTSettings, SFTSpec

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


def pack_all(policy, examples):
    return shared_prompt.pack(policy, [example.tree() for example in examples])


def test_the_loss_ignores_prompt_tokens_and_counts_the_closing_eos(base, tokenizer, monkeypatch):
    """S1."""
    policy = models.load_policy(Path(base), seed=0)
    packed = pack_all(policy, encode(tokenizer, [("Hello", "Hi"), ("A longer prompt", "Yes")]))
    hidden = shared_prompt.hidden_states(policy, packed, read=packed.before_once)
    hidden = hidden.detach().requires_grad_()
    monkeypatch.setattr(forward, "hidden_states", lambda *_, **__: hidden)

    forward.text_loss(policy, packed).backward()

    # <|user|>Hello<|end|><|assistant|> are 8 tokens, Hi<|end|> 3; then 18 and 4.
    predicting = [7, 8, 9, 11 + 17, 11 + 18, 11 + 19, 11 + 20]
    assert hidden.grad.abs().sum(-1).nonzero().flatten().tolist() == predicting
    assert tokenizer.decode(packed.targets) == "Hi<|end|>Yes<|end|>"


@pytest.mark.parametrize("pack", [shared_prompt.pack_shared, shared_prompt.pack_separately])
def test_the_loss_is_the_same_whether_the_pad_id_is_the_eos_id_or_not(base, monkeypatch, pack):
    """S3."""
    policy = models.load_policy(Path(base), seed=0)
    losses = []
    for pad, pad_id in (("<|end|>", 2), ("a", 40)):
        monkeypatch.setattr(shared_prompt, "PAD_ID", pad_id)
        examples = encode(make_tokenizer(pad=pad), [("Hi", "a"), ("Tell me more", "No, thank you")])
        losses.append(forward.text_loss(policy, pack([one.tree() for one in examples])).item())

    assert losses[0] == losses[1]


def test_the_rate_starts_at_the_peak_and_ends_at_a_tenth_of_it():
    """S4."""
    shares = [optimization.cosine_share(step, steps=11) for step in range(11)]

    assert shares[0] == 1.0
    assert shares[-1] == pytest.approx(0.1)
    assert shares[5] == pytest.approx(0.55)


def ready_for_one_step(base, rows, **settings):
    chosen = SFTSettings(batch_size=len(rows), epochs=1, learning_rate=1e-3, **settings)
    policy = models.load_policy(Path(base), seed=0, compute=chosen)
    tokenizer = make_tokenizer()
    demonstrations = split_demonstrations(
        [DemonstrationRow.model_validate(row) for row in rows], tokenizer, max_tokens=256
    )
    return policy, demonstrations, chosen


def test_demonstrations_of_which_no_prompt_is_left_are_refused(tokenizer):
    rows = [{"prompt_id": "p", "messages": user("Hi"), "response": "r" * 12}] * 2
    rows = [DemonstrationRow.model_validate(row) for row in rows]
    # <|user|> H i <|end|> <|assistant|> are 5 tokens, the response with its EOS 13.
    assert len(split_demonstrations(rows, tokenizer, max_tokens=15).train) == 2

    with pytest.raises(RunRefusedError) as refused:
        split_demonstrations(rows, tokenizer, max_tokens=14)

    assert str(refused.value) == (
        "cut to max_tokens 14, no demonstration has more than one token of its prompt; raise "
        "max_tokens, or take a model with more positions"
    )


def test_it_is_said_when_most_demonstrations_are_cut(tokenizer, caplog):
    rows = [
        DemonstrationRow.model_validate({"prompt_id": "p", "messages": user("Hi"), "response": r})
        for r in ("r" * 12, "r" * 12, "r")
    ]

    split_demonstrations(rows[1:], tokenizer, max_tokens=16)
    assert caplog.text == ""
    split_demonstrations(rows, tokenizer, max_tokens=16)

    assert "2 of the 3 demonstrations to train on are cut to max_tokens 16; raise" in caplog.text


def ragged_rows():
    return [
        {"prompt_id": str(n), "messages": user("p" * n), "response": "r" * (24 * n)}
        for n in range(1, 9)
    ]


def test_one_step_of_ragged_micro_batches_equals_one_step_of_a_whole_batch(tmp_path, base):
    """S5: eight sequences in one forward pass, and in four or more."""
    stepped = []
    for name, budget in (("whole", 16_384), ("parts", 256)):
        policy, demonstrations, settings = ready_for_one_step(
            base, ragged_rows(), tokens_per_forward=budget
        )
        spec = SFTSpec(base_model=base, settings=settings)
        run_dir = make_run(tmp_path / name, spec, demonstrations=ragged_rows())
        passes = list(language_loss.packed_batches(policy, demonstrations.train, budget))
        metrics = train_sft.train_policy(
            policy,
            demonstrations,
            spec,
            run_dir,
            lineage=lineage_of(spec, run_dir),
            selection=None,
        )
        stepped.append((len(passes), metrics["loss/sft"], list(policy.parameters())))

    (one, whole_loss, whole), (several, parts_loss, parts) = stepped
    assert one == 1
    assert several >= 4
    assert parts_loss == pytest.approx(whole_loss, abs=1e-6)
    for parameter, expected in zip(parts, whole, strict=True):
        assert torch.allclose(parameter, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_packed_row_has_the_loss_and_gradients_of_separate_rows(tmp_path, tokenizer, family):
    """S6: against transformers' own forward of one unpadded sequence at a time.

    GPT-2 knows positions as such, Llama only how far they are apart.
    """
    policy = models.load_policy(save_family(tmp_path / family, family), seed=0)
    examples = encode(tokenizer, [("p" * n, "r" * (2 * n)) for n in range(1, 9)])
    packed_row = pack_all(policy, examples)
    # A model whose packed forward is wrong would be given padded rows, which hide it.
    assert packed_row.layout is not None
    forward.text_loss(policy, packed_row).div(8).backward()
    packed = [parameter.grad.clone() for parameter in policy.parameters()]
    policy.zero_grad()

    plain = 0.0
    for example in examples:
        tokens = torch.tensor([example.tokens])
        labels = tokens.clone()
        labels[0, : example.prompt_length] = -100
        count = len(example.tokens) - example.prompt_length
        plain = plain + policy(tokens, labels=labels).loss * count / 8
    plain.backward()

    loss = forward.text_loss(policy, packed_row).item() / 8
    assert loss == pytest.approx(plain.item(), rel=1e-6)
    for parameter, gradient in zip(policy.parameters(), packed, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-5, atol=1e-6)


def test_the_plan_holds_every_example_once_an_epoch_and_depends_on_the_seed_only():
    settings = SFTSettings(epochs=2.5, batch_size=3, seed=1)

    plan = plan_batches(range(7), settings)

    assert len(plan) == round(2.5 * 3)
    assert sorted(index for batch in plan[:3] for index in batch) == list(range(7))
    assert sorted(index for batch in plan[3:6] for index in batch) == list(range(7))
    assert plan == plan_batches(range(7), settings)


def test_batches_are_drawn_without_regard_to_length():
    """Packed rows waste nothing on short examples, and batches of one length pull unevenly."""
    plan = plan_batches(range(1000), SFTSettings(epochs=1, batch_size=10))

    assert sorted(index for batch in plan for index in batch) == list(range(1000))
    spans = [max(batch) - min(batch) for batch in plan]
    # Of ten drawn from a thousand the span is 818 on average, with a deviation of 111.
    assert sum(spans) / len(spans) > 750


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
    settings = SFTSettings(epochs=100, learning_rate=1e-2, batch_size=4)
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
    assert result.rows == {"train": 6, "validation": 2, "dropped": 0, "cut": 0}
    assert steps[-1]["tokens"] == 2 * sum(len(f"Say {n}{n} it is") + 4 for n in range(6))
    assert steps[-1]["seconds_left"] == 0.0
    assert result.model == "model"
    assert (run_dir / "heartbeat").exists()
    assert not (run_dir / "model.tmp").exists()
    assert not (run_dir / "checkpoints").exists()
    assert stderr.count("needs about") == 1


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


def test_the_result_says_what_became_of_every_row_and_what_the_model_was_made_of(
    tmp_path, base, train
):
    settings = SFTSettings(epochs=1, learning_rate=1e-3, batch_size=3, max_tokens=20, seed=5)
    rows = [
        {"prompt_id": "a", "messages": user("One"), "response": "1"},
        {"prompt_id": "a", "messages": user("One"), "response": "the answer is: one"},
        {"prompt_id": "b", "messages": user("Two"), "response": " "},
        {"prompt_id": "c", "messages": user("Three"), "response": "3", "split": "validation"},
    ]
    spec = SFTSpec(base_model=base, settings=settings, dataset_sha256="d" * 64)
    run_dir = make_run(tmp_path / "run", spec, demonstrations=rows)

    done = train("sft", run_dir)

    assert done.returncode == 0, done.stderr
    result = rundir.read_result(run_dir)
    assert result.rows == {"train": 2, "validation": 1, "dropped": 1, "cut": 1}
    lineage = result.lineage
    assert lineage.rows_used == ["a", "a#2"]
    assert lineage.rows_dropped == {
        "b": "its response is empty",
        "c": "held out: its split is 'validation'",
    }
    assert lineage.rows_cut == {"a#2": "its beginning, to 20 tokens"}
    content = (run_dir / "demonstrations.jsonl").read_bytes()
    assert lineage.files == {"demonstrations.jsonl": hashlib.sha256(content).hexdigest()}
    assert lineage.parents == {"base_model": model_sha256(Path(base))}
    assert lineage.settings == settings.model_dump()
    assert (lineage.seed, lineage.dataset_sha256) == (5, "d" * 64)


def test_a_row_that_no_step_reaches_is_not_counted_as_trained_on(tmp_path, base, train):
    settings = SFTSettings(epochs=0.5, batch_size=1, max_tokens=40)
    rows = [{"prompt_id": name, "messages": user(name), "response": name} for name in "abcd"]
    run_dir = make_run(
        tmp_path / "run", SFTSpec(base_model=base, settings=settings), demonstrations=rows
    )

    assert train("sft", run_dir).returncode == 0

    lineage = rundir.read_result(run_dir).lineage
    assert len(lineage.rows_used) == 2
    assert set(lineage.rows_dropped.values()) == {"the run ended before its turn"}
    assert sorted([*lineage.rows_used, *lineage.rows_dropped]) == ["a", "b", "c", "d"]


def test_the_saved_model_is_the_one_that_the_reward_model_scores_best(tmp_path, base, train):
    """S7: not the one with the lowest loss; the judge is random, so that the two differ."""
    judge = save_judge(tmp_path / "judge")
    settings = SFTSettings(epochs=10, learning_rate=1e-2, batch_size=8)
    spec = SFTSpec(base_model=base, settings=settings, reward_model=judge)
    run_dir = make_run(tmp_path / "run", spec, demonstrations=DEMONSTRATIONS)

    done = train("sft", run_dir)

    assert done.returncode == 0, done.stderr
    steps = rundir.read_metrics_from(run_dir, 0).rows
    rewards = [row["reward/validation"] for row in steps]
    losses = [row["loss/validation"] for row in steps]
    best = rewards.index(max(rewards))
    assert best != losses.index(min(losses))
    result = rundir.read_result(run_dir)
    assert result.metrics["selection/step"] == best
    assert result.metrics["selection/reward"] == max(rewards)
    assert set(result.lineage.parents) == {"base_model", "reward_model"}
    saved = models.load_policy(run_dir / "model", seed=0)
    held = encode(make_tokenizer(), [(f"Say {n}", f"{n} it is") for n in (6, 7)])
    loss = language_loss.mean_loss(saved, held, tokens_per_forward=256)
    assert loss == pytest.approx(losses[best], abs=1e-6)


def test_an_answer_that_was_cut_is_scored_without_eos(tmp_path, base, monkeypatch):
    """As a reward model learns to read such an answer, and as PPO shows it one."""
    monkeypatch.setattr(selection, "ANSWER_TOKENS", 12)
    policy, tokenizer = models.load_policy(Path(base), seed=0), make_tokenizer()
    prompts = [[Message(role="user", content=f"Say {n}")] for n in range(64)]
    judge = save_judge(tmp_path / "judge")
    chosen = selection.open_selection(judge, policy, tokenizer, prompts, SFTSettings(seed=4))
    drawn, draw = [], selection.draw_responses

    def draw_and_note(*arguments, **options):
        drawn.extend(draw(*arguments, **options))
        return drawn

    monkeypatch.setattr(selection, "draw_responses", draw_and_note)

    score = chosen.consider(policy, step=0)

    assert {one.finish for one in drawn} == {"stop", "length"}
    texts = [tokenizer.decode(one.tokens, skip_special_tokens=True) for one in drawn]
    examples = encode(tokenizer, [(f"Say {n}", text) for n, text in enumerate(texts)])
    trees = [
        shared_prompt.Tree(one.prompt, (one.response[: None if of.finish == "stop" else -1],))
        for one, of in zip(examples, drawn, strict=True)
    ]
    expected = forward.scores(chosen.judge.model, shared_prompt.pack_shared(trees))
    assert score == pytest.approx(expected.mean().item(), abs=1e-5)


def test_a_reward_model_without_scores_ends_the_run_and_is_named(tmp_path, base, train):
    """R-17: no score is above one that is not a number, so that the first weights would win."""
    judge = save_judge(tmp_path / "judge", head=torch.nan)
    settings = SFTSettings(epochs=1, batch_size=8, checkpoint_minutes=0)
    spec = SFTSpec(base_model=base, settings=settings, reward_model=judge)
    run_dir = make_run(tmp_path / "run", spec, demonstrations=DEMONSTRATIONS)

    failed = train("sft", run_dir)

    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    error = rundir.read_failure(run_dir).error
    assert error.startswith(f"the reward model {judge} scores the answers sampled at step 0 nan")
    assert not (run_dir / "model").exists()


def save_judge(folder, *, head=None):
    save_base(folder, seed=3)
    judge = models.load_reward_model(folder, seed=0)
    if head is not None:
        torch.nn.init.constant_(judge.score.weight, head)
    models.save_model(judge, make_tokenizer(), folder)
    return str(folder)


@pytest.mark.parametrize(
    ("reward_model", "rows", "complaint"),
    [("base", DEMONSTRATIONS, "is not a reward model"), ("judge", DEMONSTRATIONS[:2], "held out")],
)
def test_a_selection_that_cannot_work_is_refused(
    tmp_path, base, train, reward_model, rows, complaint
):
    judge = save_judge(tmp_path / "judge") if reward_model == "judge" else base
    spec = SFTSpec(base_model=base, settings=SFTSettings(), reward_model=judge)
    run_dir = make_run(tmp_path / "run", spec, demonstrations=rows)

    done = train("sft", run_dir)

    assert done.returncode == 2
    assert complaint in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("tokens_per_forward", [16, 4096])
def test_the_losses_of_a_step_are_read_once_however_many_forward_passes_it_has(
    base, tokenizer, tokens_per_forward
):
    policy = models.load_policy(Path(base), seed=0)
    texts = data.encode_texts(tokenizer, ["some text", "another", "a third one"], max_tokens=32)
    settings = SFTSettings().model_copy(update={"tokens_per_forward": tokens_per_forward})

    with Reads() as training:
        losses = train_sft.accumulate_losses(
            policy, texts, [], settings, SimpleNamespace(until_stopped=iter)
        )
    with Reads() as measuring:
        loss = language_loss.mean_loss(policy, texts, tokens_per_forward=tokens_per_forward)

    assert losses.demonstrations == pytest.approx(loss, rel=1e-6)
    assert training.count == 2  # and the sum over no texts
    assert measuring.count == 1
