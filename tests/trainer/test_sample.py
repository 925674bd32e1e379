"""The sample run: slates, resampling, resuming, and an OpenAI-compatible endpoint."""

import ctypes
import json
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.trainer.conftest import environment, make_run, save_base, user
from trainer import rundir, sample, sample_local
from trainer.sampling.sampler import Sampled
from trainer.spec import PromptRow, SampledModel, SampleSpec, Sampling

PROMPTS = [{"prompt_id": f"p{n}", "messages": user(f"Question {n}")} for n in range(10)]


def spec_of(*models: SampledModel, **changes):
    return SampleSpec(
        models=list(models),
        responses_per_prompt=changes.pop("responses_per_prompt", 4),
        sampling=Sampling(max_new_tokens=12, seed=7, **changes),
    )


def folder_model(path, name="sft"):
    return SampledModel(name=name, path=path)


def slates_of(run_dir):
    return rundir.read_sampled_from(run_dir, 0).rows


def test_a_sample_run_gives_each_prompt_its_slate_with_seeds(tmp_path, base, train):
    run_dir = make_run(tmp_path / "run", spec_of(folder_model(base)), prompts=PROMPTS)

    done = train("sample", run_dir)

    assert done.returncode == 0, done.stderr
    slates = slates_of(run_dir)
    assert [slate.prompt_id for slate in slates] == [row["prompt_id"] for row in PROMPTS]
    responses = [response for slate in slates for response in slate.responses]
    assert len({response.seed for response in responses}) == 40
    assert all(response.text.strip() and response.problem is None for response in responses)
    assert rundir.read_result(run_dir).metrics["sampled/responses"] == 40
    assert [row["progress"] for row in rundir.read_metrics_from(run_dir, 0).rows] == [0.4, 0.8, 1]


@pytest.mark.parametrize(("has_gpu", "prompts"), [(False, 4), (True, 128)])
def test_a_gpu_samples_for_many_prompts_at_a_time(monkeypatch, has_gpu, prompts):
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_gpu)

    assert sample_local.prompts_at_once() == prompts


def test_two_models_of_one_name_are_refused(base):
    """Slates name models: nobody could tell whose a response is, and one would never be asked."""
    with pytest.raises(ValidationError, match="one name twice"):
        spec_of(folder_model(base), folder_model("/elsewhere"))


def test_prompts_that_are_cut_are_named_in_the_result(tmp_path, base, train):
    """R16: the model reads 256 tokens, of which 12 are the response's, also after a restart."""
    texts = ["short", "x" * 300, "y" * 241, "y" * 242]
    prompts = [{"prompt_id": f"p{n}", "messages": user(text)} for n, text in enumerate(texts)]
    wide = save_base(tmp_path / "wide", seed=5, max_position_embeddings=512)
    models = [folder_model(base, "sft"), folder_model(wide, "policy")]
    run_dir = make_run(tmp_path / "run", spec_of(*models), prompts=prompts)

    for _ in range(2):
        done = train("sample", run_dir)

        assert done.returncode == 0, done.stderr
        result = rundir.read_result(run_dir)
        assert result.rows["cut"] == 2
        # <|user|>, <|end|> and <|assistant|> are a token each.
        assert result.rows_cut == dict.fromkeys(
            ("p1", "p3"), "its beginning, to 244 tokens for sft"
        )


def test_the_first_slates_are_written_before_the_run_ends(tmp_path, base, spawn):
    prompts = [{"prompt_id": f"p{n}", "messages": user("Hi")} for n in range(400)]
    run_dir = make_run(tmp_path / "run", spec_of(folder_model(base)), prompts=prompts)
    process = spawn("sample", run_dir)
    deadline = time.monotonic() + 120
    while not slates_of(run_dir) and time.monotonic() < deadline:
        time.sleep(0.02)

    process.kill()
    process.wait()

    assert 0 < len(slates_of(run_dir)) < 400


def test_a_killed_run_goes_on_and_ends_with_what_an_undisturbed_one_gives(tmp_path, base, train):
    spec = spec_of(folder_model(base))
    whole = make_run(tmp_path / "whole", spec, prompts=PROMPTS)
    killed = make_run(tmp_path / "killed", spec, prompts=PROMPTS)
    assert train("sample", whole).returncode == 0
    lines = (whole / "responses.jsonl").read_bytes().splitlines(keepends=True)
    # Killed while it wrote the fourth line, three prompts of the first batch being complete.
    (killed / "responses.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:50])

    done = train("sample", killed)

    assert done.returncode == 0, done.stderr
    assert (killed / "responses.jsonl").read_bytes() == (whole / "responses.jsonl").read_bytes()


@pytest.mark.parametrize("changed", ["spec", "prompts"])
def test_slates_of_another_spec_or_other_prompts_are_not_taken_for_its_own(
    tmp_path, base, train, changed
):
    run_dir = make_run(tmp_path / "run", spec_of(folder_model(base)), prompts=PROMPTS[:2])
    assert train("sample", run_dir).returncode == 0
    sampled = (run_dir / "responses.jsonl").read_bytes()
    spec = spec_of(folder_model(base), temperature=2.0 if changed == "spec" else 1.0)
    prompts = [{**row, "messages": user("Something else")} for row in PROMPTS[:2]]
    make_run(run_dir, spec, prompts=prompts if changed == "prompts" else PROMPTS[:2])

    refused = train("sample", run_dir)
    kept = (run_dir / "responses.jsonl").read_bytes()
    (run_dir / "responses.jsonl").unlink()
    done = train("sample", run_dir)

    assert refused.returncode == 2
    assert "was sampled before spec.json or prompts.jsonl was changed" in refused.stderr
    assert kept == sampled
    assert done.returncode == 0, done.stderr
    assert (run_dir / "responses.jsonl").read_bytes() != sampled


def test_a_line_that_is_no_slate_is_refused(tmp_path, base, train):
    run_dir = make_run(tmp_path / "run", spec_of(folder_model(base)), prompts=PROMPTS[:2])
    (run_dir / "responses.jsonl").write_text("garbage\n")

    done = train("sample", run_dir)

    assert done.returncode == 2
    assert "holds a line that is no slate: it is not JSON" in done.stderr.splitlines()[-1]


def test_two_models_fill_as_many_places_each(tmp_path, base, train):
    other = save_base(tmp_path / "other", seed=5)
    models = [folder_model(base, "sft"), folder_model(other, "policy")]
    run_dir = make_run(
        tmp_path / "run", spec_of(*models, responses_per_prompt=5), prompts=PROMPTS[:4]
    )

    assert train("sample", run_dir).returncode == 0

    counts = [
        sorted(
            [response.model for response in slate.responses].count(name)
            for name in ("sft", "policy")
        )
        for slate in slates_of(run_dir)
    ]
    assert counts == [[2, 3]] * 4
    names = [response.model for slate in slates_of(run_dir) for response in slate.responses]
    assert names.count("sft") == names.count("policy") == 10


def fill(answers, **changes):
    """Fill one slate from a list of texts, in the order in which they are asked for."""
    remaining = iter(answers)
    spec = spec_of(SampledModel(name="m", endpoint_model="m"), **changes)
    [slate] = sample.fill_slates(
        spec,
        [PromptRow(**PROMPTS[0])],
        {"m": lambda requests: [Sampled(next(remaining), "stop") for _ in requests]},
        turns=[0],
    )
    return slate.responses


def test_empty_and_duplicate_responses_are_drawn_again_with_new_seeds():
    responses = fill(["Yes", " \n", "Yes", "No", "Maybe", "Perhaps"])

    assert [response.text for response in responses] == ["Yes", "Maybe", "Perhaps", "No"]
    assert [response.attempts for response in responses] == [1, 2, 2, 1]
    assert all(response.problem is None for response in responses)
    assert len({response.seed for response in responses}) == 4


def test_duplicates_are_equal_after_normalising_whitespace_and_unicode():
    responses = fill(["ﬁne  day", "fine day\n", "Fine day", "é", "other"])

    assert [response.text for response in responses] == ["ﬁne  day", "other", "Fine day", "é"]


def test_what_still_fails_after_three_resamples_says_why():
    responses = fill(["a", "b", "c", "a", *["a"] * 3])

    assert [response.problem for response in responses] == [None, None, None, "duplicate"]
    assert responses[3].attempts == 4


def test_nul_and_lone_surrogates_are_removed_from_sampled_text():
    assert sample.clean("a\x00b\ud800") == "ab?"


# --- endpoint ------------------------------------------------------------------------------------


class FakeServer(ThreadingHTTPServer):
    """A real HTTP server that speaks the chat completions of an OpenAI-compatible server."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None, dict]] = []
        self.failures: list[int] = []
        self.is_stuck = False
        self.lock = threading.Lock()
        self.slow, self.requests_first, self.gave_up = "", 0, False

    def handle_error(self, *_: object):
        """A client that goes away is no reason to write to this process's stderr."""


class Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append((self.path, self.headers["Authorization"], body))
            status = self.server.failures.pop(0) if self.server.failures else 200
        while self.server.is_stuck:
            time.sleep(0.05)
        if self.server.slow in (asked := body["messages"][-1]["content"]):
            self.wait_for(self.server.requests_first)
        text = f"{asked} {body['seed']}"
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        answer = json.dumps({"choices": [choice]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def wait_for(self, requests):
        """Answer only when so many requests have come, or nothing comes any more."""
        deadline = time.monotonic() + 60
        while len(self.server.requests) < requests and time.monotonic() < deadline:
            time.sleep(0.01)
        self.server.gave_up |= time.monotonic() >= deadline

    def log_message(self, *_: object):
        pass


@pytest.fixture
def server():
    server = FakeServer()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.is_stuck = False
    server.shutdown()
    thread.join()
    server.server_close()


def url_of(server, suffix=""):
    return f"http://127.0.0.1:{server.server_port}{suffix}"


@pytest.mark.parametrize("suffix", ["", "/v1", "/v1/"])
def test_an_endpoint_is_sampled_with_key_seed_and_settings(tmp_path, server, train, suffix):
    model = SampledModel(name="big", endpoint_model="org/big-8b")
    run_dir = make_run(tmp_path / "run", spec_of(model, temperature=0.7), prompts=PROMPTS[:2])
    server.failures = [503, 429]

    done = train(
        "sample", run_dir, PODIUM_SAMPLER_URL=url_of(server, suffix), PODIUM_SAMPLER_KEY="secret"
    )

    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 2 * 4 + 2
    path, authorization, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert authorization == "Bearer secret"
    assert body["model"] == "org/big-8b"
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.7, 1.0, 12)
    for slate in slates_of(run_dir):
        for response in slate.responses:
            assert response.text.endswith(str(response.seed))
            assert response.model == "big"


@pytest.mark.parametrize(
    ("slow", "requests_first"), [("", 64), ("Question 0.", 160)], ids=["many", "slow prompt"]
)
def test_an_endpoint_has_many_requests_at_a_time_and_waits_for_no_slow_prompt(
    tmp_path, server, train, slow, requests_first
):
    """An engine is fast with many sequences under way, and a slate does not hold up the others."""
    prompts = [{"prompt_id": f"p{n}", "messages": user(f"Question {n:02}")} for n in range(40)]
    prompts[0] = {"prompt_id": "p0", "messages": user("Question 0.")}
    model = SampledModel(name="big", endpoint_model="big")
    run_dir = make_run(tmp_path / "run", spec_of(model), prompts=prompts)
    server.slow, server.requests_first = slow, requests_first

    done = train("sample", run_dir, PODIUM_SAMPLER_URL=url_of(server))

    assert done.returncode == 0, done.stderr
    assert not server.gave_up
    assert len(slates_of(run_dir)) == 40
    steps = rundir.read_metrics_from(run_dir, 0).rows
    assert [row["step"] for row in steps] == list(range(1, 41))
    assert steps[-1]["sampled/responses"] == 160
    result = rundir.read_result(run_dir)
    assert result.metrics["sampled/responses"] == 160
    assert result.texts[0].startswith("Question 0.")


def test_an_endpoint_that_refuses_ends_the_run_with_its_words(tmp_path, server, train):
    model = SampledModel(name="big", endpoint_model="unknown")
    run_dir = make_run(tmp_path / "run", spec_of(model), prompts=PROMPTS[:1])
    server.failures = [404] * 4

    done = train("sample", run_dir, PODIUM_SAMPLER_URL=url_of(server))

    assert done.returncode == 2
    assert "answered 404 for model 'unknown'" in done.stderr.splitlines()[-1]


def test_without_a_configured_endpoint_the_run_is_refused(tmp_path, train):
    model = SampledModel(name="big", endpoint_model="big")
    run_dir = make_run(tmp_path / "run", spec_of(model), prompts=PROMPTS[:1])

    done = train("sample", run_dir, PODIUM_SAMPLER_URL="")

    assert done.returncode == 2
    assert "PODIUM_SAMPLER_URL is not set" in done.stderr.splitlines()[-1]


def test_sampling_from_an_endpoint_loads_no_torch(tmp_path, server):
    model = SampledModel(name="big", endpoint_model="big")
    run_dir = make_run(tmp_path / "run", spec_of(model), prompts=PROMPTS[:1])
    code = (
        "import sys; from trainer.__main__ import main; "
        f"code = main(['sample', {str(run_dir)!r}]); "
        "print(code, 'torch' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PODIUM_SAMPLER_URL=url_of(server)),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout.split() == ["0", "False"]


@pytest.mark.parametrize("catcher", ["the main thread", "another thread"])
def test_sigterm_ends_a_run_that_waits_for_an_endpoint_at_once(tmp_path, server, spawn, catcher):
    model = SampledModel(name="big", endpoint_model="big")
    run_dir = make_run(tmp_path / "run", spec_of(model), prompts=PROMPTS[:1])
    server.is_stuck = True
    process = spawn("sample", run_dir, PODIUM_SAMPLER_URL=url_of(server))
    deadline = time.monotonic() + 120
    while not server.requests and time.monotonic() < deadline:
        time.sleep(0.05)

    threads = {int(entry.name) for entry in Path(f"/proc/{process.pid}/task").iterdir()}
    thread = process.pid if catcher == "the main thread" else max(threads - {process.pid})
    ctypes.CDLL(None).tgkill(process.pid, thread, signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 143
    assert "SIGTERM" in stderr.splitlines()[-1]
    assert rundir.read_result(run_dir) is None
