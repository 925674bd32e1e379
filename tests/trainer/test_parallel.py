"""Two processes give the numbers of one, sample what one samples, and stop together (gloo)."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import accelerate
import psutil
import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.tensor import DTensor

from tests.processes import free_port
from tests.trainer.conftest import (
    environment,
    make_run,
    make_tokenizer,
    save_base,
    shorten_texts,
    user,
)
from tests.trainer.test_reward import rankings_by_share_of_a
from trainer import data, generate, models, rundir, train_dpo, train_sft
from trainer.__main__ import main
from trainer.architecture import sharding
from trainer.errors import RunRefusedError
from trainer.ppo.episodes import sample_episodes
from trainer.ppo.rollouts import PPOModels
from trainer.ppo.scored_texts import Shown, sample_scored
from trainer.preference import comparisons
from trainer.running import checkpoints, parallel
from trainer.running.parallel import Part, Ranks
from trainer.sft.selection import open_selection
from trainer.shared_prompt import Size
from trainer.spec import (
    DPOSettings,
    DPOSpec,
    Message,
    PPOSettings,
    PPOSpec,
    RewardSettings,
    RewardSpec,
    SampledModel,
    SampleSpec,
    Sampling,
    SFTSettings,
    SFTSpec,
)

EOS = 2
TIMES = ("tokens_per_second", "seconds")
SHARDED = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
PROMPTS = [{"prompt_id": f"p{n}", "messages": user("Tell me " + "x" * n)} for n in range(5)]
TEXTS = [{"text": "the quick brown fox"}, {"text": "jumps over"}, {"text": "lazy dogs, always"}]
DEMONSTRATIONS = [
    {
        "prompt_id": str(n),
        "messages": user(f"Say {n}"),
        "response": f"{n} it is! " * (n % 5 + 1),
        "split": "validation" if n > 8 else "train",
    }
    for n in range(11)
]
RANKINGS = [
    {**row, "labeler": f"l{n % 3}", "split": "validation" if n > 8 else "train"}
    for n, row in enumerate(rankings_by_share_of_a(12))
]


# --- two ranks -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def processes():
    """Make processes that have imported torch already: it takes seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["trainer.train_sft", "trainer.train_reward", "trainer.train_dpo", "trainer.train_ppo"]
    )
    return context


@pytest.fixture
def start(processes):
    """Start a function on some ranks that find each other as a launcher makes them."""
    started = []

    def start(function, *arguments, count=2, **variables):
        port = free_port()
        for rank in range(count):
            places = {
                "RANK": rank,
                "LOCAL_RANK": rank,
                "WORLD_SIZE": count,
                "LOCAL_WORLD_SIZE": count,
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
                "OMP_NUM_THREADS": 1,
            }
            started.append(
                processes.Process(target=be_rank, args=(places | variables, function, arguments))
            )
            started[-1].start()
        return started[-count:]

    yield start
    for process in started:
        process.kill()
        process.join()


def be_rank(variables, function, arguments):
    os.environ.update({name: str(value) for name, value in variables.items()})
    torch.set_num_threads(1)
    shorten_texts(pytest.MonkeyPatch())  # as in the process of the tests; until this one ends
    code = function(*arguments)
    os._exit(code)


def train(kind, run_dir):
    log = os.open(Path(run_dir) / f"rank{os.environ['RANK']}.txt", os.O_CREAT | os.O_WRONLY)
    os.dup2(log, sys.stderr.fileno())
    sys.stderr = open(log, "w", closefd=False)  # noqa: SIM115 - until the process ends
    return main([kind, str(run_dir), "--detached"])


def end(ranks):
    """Wait for all ranks and return their exit codes."""
    for rank in ranks:
        rank.join(120)
    return [rank.exitcode for rank in ranks]


def stderr_of(run_dir, rank):
    return (run_dir / f"rank{rank}.txt").read_text()


# --- runs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parallel")
    save_base(folder / "base")
    save_base(folder / "untied", tie_word_embeddings=False)
    reward = models.load_reward_model(folder / "base", seed=3)
    models.save_model(reward, make_tokenizer(), folder / "reward")
    return folder


def make(run_dir, kind, shared, *, base="base", **changes):
    """Make a run whose batches need several forward passes, the last of an epoch only one."""
    base = str(shared / base)
    small = {"epochs": 1.5, "batch_size": 4, "learning_rate": 1e-3, "tokens_per_forward": 256}
    if kind == "ppo":
        settings = PPOSettings(
            **{
                "steps": 2,
                "batch_size": 6,
                "minibatch_size": 4,
                "responses_per_prompt": 2,
                "max_new_tokens": 6,
                "max_tokens": 64,
                "learning_rate": 1e-3,
                "tokens_per_forward": 256,
                "ptx_coefficient": 0.5,
                "ptx_texts_per_episode": 0.5,
                "ema_decay": 0.5,
                "kl_target_nats": 2.0,
                "kl_horizon_episodes": 16,
                "whiten_rewards": True,
                "checkpoint_minutes": 0,
                **changes,
            }
        )
        spec = PPOSpec(
            base_model=base,
            reward_model=str(shared / "reward"),
            pretraining="pretraining.jsonl",
            settings=settings,
        )
        return make_run(run_dir, spec, prompts=PROMPTS, pretraining=TEXTS)
    if kind == "sft":
        judge = str(shared / "reward") if changes.pop("is_judged", False) else None
        mix = {"checkpoint_minutes": 0, "pretraining_share": 0.2}
        settings = SFTSettings(**{**small, **mix, **changes})
        spec = SFTSpec(
            base_model=base,
            settings=settings,
            pretraining="pretraining.jsonl",
            reward_model=judge,
        )
        return make_run(run_dir, spec, demonstrations=DEMONSTRATIONS, pretraining=TEXTS)
    spec = (
        RewardSpec(base_model=base, settings=RewardSettings(**{**small, **changes}))
        if kind == "reward"
        else DPOSpec(base_model=base, settings=DPOSettings(**{**small, **changes}))
    )
    return make_run(run_dir, spec, rankings=RANKINGS)


@pytest.fixture(scope="module")
def alone(shared):
    """Return what one process makes of a run; each is done once."""
    done = {}

    def alone(kind, **changes):
        key = (kind, *sorted(changes.items()))
        if key not in done:
            run_dir = make(shared / f"alone-{len(done)}", kind, shared, **changes)
            assert main([kind, str(run_dir), "--detached"]) == 0
            done[key] = run_dir
        return done[key]

    before = signal.getsignal(signal.SIGTERM)
    yield alone
    signal.signal(signal.SIGTERM, before)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_same_row(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        if key == "samples":
            for text, expected in zip(value, other[key], strict=True):
                assert_same_row(text, expected)
        elif value is None or isinstance(value, str):
            assert value == other[key]
        elif not key.startswith(TIMES):
            assert value == pytest.approx(other[key], rel=1e-4, abs=1e-5), key


def assert_same_numbers(run_dir, expected_dir):
    """Every number of every step to 1e-5, the same texts, and the same weights."""
    for name in rundir.STEP_FILES:
        expected = lines(expected_dir / name) if (expected_dir / name).exists() else []
        found = lines(run_dir / name) if expected else []
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same_row(one, other)
    result, expected = rundir.read_result(run_dir), rundir.read_result(expected_dir)
    assert result.texts == expected.texts
    assert result.rows == expected.rows
    assert result.lineage == expected.lineage
    weights = load_file(expected_dir / "model" / "model.safetensors")
    found = load_file(run_dir / "model" / "model.safetensors")
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        # Adam makes whole steps of gradients that are next to nothing: a part of one is allowed.
        assert torch.allclose(found[name], value, rtol=0, atol=2e-4), name


@pytest.mark.parametrize("kind", ["sft", "reward", "dpo", "ppo"])
def test_two_ranks_give_the_numbers_of_one(tmp_path, shared, alone, start, kind):
    """R12 and P9: losses are means and advantages are whitened over the batch of all ranks."""
    run_dir = make(tmp_path / "run", kind, shared)

    ranks = start(train, kind, run_dir)

    assert end(ranks) == [0, 0], stderr_of(run_dir, 0) + stderr_of(run_dir, 1)
    assert_same_numbers(run_dir, alone(kind))


def train_and_note_prompts(run_dir):
    """Train a reward model and write which prompts count in this rank's backward passes."""
    seen, deal = [], comparisons.micro_batches

    def note(*arguments, **options):
        for micro in deal(*arguments, **options):
            if torch.is_grad_enabled():
                seen.extend(one.prompt_id for one in micro.prompts if micro.part.weight)
            yield micro

    comparisons.micro_batches = note
    code = train("reward", run_dir)
    (run_dir / f"seen{os.environ['RANK']}.json").write_text(json.dumps(seen))
    return code


@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_ranks_sees_each_prompt_once_an_epoch_and_gives_the_numbers_of_one(
    tmp_path, shared, alone, start, count
):
    """R12."""
    run_dir = make(tmp_path / "run", "reward", shared, epochs=1.0)

    ranks = start(train_and_note_prompts, run_dir, count=count)

    assert end(ranks) == [0] * count
    seen = [json.loads((run_dir / f"seen{rank}.json").read_text()) for rank in range(count)]
    assert all(seen)
    counted = Counter(prompt for of_rank in seen for prompt in of_rank)
    assert counted == Counter(row["prompt_id"] for row in RANKINGS[:9])
    assert_same_numbers(run_dir, alone("reward", epochs=1.0))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("reward", {"labeler_folds": 2}),
        ("dpo", {}),
        ("sft", {"is_judged": True, "max_tokens": 64}),
        ("sft", {"base": "untied", "gradient_checkpointing": True, "max_gradient_norm": 0.01}),
        ("ppo", {}),
        ("ppo", {"lora_rank": 2}),
    ],
)
def test_two_ranks_that_share_the_weights_give_the_numbers_of_one(
    tmp_path, shared, alone, start, kind, changes
):
    """FSDP2, as `accelerate launch --use_fsdp --fsdp_version 2` configures it."""
    run_dir = make(tmp_path / "run", kind, shared, **changes)

    ranks = start(train, kind, run_dir, **SHARDED)

    assert end(ranks) == [0, 0], stderr_of(run_dir, 0) + stderr_of(run_dir, 1)
    assert_same_numbers(run_dir, alone(kind, **changes))


def shard_and_describe(base):
    with parallel.connected():
        policy = models.load_policy(base, seed=0)
        parameters = sum(parameter.numel() for parameter in policy.parameters())
        sharding.shard(policy)
        held = [
            parameter.to_local() if isinstance(parameter, DTensor) else parameter
            for parameter in policy.parameters()
        ]
        embeddings = policy.get_input_embeddings().weight
        with sharding.whole_weights(policy):
            within = [p.numel() for p in policy.parameters() if not isinstance(p, DTensor)]
        assert sum(within) == parameters
        assert type(embeddings) is torch.nn.Parameter  # tied: the unembedding is used as it is
        assert sum(part.numel() for part in held) - embeddings.numel() == pytest.approx(
            (parameters - embeddings.numel()) / 2, rel=0.01
        )
    return 0


def test_a_rank_holds_half_of_the_decoder(shared, start):
    ranks = start(shard_and_describe, shared / "base", **SHARDED)

    assert end(ranks) == [0, 0]


# --- the deal ------------------------------------------------------------------------------------


def sizes_of_rows(lengths):
    return [Size(length, 1, length, is_exact=True) for length in lengths]


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("items", [1, 2, 5, 23])
def test_each_item_counts_once_and_all_ranks_make_as_many_passes(monkeypatch, count, items):
    """R12."""
    lengths = [7 * n % 11 + 1 for n in range(items)]
    sizes = sizes_of_rows(lengths)
    dealt = []
    for rank in range(count):
        monkeypatch.setattr(parallel, "ranks", lambda rank=rank: Ranks(rank, count))
        dealt.append(list(parallel.deal(sizes, tokens=20)))

    counted = Counter(
        item for parts in dealt for part in parts if part.weight for item in part.items
    )
    assert counted == Counter(range(items))
    assert len({len(parts) for parts in dealt}) == 1
    assert all(sum(lengths[item] for item in part.items) <= 20 for parts in dealt for part in parts)


def test_ranks_get_passes_of_about_the_same_size():
    """One pass of 16 and one of 2 tokens would leave a rank idle."""
    parts = parallel.cut_evenly(sizes_of_rows([2] * 9), tokens=16, count=2)

    assert parts == [[0, 1, 2, 3, 4], [5, 6, 7, 8]]


def test_a_batch_that_fits_one_pass_is_still_cut_for_all_ranks():
    assert parallel.cut_evenly(sizes_of_rows([5] * 4), tokens=100, count=4) == [[0], [1], [2], [3]]


def test_repeated_passes_are_left_out_of_what_is_put_together(monkeypatch):
    monkeypatch.setattr(parallel, "ranks", lambda: Ranks(1, 2))
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda *_, **__: None)
    done = [(Part([1, 2]), torch.tensor([2.0, 3.0, 4.0])), (Part([3], 0.0), torch.tensor([5.0]))]

    assert parallel.collect(done, [1, 1, 2, 1]).tolist() == [0.0, 2.0, 3.0, 4.0, 0.0]


# --- sampling ------------------------------------------------------------------------------------


def sample_one_prompt(folder, base):
    """Write the responses that this rank has sampled, and those of all ranks."""
    own = []
    with parallel.connected():
        tokenizer, policy = make_tokenizer(), models.load_policy(base, seed=0)
        collect, prompt = parallel.collect_sequences, data.Example((5, 6, 7), 3)

        def note_and_collect(drawn, **options):
            own.extend(drawn.values())
            return collect(drawn, **options)

        parallel.collect_sequences = note_and_collect
        episodes = sample_episodes(
            policy,
            [prompt] * 5,
            PPOSettings(max_new_tokens=8),
            tokenizer=tokenizer,
            eos_id=EOS,
            iteration=0,
        )
        found = {"own": own, "all": [one.tokens[3:] for one in episodes.examples]}
        (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(found))
    return 0


def test_ranks_sample_different_responses_and_the_same_again(tmp_path, shared, start):
    """P29."""
    found = []
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
        assert end(start(sample_one_prompt, tmp_path / name, shared / "base")) == [0, 0]
        found.append([json.loads((tmp_path / name / f"{n}.json").read_text()) for n in (0, 1)])

    (first, second), again = found
    assert again == [first, second]
    assert first["all"] == second["all"]
    assert [len(rank["own"]) for rank in (first, second)] == [3, 2]
    assert first["own"] == first["all"][::2]
    assert second["own"] == first["all"][1::2]
    assert len(set(map(tuple, first["all"]))) == 5


def as_if_alone_on_the_second_rank():
    """Let it choose other tokens, as rounding that differs between two GPUs may."""
    pick = generate.pick_tokens
    if os.environ["RANK"] == "1":
        generate.pick_tokens = lambda logits, numbers, **how: pick(logits, numbers / 2, **how)


def choose_by_reward(folder):
    policy = models.load_policy(folder / "base", seed=0)
    prompts = [[Message(**one) for one in row["messages"]] for row in PROMPTS]
    settings = SFTSettings(tokens_per_forward=256)
    judge = folder / "reward"
    chosen = open_selection(str(judge), policy, make_tokenizer(), prompts, settings)
    return chosen.consider(policy, step=0)


def show_texts(folder):
    policy = models.load_policy(folder / "base", seed=0)
    reward = models.load_reward_model(folder / "reward", seed=0)
    shown = Shown("abcde", [data.Example((5, 6, n), 3) for n in range(5)])
    settings = PPOSettings(max_new_tokens=8, tokens_per_forward=256)
    loaded = PPOModels(policy, policy, reward, reward)
    texts = sample_scored(loaded, shown, make_tokenizer(), settings, eos_id=EOS)
    return [[one.response, one.score] for one in texts]


def write_what_a_rank_sees(folder, shared, look):
    with parallel.connected():
        as_if_alone_on_the_second_rank()
        (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(look(shared)))
    return 0


@pytest.mark.parametrize("look", [choose_by_reward, show_texts])
def test_all_ranks_see_the_same_scores_of_the_same_responses(tmp_path, shared, start, look):
    """Two best checkpoints would be saved as one that is neither, and sharded models would hang."""
    assert end(start(write_what_a_rank_sees, tmp_path, shared, look)) == [0, 0]

    first, second = ((tmp_path / f"{rank}.json").read_text() for rank in (0, 1))
    assert first == second


# --- ends ----------------------------------------------------------------------------------------


def wait_for_step(run_dir, ranks):
    deadline = time.monotonic() + 120
    while len(rundir.read_metrics_from(run_dir, 0).rows) < 2:
        assert all(rank.is_alive() for rank in ranks), "the run ended before it made a step"
        assert time.monotonic() < deadline, "no step was made within two minutes"
        time.sleep(0.02)


def stopped_at(run_dir):
    """The step of the newest checkpoint: the last border, or the first when that was left."""
    step = rundir.checkpoint_steps(run_dir)[0]
    assert step in {0, len(rundir.read_metrics_from(run_dir, 0).rows)}
    return step


@pytest.mark.parametrize("variables", [{}, SHARDED], ids=["whole", "sharded"])
def test_sigterm_to_one_rank_stops_both_with_a_checkpoint_to_go_on_from(
    tmp_path, shared, alone, start, variables
):
    """E2; and the run goes on as if it had never stopped."""
    changes = {"epochs": 12.0, "checkpoint_minutes": 60}
    run_dir = make(tmp_path / "run", "sft", shared, **changes)
    ranks = start(train, "sft", run_dir, **variables)
    wait_for_step(run_dir, ranks)

    ranks[1].terminate()

    assert end(ranks) == [143, 143], stderr_of(run_dir, 0) + stderr_of(run_dir, 1)
    step = stopped_at(run_dir)
    assert not (run_dir / "result.json").exists()
    if variables:  # what two ranks have saved together is whole: one can go on with it
        assert main(["sft", str(run_dir), "--detached"]) == 0
    else:
        ranks = start(train, "sft", run_dir)
        assert end(ranks) == [0, 0], stderr_of(run_dir, 0)
        assert f"resuming at step {step}" in stderr_of(run_dir, 0)
    assert_same_numbers(run_dir, alone("sft", **changes))


def test_a_ppo_run_on_two_ranks_stops_and_goes_on_with_both(tmp_path, shared, start):
    """E2."""
    run_dir = make(tmp_path / "run", "ppo", shared, steps=8, checkpoint_minutes=60)
    ranks = start(train, "ppo", run_dir)
    wait_for_step(run_dir, ranks)

    ranks[0].terminate()

    assert end(ranks) == [143, 143], stderr_of(run_dir, 0) + stderr_of(run_dir, 1)
    step = stopped_at(run_dir)
    assert end(start(train, "ppo", run_dir)) == [0, 0]
    assert f"resuming at step {step}" in stderr_of(run_dir, 0)
    assert [row["step"] for row in rundir.read_metrics_from(run_dir, 0).rows] == list(range(8))


@pytest.mark.parametrize("killed", [0, 1])
def test_a_rank_that_is_killed_ends_the_other_which_says_so(tmp_path, shared, start, killed):
    run_dir = make(tmp_path / "run", "sft", shared, epochs=100.0, checkpoint_minutes=60)
    ranks = start(train, "sft", run_dir)
    wait_for_step(run_dir, ranks)

    ranks[killed].kill()

    assert end(ranks)[1 - killed] == 1
    assert "another rank has ended" in stderr_of(run_dir, 1 - killed).splitlines()[-1]
    failure = rundir.read_failure(run_dir)
    # Only the first rank says that the run has failed: it may be waiting for disk.
    assert failure is None if killed == 0 else "another rank has ended" in failure.error


def test_numbers_that_go_wrong_on_one_rank_end_both_with_one_message(tmp_path, shared, start):
    """R-17."""
    save_base(tmp_path / "base")
    policy = models.load_policy(tmp_path / "base", seed=0)
    with torch.no_grad():
        policy.get_input_embeddings().weight[make_tokenizer().encode("!")] = torch.inf
    policy.save_pretrained(tmp_path / "base")
    run_dir = make(tmp_path / "run", "sft", tmp_path)

    ranks = start(train, "sft", run_dir)

    assert end(ranks) == [1, 1]
    failure = rundir.read_failure(run_dir).error
    assert failure.startswith("non-finite loss at step 0: ")
    for rank in (0, 1):
        assert stderr_of(run_dir, rank).splitlines()[-1] == f"error: {failure}"


@pytest.mark.parametrize(
    ("variables", "remedy"),
    [
        ({"FSDP_VERSION": "1"}, "pass --fsdp_version 2"),
        ({"FSDP_OFFLOAD_PARAMS": "true"}, "leave out --fsdp_offload_params"),
        ({"FSDP_RESHARD_AFTER_FORWARD": "false"}, "leave out --fsdp_reshard_after_forward"),
    ],
)
def test_sharding_that_is_not_offered_is_refused(monkeypatch, variables, remedy):
    monkeypatch.setattr(parallel, "ranks", lambda: Ranks(0, 2))
    for name, value in (SHARDED | variables).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(RunRefusedError, match=remedy):
        sharding.shards()


def test_a_refused_run_is_refused_by_all_ranks_at_once(tmp_path, shared, start):
    run_dir = make(tmp_path / "run", "reward", shared)
    variables = {**SHARDED, "FSDP_VERSION": "1"}

    assert end(start(train, "reward", run_dir, **variables)) == [2, 2]
    assert "pass --fsdp_version 2" in rundir.read_failure(run_dir).error


def be_node(kind, *run_dirs):
    """Train in the directory of this rank, the only one of its node."""
    os.environ |= {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    return train(kind, run_dirs[int(os.environ["RANK"])])


def test_ranks_on_two_nodes_give_the_numbers_of_one(tmp_path, shared, alone, start):
    run_dir = make(tmp_path / "run", "reward", shared)

    ranks = start(be_node, "reward", run_dir, run_dir)

    assert end(ranks) == [0, 0], stderr_of(run_dir, 0) + stderr_of(run_dir, 1)
    assert_same_numbers(run_dir, alone("reward"))


@pytest.mark.parametrize(
    "prepare",
    [
        lambda run_dir, _: run_dir.mkdir(),
        lambda run_dir, shared: make(run_dir, "reward", shared),
        lambda run_dir, shared: make(run_dir, "reward", shared, batch_size=2),
    ],
    ids=["empty", "copy", "other"],
)
def test_a_run_directory_that_nodes_do_not_share_is_refused_by_all(
    tmp_path, shared, start, prepare
):
    first, second = make(tmp_path / "first", "reward", shared), tmp_path / "second"
    prepare(second, shared)

    ranks = start(be_node, "reward", first, second)

    assert end(ranks) == [2, 2]
    for rank, run_dir in enumerate((first, second)):
        last = stderr_of(run_dir, rank).splitlines()[-1]
        assert last.startswith(f"error: rank 1 does not see in {run_dir} what rank 0 writes there")
    assert rundir.read_failure(first).error in stderr_of(first, 0)
    assert not (first / "metrics.jsonl").exists()


def test_a_run_directory_that_one_node_does_not_have_is_refused_by_all(tmp_path, shared, start):
    """Rank 0 would wait half an hour for the other, which had ended before it joined."""
    first, second = make(tmp_path / "first", "reward", shared), tmp_path / "second"

    ranks = start(be_node_without_a_folder, first, second)

    assert end(ranks) == [2, 2]
    assert rundir.read_failure(first).error.startswith("rank 1 does not see in ")
    assert not second.exists()


def be_node_without_a_folder(first, second):
    return main(["reward", str(second if os.environ["RANK"] == "1" else first), "--detached"])


def test_models_that_differ_between_nodes_are_refused_by_all(tmp_path, shared, start):
    """Each would add its gradients to other weights, and the result be nobody's."""
    run_dir = make(tmp_path / "run", "dpo", tmp_path)
    for rank in (0, 1):
        save_base(tmp_path / f"base{rank}", seed=rank)

    ranks = start(train_from_own_model, run_dir, tmp_path)

    assert end(ranks) == [2, 2]
    failure = rundir.read_failure(run_dir).error
    assert failure.startswith("the models that spec.json names are other files for rank 1")
    for rank in (0, 1):
        assert stderr_of(run_dir, rank).splitlines()[-1] == f"error: {failure}"


def train_from_own_model(run_dir, folder):
    """Read another folder under the name that the spec has, as another machine may."""
    train_dpo.models.resolve_folder = lambda _: folder / f"base{os.environ['RANK']}"
    return train("dpo", run_dir)


def train_with_an_error_on_the_second_rank(run_dir):
    if os.environ["RANK"] == "1":
        train_sft.accumulate_losses = lambda *_: Path("/nowhere").read_text()
    return train("sft", run_dir)


def test_what_ended_one_rank_is_said_instead_of_that_it_was_lost(tmp_path, shared, start):
    run_dir = make(tmp_path / "run", "sft", shared)

    assert end(start(train_with_an_error_on_the_second_rank, run_dir)) == [1, 1]
    assert "No such file or directory: '/nowhere'" in rundir.read_failure(run_dir).error
    # The first rank has nothing to add but that, without the words of the library beneath.
    lost = stderr_of(run_dir, 0).splitlines()[-1]
    assert lost.startswith("error: another rank has ended or does not answer; its own last line")


def fail_in_the_library(*_, **__):
    raise RuntimeError("NCCL error: unhandled system error\nLast error: no route to host")


def train_where_ranks_do_not_find_each_other(run_dir):
    accelerate.PartialState = fail_in_the_library
    return train("sft", run_dir)


def train_where_numbers_do_not_arrive(run_dir):
    torch.distributed.all_reduce = fail_in_the_library
    return train("sft", run_dir)


@pytest.mark.parametrize(
    "train_badly", [train_where_ranks_do_not_find_each_other, train_where_numbers_do_not_arrive]
)
def test_the_log_says_what_the_library_said_of_a_lost_rank(tmp_path, shared, start, train_badly):
    """When all ranks say that another one has ended, none of them would say why."""
    run_dir = make(tmp_path / "run", "sft", shared)

    assert end(start(train_badly, run_dir)) == [1, 1]
    for rank in (0, 1):
        said, last = stderr_of(run_dir, rank).splitlines()[-2:]
        assert said == "RuntimeError: NCCL error: unhandled system error"
        assert last.startswith("error: another rank has ended or does not answer")
    assert rundir.read_failure(run_dir).error.startswith("another rank has ended")


def train_on_a_full_disk(run_dir):
    checkpoints.shutil.disk_usage = lambda _: shutil._ntuple_diskusage(1, 1, 0)
    return train("sft", run_dir)


def test_a_full_disk_is_no_failure_of_the_run_on_two_ranks_either(tmp_path, shared, start):
    """R-07: the run can go on when there is room."""
    run_dir = make(tmp_path / "run", "sft", shared)

    assert end(start(train_on_a_full_disk, run_dir)) == [75, 1]
    reason = stderr_of(run_dir, 0).splitlines()[-1]
    assert reason.startswith("waiting for disk: needs ")
    assert rundir.read_failure(run_dir).error == reason


def test_a_sample_run_is_refused_on_two_ranks(tmp_path, shared, start):
    spec = SampleSpec(
        models=[SampledModel(name="base", path=str(shared / "base"))],
        responses_per_prompt=2,
        sampling=Sampling(max_new_tokens=4),
    )
    run_dir = make_run(tmp_path / "run", spec, prompts=PROMPTS)

    assert end(start(train, "sample", run_dir)) == [2, 2]
    assert "uses one process" in rundir.read_failure(run_dir).error


@pytest.fixture
def launched():
    """Start a command, and end it with the test; its ranks end with it."""
    started = []

    def launch(command):
        started.append(
            subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield launch
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def test_sigterm_to_the_launcher_leaves_a_checkpoint_and_no_process(tmp_path, shared, launched):
    """E2, started as the README says."""
    run_dir = make(tmp_path / "run", "sft", shared, epochs=100.0, checkpoint_minutes=60)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--main_process_port", "0"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher = launched([*launch, "-m", "trainer", "sft", str(run_dir)])
    deadline = time.monotonic() + 120
    while not rundir.read_metrics_from(run_dir, 0).rows:
        assert launcher.poll() is None, launcher.stderr.read()
        assert time.monotonic() < deadline, "no step was made within two minutes"
        time.sleep(0.05)
    ranks = psutil.Process(launcher.pid).children(recursive=True)

    launcher.terminate()
    _, said = launcher.communicate(timeout=120)

    assert len(ranks) == 2
    assert not any(rank.is_running() for rank in ranks)
    assert said.count("stopped: SIGTERM or Ctrl-C was received before the run was complete") == 2
    stopped_at(run_dir)
