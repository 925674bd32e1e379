"""PPO rollouts sampled by a vLLM server, with the policy's weights sent to it each iteration.

The server is started as `VLLM_SERVER_DEV_MODE=1 vllm serve FOLDER` and must see the weights folder
under the same path. What is used of it, as vLLM's sources of 2026 have it: `/v1/completions` with
token ids in and out, `reload_weights` through `/collective_rpc`, and `/reset_prefix_cache`. Its
log-probabilities only measure how far it is from the trainer; PPO learns from the trainer's own.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import httpx2

from trainer.errors import RunDivergedError, RunRefusedError
from trainer.generate import Draw
from trainer.running.watch import Watch
from trainer.sampling import endpoint
from trainer.spec import Finish

URL_VARIABLE, KEY_VARIABLE = "PODIUM_ROLLOUT_URL", "PODIUM_ROLLOUT_KEY"
THREADS = 64
# How long answers are waited for before the watch is asked again.
WATCH_SECONDS = 0.2


@dataclass(frozen=True)
class Served:
    """One response of the server as tokens, and the server's log-probability of each of them."""

    tokens: list[int]
    finish: Finish
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class RolloutServer:
    """A running server.

    Attributes:
        client: talks to it.
        model: the name that it serves its model under.
        folder: where weights are put for it.
        versions: numbers of the weights; each has a folder of its own, as servers keep a list of
            the files of a path that they have read before.
    """

    client: httpx2.Client
    model: str
    folder: Path
    versions: Iterator[int] = field(default_factory=itertools.count)

    def load(self, save: Callable[[Path], None]) -> None:
        """Make the server sample from the weights that `save` writes into a folder.

        Raises:
            RunRefusedError: when the server cannot load weights while it runs.
            RunDivergedError: when it fails to, or keeps what it has cached of prompts.
        """
        weights = self.folder.absolute() / f"weights-{next(self.versions)}"
        shutil.rmtree(weights, ignore_errors=True)
        save(weights)
        self._control(
            "/collective_rpc",
            {"method": "reload_weights", "kwargs": {"weights_path": str(weights)}},
        )
        answer = self._control("/reset_prefix_cache", {})
        if answer.get("success") is False:
            raise RunDivergedError(
                "the rollout server did not empty its prefix cache after it loaded new weights; "
                "give it no other work while a run uses it"
            )
        for older in self.folder.absolute().glob("weights-*"):
            if older != weights:
                shutil.rmtree(older, ignore_errors=True)

    def draw(
        self,
        draws: Sequence[Draw],
        *,
        eos_id: int,
        temperature: float,
        max_new_tokens: int,
        watch: Watch = iter,
    ) -> list[Served]:
        """Sample one response for each draw from the full distribution, in the order of the draws.

        Args:
            draws: what is wanted.
            eos_id: ends a response.
            temperature: of the distribution.
            max_new_tokens: that a response may have.
            watch: may end the run while answers are waited for; none is waited for then, and what
                was not asked yet is not asked.

        Raises:
            RunRefusedError: when the server refuses, or answers with something else than tokens.
            RunDivergedError: when it cannot be reached.
        """

        def ask(draw: Draw) -> Served:
            body = {
                "model": self.model,
                "prompt": list(draw.prompt),
                "seed": draw.seed,
                "max_tokens": max_new_tokens,
                "temperature": temperature,
                # All said: a server takes what is not from the model's generation_config.json.
                "top_p": 1.0,
                "top_k": -1,
                "min_p": 0.0,
                "repetition_penalty": 1.0,
                "presence_penalty": 0.0,
                "frequency_penalty": 0.0,
                # Only the tokenizer's EOS ends a response, as in the trainer.
                "ignore_eos": True,
                "stop_token_ids": [eos_id],
                "logprobs": 0,
                "return_token_ids": True,
                "add_special_tokens": False,
            }
            response = endpoint.request(
                self.client,
                "POST",
                "/v1/completions",
                body,
                about=f"model {self.model!r}",
                variable=URL_VARIABLE,
            )
            return _parse(response, eos_id=eos_id, max_new_tokens=max_new_tokens)

        return _ask_all(ask, draws, watch)

    def _control(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            response = endpoint.request(
                self.client, "POST", path, body, about=path, variable=URL_VARIABLE
            )
        except RunRefusedError as error:
            raise RunRefusedError(
                f"{error}; start vLLM with VLLM_SERVER_DEV_MODE=1, so that weights can be loaded "
                "while it runs"
            ) from None
        try:
            answer = response.json()
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}


@contextmanager
def connect(folder: Path, environment: Mapping[str, str] = os.environ) -> Iterator[RolloutServer]:
    """Open the configured server; weights for it go to `folder`, which is removed at the end.

    Raises:
        RunRefusedError: when none is configured, or what is there serves no model.
        RunDivergedError: when it cannot be reached.
    """
    with endpoint.connect(
        environment, url_variable=URL_VARIABLE, key_variable=KEY_VARIABLE
    ) as client:
        response = endpoint.request(
            client, "GET", "/v1/models", about="its models", variable=URL_VARIABLE
        )
        try:
            model = str(response.json()["data"][0]["id"])
        except (ValueError, KeyError, IndexError, TypeError):
            raise RunRefusedError(
                f"the server at {URL_VARIABLE} does not list a model: {response.text[:200]!r}"
            ) from None
        try:
            yield RolloutServer(client, model, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _ask_all(ask: Callable[[Draw], Served], draws: Sequence[Draw], watch: Watch) -> list[Served]:
    """Ask for all draws, some at a time, and give up on those under way when the watch ends it."""
    futures: list[Future[Served]] = [Future() for _ in draws]
    waiting: SimpleQueue[tuple[Future[Served], Draw]] = SimpleQueue()
    for item in zip(futures, draws, strict=True):
        waiting.put(item)
    for number in range(min(THREADS, len(draws))):
        # Not a pool: Python waits for its threads before it ends, and a response may take minutes.
        name = f"rollout-{number}"
        Thread(target=_answer, args=(ask, waiting), name=name, daemon=True).start()
    try:
        for _ in watch(_until_answered(futures)):
            pass
    finally:
        for future in futures:
            future.cancel()
    return [future.result() for future in futures]


def _answer(
    ask: Callable[[Draw], Served], waiting: "SimpleQueue[tuple[Future[Served], Draw]]"
) -> None:
    while True:
        try:
            future, draw = waiting.get_nowait()
        except Empty:
            return
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(ask(draw))
            except Exception as error:  # noqa: BLE001 - raised again where it is waited for
                future.set_exception(error)


def _until_answered(futures: Sequence[Future[Served]]) -> Iterator[None]:
    """Yield while there is something to wait for; raise the first error that there is."""
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=WATCH_SECONDS, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        yield


def _parse(response: httpx2.Response, *, eos_id: int, max_new_tokens: int) -> Served:
    """Read a completion.

    Raises:
        RunRefusedError: when it is none with token ids and log-probabilities.
    """
    try:
        choice = response.json()["choices"][0]
        tokens = [int(token) for token in choice["token_ids"]]
        logprobs = tuple(float(value) for value in choice["logprobs"]["token_logprobs"])
        reason = choice["finish_reason"]
    except (ValueError, KeyError, IndexError, TypeError):
        raise RunRefusedError(
            "the rollout server's answer has no token_ids with logprobs, as vLLM gives them: "
            f"{response.text[:200]!r}"
        ) from None
    ended = bool(tokens) and tokens[-1] == eos_id
    is_whole = (reason == "stop" and ended) or (
        reason == "length" and len(tokens) == max_new_tokens
    )
    if not is_whole or len(logprobs) != len(tokens):
        raise RunRefusedError(
            f"the rollout server gave {len(tokens)} tokens with {len(logprobs)} log-probabilities, "
            f"the last token {tokens[-1:]}, finish_reason {reason!r}; a response ends with the EOS "
            f"{eos_id} or after {max_new_tokens} tokens"
        )
    return Served(tokens, "stop" if ended else "length", logprobs)
