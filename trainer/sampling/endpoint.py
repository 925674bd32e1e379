"""Sampling from an OpenAI-compatible server (vLLM and the like) over HTTP; needs no torch."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from trainer.errors import RunDivergedError, RunRefusedError
from trainer.spec import Finish, Message, Sampling

URL_VARIABLE, KEY_VARIABLE = "PODIUM_SAMPLER_URL", "PODIUM_SAMPLER_KEY"
TRIES = 5
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 30.0
CONNECT_SECONDS, READ_SECONDS = 10.0, 300.0
TOO_MANY_REQUESTS, SERVER_ERROR = 429, 500


@dataclass(frozen=True)
class Answer:
    """What the server sampled."""

    text: str
    finish: Finish


@contextmanager
def connect(
    environment: Mapping[str, str] = os.environ,
    *,
    url_variable: str = URL_VARIABLE,
    key_variable: str = KEY_VARIABLE,
) -> Iterator[httpx2.Client]:
    """Open a client for the configured server.

    Raises:
        RunRefusedError: when no server is configured.
    """
    url = environment.get(url_variable, "").strip().rstrip("/").removesuffix("/v1")
    if not url:
        raise RunRefusedError(
            f"the run samples from an endpoint, but {url_variable} is not set; set it to the "
            "address of an OpenAI-compatible server"
        )
    key = environment.get(key_variable, "").strip()
    with httpx2.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
    ) as client:
        yield client


def ask(
    client: httpx2.Client,
    messages: list[Message],
    *,
    model: str,
    sampling: Sampling,
    seed: int,
) -> Answer:
    """Ask for one response; a busy or failing server is asked again, waiting longer each time.

    Raises:
        RunRefusedError: when the server refuses the request as it is.
        RunDivergedError: when it still fails after five tries.
    """
    body = {
        "model": model,
        "messages": [message.model_dump() for message in messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_new_tokens,
        "seed": seed,
    }
    response = request(client, "POST", "/v1/chat/completions", body, about=f"model {model!r}")
    return _parse(response, model)


def request(
    client: httpx2.Client,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    about: str,
    variable: str = URL_VARIABLE,
) -> httpx2.Response:
    """Send a request that may be sent twice until there is an answer.

    Raises:
        RunRefusedError: when the server refuses the request as it is.
        RunDivergedError: when it still fails after five tries.
    """
    problem = ""
    for tried in range(TRIES):
        if tried:
            time.sleep(min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (tried - 1)))
        try:
            response = client.request(method, path, json=body)
        except httpx2.TransportError as error:
            problem = f"{type(error).__name__}: {error}"
            continue
        if response.status_code >= SERVER_ERROR or response.status_code == TOO_MANY_REQUESTS:
            problem = f"HTTP {response.status_code}"
            continue
        if not response.is_success:
            raise RunRefusedError(
                f"the endpoint answered {response.status_code} for {about}: {response.text[:200]!r}"
            )
        return response
    raise RunDivergedError(
        f"the endpoint gave no answer for {about} in {TRIES} tries, last: {problem}; "
        f"look whether the server at {variable} is up"
    )


def _parse(response: httpx2.Response, model: str) -> Answer:
    try:
        choice: dict[str, Any] = response.json()["choices"][0]
        text = choice["message"]["content"] or ""
        finish: Finish = "length" if choice.get("finish_reason") == "length" else "stop"
    except (ValueError, KeyError, IndexError, TypeError):
        text, finish = None, "stop"
    if not isinstance(text, str):
        raise RunRefusedError(
            f"the endpoint's answer for model {model!r} is no chat completion: "
            f"{response.text[:200]!r}"
        )
    return Answer(text, finish)
