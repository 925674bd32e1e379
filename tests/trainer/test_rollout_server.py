"""Rollouts from a server.

vLLM needs a GPU, so the server here is a stand-in: a real HTTP server with the endpoints that are
used of vLLM, sampling from a real tiny model. What vLLM itself answers is not tested.
"""

import json
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from tests.trainer.conftest import save_base
from trainer import models
from trainer.errors import RunDivergedError, RunRefusedError, StoppedError
from trainer.generate import Draw, draw_responses
from trainer.ppo import engine_gap, rollout_server
from trainer.sampling import endpoint

PROMPTS = [(0, 100, 101, 2, 1), (0, 50, 2, 1), (0, *range(60, 80), 2, 1)]
EOS = 2


def sharpen(policy):
    """Make a random model prefer some tokens clearly, as a trained one does."""
    with torch.no_grad():
        policy.lm_head.weight *= 20
    return policy


class StandIn(ThreadingHTTPServer):
    """Serves a tiny model under the endpoints of vLLM."""

    daemon_threads = True

    def __init__(self, folder: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = sharpen(models.load_policy(Path(folder), seed=0))
        self.calls: list[str] = []
        self.keys: set[str | None] = set()
        self.completions: list[dict] = []
        self.answers: dict[str, tuple[int, object]] = {}
        self.change = lambda choice: choice
        self.loads = True
        self.lock = threading.Lock()
        self.answered_at_most = math.inf
        self.asked = 0
        self.is_holding = threading.Event()
        self.may_answer = threading.Event()

    def handle_error(self, *_: object):
        """A client that goes away is no reason to write to this process's stderr."""

    def reload(self, path: str) -> None:
        if self.loads:
            self.model = models.load_policy(Path(path), seed=0)

    def hold(self) -> None:
        """Keep what comes after so many requests waiting."""
        with self.lock:
            self.asked += 1
            is_held = self.asked > self.answered_at_most
        if is_held:
            self.is_holding.set()
            self.may_answer.wait()

    def complete(self, body: dict) -> dict:
        self.completions.append(body)
        prompt = tuple(body["prompt"])
        [drawn] = draw_responses(
            self.model,
            [Draw(prompt, body["seed"])],
            eos_id=body["stop_token_ids"][0],
            temperature=body["temperature"] or 1e-6,
            top_p=body["top_p"],
            max_new_tokens=body["max_tokens"],
        )
        return {
            "finish_reason": drawn.finish,
            "token_ids": drawn.tokens,
            "logprobs": {"token_logprobs": logprobs_of(self.model, prompt, drawn.tokens)},
        }


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_GET(self):
        self.answer({"data": [{"id": "policy"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        if self.path == "/v1/completions":
            self.server.hold()
        with self.server.lock:
            self.server.calls.append(self.path)
            self.server.keys.add(self.headers["Authorization"])
            if self.path == "/v1/completions":
                self.answer({"choices": [self.server.change(self.server.complete(body))]})
                return
            if self.path == "/collective_rpc" and self.path not in self.server.answers:
                assert body["method"] == "reload_weights"
                self.server.reload(body["kwargs"]["weights_path"])
        self.answer({"results": [None]} if self.path == "/collective_rpc" else {"success": True})

    def answer(self, usual: object):
        status, value = self.server.answers.get(self.path, (200, usual))
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object):
        pass


@torch.no_grad()
def logprobs_of(policy, prompt, tokens) -> list[float]:
    logits = policy(torch.tensor([[*prompt, *tokens]])).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits, -1)[range(len(tokens)), tokens].tolist()


@pytest.fixture
def stand_in(tmp_path):
    server = StandIn(save_base(tmp_path / "served", tie_word_embeddings=False))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.may_answer.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def connected(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "FIRST_WAIT_SECONDS", 0.001)
    environment = {
        "PODIUM_ROLLOUT_URL": f"http://127.0.0.1:{stand_in.server_port}",
        "PODIUM_ROLLOUT_KEY": "secret",
    }
    with rollout_server.connect(tmp_path / "weights", environment) as server:
        yield server


@pytest.fixture
def policy(tmp_path):
    """Another model than the one that the server starts with."""
    return sharpen(
        models.load_policy(
            Path(save_base(tmp_path / "trained", seed=5, tie_word_embeddings=False)), seed=0
        )
    )


def draw(server, draws, **changes):
    options = {"eos_id": EOS, "temperature": 1.0, "max_new_tokens": 12, **changes}
    return server.draw(draws, **options)


def test_the_server_gives_each_draw_its_own_tokens_from_the_full_distribution(connected, stand_in):
    """P4, P29."""
    draws = [Draw(PROMPTS[seed % 3], seed) for seed in range(9)]

    served = draw(connected, draws)

    local = draw_responses(
        stand_in.model, draws, eos_id=EOS, temperature=1.0, top_p=1.0, max_new_tokens=12
    )
    assert [(one.tokens, one.finish) for one in served] == [
        (one.tokens, one.finish) for one in local
    ]
    assert len({tuple(one.tokens) for one in served}) == len(draws)
    body = stand_in.completions[0]
    assert (body["top_p"], body["top_k"], body["min_p"]) == (1.0, -1, 0.0)
    assert body["ignore_eos"] is True
    assert body["stop_token_ids"] == [EOS]
    assert stand_in.keys == {"Bearer secret"}


def test_after_a_sync_the_server_samples_from_the_weights_of_the_trainer(
    connected, stand_in, policy, tokenizer, tmp_path
):
    """P31."""
    prompts = [(0, 30 + number, 2, 1) for number in range(8)]
    with pytest.raises(RunDivergedError, match="are not those of the policy"):
        engine_gap.require_same_greedy(connected, policy, prompts, eos_id=EOS)
    stand_in.calls.clear()

    connected.load(lambda folder: models.save_model(policy, tokenizer, folder))

    assert stand_in.calls == ["/collective_rpc", "/reset_prefix_cache"]
    engine_gap.require_same_greedy(connected, policy, prompts, eos_id=EOS)
    assert len(stand_in.completions) == 16
    local = draw_responses(
        policy,
        [Draw(prompt, 0) for prompt in prompts],
        eos_id=EOS,
        temperature=1e-6,
        top_p=1.0,
        max_new_tokens=12,
    )
    served = draw(connected, [Draw(prompt, 0) for prompt in prompts], temperature=0.0)
    assert [one.tokens for one in served] == [one.tokens for one in local]


def test_a_server_that_keeps_the_old_weights_is_noticed(connected, stand_in, policy, tokenizer):
    """P31."""
    stand_in.loads = False

    connected.load(lambda folder: models.save_model(policy, tokenizer, folder))

    with pytest.raises(RunDivergedError, match="8 of 8 prompts"):
        engine_gap.require_same_greedy(
            connected, policy, [(0, 30 + n, 2, 1) for n in range(9)], eos_id=EOS
        )


def test_only_the_newest_weights_stay_in_the_folder(connected, policy, tokenizer, tmp_path):
    for _ in range(3):
        connected.load(lambda folder: models.save_model(policy, tokenizer, folder))

    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["weights-2"]


def test_the_gap_between_server_and_trainer_is_measured_and_bounded(connected, stand_in, policy):
    """P30."""
    draws = [Draw(prompt, 1) for prompt in PROMPTS]
    served = draw(connected, draws)
    sampled = {place: one.logprobs for place, one in enumerate(served)}
    own, other = (
        pad_sequence(
            [
                torch.tensor(logprobs_of(model, wanted.prompt, one.tokens))
                for one, wanted in zip(served, draws, strict=True)
            ],
            batch_first=True,
        )
        for model in (stand_in.model, policy)
    )

    engine_gap.require_small_gap(engine_gap.engine_gap(sampled, own))

    assert engine_gap.engine_gap(sampled, own).maximum < 1e-5
    own[0, 0] += 0.5
    gap = engine_gap.engine_gap(sampled, own)
    assert gap.maximum == pytest.approx(0.5, abs=1e-5)
    tokens = sum(len(one.tokens) for one in served)
    assert gap.mean == pytest.approx(0.5 / tokens, abs=1e-5)
    with pytest.raises(RunDivergedError, match="nats a token apart"):
        engine_gap.require_small_gap(engine_gap.engine_gap(sampled, other))
    with pytest.raises(RunDivergedError, match="nan"):
        engine_gap.require_small_gap(engine_gap.EngineGap(math.nan, math.nan))


@pytest.mark.parametrize(
    "change",
    [
        lambda choice: {**choice, "token_ids": None},
        lambda choice: {**choice, "logprobs": None},
        lambda choice: {**choice, "logprobs": {"token_logprobs": [0.0]}},
        lambda choice: {**choice, "finish_reason": "abort"},
        lambda choice: {**choice, "token_ids": choice["token_ids"][:-1]},
        lambda _: [],
    ],
)
def test_an_answer_without_whole_responses_is_refused_in_one_line(connected, stand_in, change):
    stand_in.change = change

    with pytest.raises(RunRefusedError) as refused:
        draw(connected, [Draw(PROMPTS[0], 1)])

    assert "rollout server" in str(refused.value)
    assert "\n" not in str(refused.value)


def draw_many(server, _policy, watch):
    draws = [Draw(PROMPTS[0], seed) for seed in range(3 * rollout_server.THREADS)]
    draw(server, draws, watch=watch)


def compare_greedy(server, policy, watch):
    engine_gap.require_same_greedy(server, policy, PROMPTS, eos_id=EOS, watch=watch)


@pytest.mark.parametrize("ask", [draw_many, compare_greedy])
def test_a_stop_is_noticed_while_no_request_is_answered_and_the_others_are_not_sent(
    connected, stand_in, policy, ask
):
    """E2."""
    stand_in.answered_at_most = 2

    def until_held(items):
        for item in items:
            if stand_in.is_holding.is_set():
                raise StoppedError
            yield item

    with pytest.raises(StoppedError):  # And not after an answer: none comes until this is over.
        ask(connected, policy, until_held)

    stand_in.may_answer.set()
    assert wait_until(lambda: not rollout_threads())
    assert len(stand_in.completions) <= rollout_server.THREADS + 2


def rollout_threads():
    return [one for one in threading.enumerate() if one.name.startswith("rollout")]


def wait_until(is_so, *, seconds=60):
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def test_a_server_without_development_mode_is_refused_with_what_to_start(connected, stand_in):
    stand_in.answers["/collective_rpc"] = (404, {"detail": "Not Found"})

    with pytest.raises(RunRefusedError, match="VLLM_SERVER_DEV_MODE=1"):
        connected.load(lambda folder: folder.mkdir(parents=True))


def test_a_prefix_cache_that_is_not_emptied_ends_the_run(connected, stand_in, policy, tokenizer):
    """P31."""
    stand_in.answers["/reset_prefix_cache"] = (200, {"success": False})

    with pytest.raises(RunDivergedError, match="prefix cache"):
        connected.load(lambda folder: models.save_model(policy, tokenizer, folder))


def test_a_server_that_fails_ends_the_run_after_some_tries(connected, stand_in):
    stand_in.answers["/v1/completions"] = (500, {"error": "engine dead"})

    with pytest.raises(RunDivergedError, match=r"HTTP 500; .*PODIUM_ROLLOUT_URL"):
        draw(connected, [Draw(PROMPTS[0], 1)])

    assert stand_in.calls == ["/v1/completions"] * endpoint.TRIES


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("", RunRefusedError, "PODIUM_ROLLOUT_URL is not set"),
        ("http://127.0.0.1:9", RunDivergedError, "PODIUM_ROLLOUT_URL is up"),
    ],
)
def test_a_server_that_is_not_there_gives_one_clear_line(tmp_path, monkeypatch, url, error, words):
    monkeypatch.setattr(endpoint, "FIRST_WAIT_SECONDS", 0.001)

    with (
        pytest.raises(error, match=words) as raised,
        rollout_server.connect(tmp_path, {"PODIUM_ROLLOUT_URL": url}),
    ):
        pass

    assert "\n" not in str(raised.value)
