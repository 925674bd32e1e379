"""Connections that behave badly, against the real server: B117 to B119 of bad input."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.types import Message

from app.web import security
from tests.processes import Podium, podium_processes

IDLE = 500
PATIENCE_SECONDS = 10


@pytest.fixture
def podium(database_url: str, tmp_path: Path) -> Iterator[Podium]:
    with podium_processes(database_url, tmp_path, commands=("serve",)) as running:
        yield running


def connected(podium: Podium) -> socket.socket:
    address = urlsplit(podium.url)
    return socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS)


def answer_to(podium: Podium, request: bytes) -> bytes:
    """All that the server sends until it closes or rests."""
    received = b""
    # A server that has refused the beginning resets the connection when the rest comes.
    with connected(podium) as sock, suppress(TimeoutError, ConnectionError):
        with suppress(ConnectionError):
            sock.sendall(request)
        while part := sock.recv(65_536):
            received += part
            sock.settimeout(2)
    return received


def is_served(podium: Podium) -> bool:
    return httpx2.get(podium.url + "/readyz", timeout=PATIENCE_SECONDS).is_success


BROKEN = {
    "both lengths": b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
    b"Content-Length: 5\r\n\r\nabcde",
    "chunked, identity": b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a header of 64 kB": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
    + b"a" * 70_000
    + b"\r\n\r\n",
    "a URL of 64 kB": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a cookie of 64 kB": b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: podium="
    + b"a" * 70_000
    + b"\r\n\r\n",
    "a thousand headers": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    + b"".join(b"X-%d: a\r\n" % number for number in range(1000))
    + b"\r\n",
}


@pytest.mark.slow
def test_broken_requests_are_refused_and_the_server_goes_on(podium):
    for name, request in BROKEN.items():
        answer = answer_to(podium, request)
        assert answer.startswith(b"HTTP/1.1 400 "), name
        assert answer.count(b"HTTP/1.1") == 1, name
        assert is_served(podium), name


@pytest.mark.slow
def test_idle_and_trickling_connections_keep_nobody_from_being_served(podium):
    sockets = [connected(podium) for _ in range(IDLE)]
    try:
        for sock in sockets[::2]:
            sock.sendall(b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n")
        for sock in sockets[::4]:
            sock.sendall(b"Content-Type: application/x-www-form-urlencoded\r\n"
                         b"Content-Length: 1000\r\n\r\ne")  # fmt: skip
        assert is_served(podium)
        assert httpx2.get(podium.url + "/sign-in", timeout=PATIENCE_SECONDS).is_success
    finally:
        for sock in sockets:
            sock.close()
    assert is_served(podium)


async def test_a_body_that_trickles_in_is_408_and_the_connection_ends(client, monkeypatch):
    monkeypatch.setattr(security, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(security, "BYTES_PER_SECOND", 100)

    async def trickle():
        while True:
            yield b"e"
            await asyncio.sleep(0.05)

    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client.post("/sign-in", content=trickle(), headers=headers)

    assert answer.status_code == 408
    assert answer.headers["connection"] == "close"


async def test_an_answer_may_take_longer_than_a_body(monkeypatch):
    monkeypatch.setattr(security, "BODY_SECONDS", 0.01)
    messages = asyncio.Queue[Message]()
    in_time = security._refuse_too_slow(messages.get)
    await messages.put({"type": "http.request", "body": b"", "more_body": False})
    assert (await in_time())["type"] == "http.request"

    waiting = asyncio.create_task(in_time())
    done, _ = await asyncio.wait([waiting], timeout=0.1)

    assert not done
    await messages.put({"type": "http.disconnect"})
    assert (await waiting)["type"] == "http.disconnect"
