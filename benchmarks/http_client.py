"""A lean HTTP/1.1 client on one kept connection: a full client would cost more than the server."""

import asyncio
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Answer:
    """Status and body."""

    status: int
    body: bytes


class Connection:
    """One connection with fixed headers; answers must carry Content-Length."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str
    ) -> None:
        self.reader, self.writer = reader, writer
        self.headers = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"

    @classmethod
    async def open(cls, port: int, token: str) -> Self:
        """Connect to a server on this machine."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        return cls(reader, writer, token)

    async def send(
        self, method: str, path: str, body: bytes = b"", *, key: str | None = None
    ) -> Answer:
        """Send one request and read its answer."""
        extra = f"Idempotency-Key: {key}\r\n" if key else ""
        if body:
            extra += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        elif method != "GET":
            extra += "Content-Length: 0\r\n"
        head = f"{method} {path} HTTP/1.1\r\n{self.headers}{extra}\r\n"
        self.writer.write(head.encode() + body)
        answer_head = await self.reader.readuntil(b"\r\n\r\n")
        status = int(answer_head[9:12])
        length = 0
        for line in answer_head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return Answer(status, await self.reader.readexactly(length))

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()
