"""HTTP/1.1 as a browser, or as no browser would ever speak it: every byte is the test's own."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httptools

from testing.harness.waiting import PATIENCE_S

ENVELOPE: Final = struct.Struct(">BI")
END_OF_STREAM: Final = 0x02
TRAILERS: Final = 0x80


@dataclass
class Answer:
    """A response as far as it has come."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_complete: bool = False

    def json(self) -> Any:
        """Return the body, which is JSON."""
        return json.loads(self.body)


class Exchange:
    """One request on a connection of its own, and its answer while it comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answer = Answer()
        self.writer = writer
        self._reader = reader
        self._parser = httptools.HttpResponseParser(self)
        self._frames = b""

    @classmethod
    async def begin(cls, address: str, path: str, body: bytes = b"", *, method: str = "POST", **headers: str) -> Self:
        """Send a request; an underscore in a header's name stands for a hyphen, and `host` replaces the address."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"host": address, "content-length": str(len(body)), **given}
        lines = [f"{name}: {value}" for name, value in sent.items() if value]
        writer.write("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body)
        return cls(reader, writer)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header (of httptools)."""
        self.answer.headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        """Take the status (of httptools)."""
        self.answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body (of httptools)."""
        self.answer.body += body
        self._frames += body

    def on_message_complete(self) -> None:
        """Take the end (of httptools)."""
        self.answer.is_complete = True

    async def read(self) -> bool:
        """Take what comes next; False if the server has closed the connection."""
        data = await self._reader.read(1 << 16)
        if data:
            self._parser.feed_data(data)
        return bool(data)

    async def whole(self, seconds: float = PATIENCE_S) -> Answer:
        """Return the answer when it is complete."""
        async with asyncio.timeout(seconds):
            while not self.answer.is_complete:
                assert await self.read(), f"the answer broke off: {self.answer}"
        return self.answer

    async def frame(self, seconds: float = PATIENCE_S) -> tuple[int, bytes]:
        """Return the flags and the content of the next envelope of a stream."""
        async with asyncio.timeout(seconds):
            while len(self._frames) < ENVELOPE.size or len(self._frames) < ENVELOPE.size + self._length():
                assert await self.read(), f"the stream broke off: {self.answer}"
        flags, length = ENVELOPE.unpack_from(self._frames)
        content = self._frames[ENVELOPE.size : ENVELOPE.size + length]
        self._frames = self._frames[ENVELOPE.size + length :]
        return flags, content

    async def json_frame(self, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """Return the next message of a stream in JSON, or the end of it, as `end_of_stream`."""
        flags, content = await self.frame(seconds)
        told: dict[str, Any] = json.loads(content)
        return {"end_of_stream": told} if flags & END_OF_STREAM else told

    async def rest_json(self) -> list[dict[str, Any]]:
        """Return all further messages of a stream in JSON, and its end."""
        frames = [await self.json_frame()]
        while "end_of_stream" not in frames[-1]:
            frames.append(await self.json_frame())
        return frames

    async def is_cut_off(self, seconds: float) -> bool:
        """Whether the server closes the connection in time."""
        with contextlib.suppress(ConnectionError):
            try:
                async with asyncio.timeout(seconds):
                    while await self.read():
                        pass
            except TimeoutError:
                return False
        return True

    def close(self) -> None:
        """Hang up, whatever is under way."""
        self.writer.transport.abort()

    def _length(self) -> int:
        return int(ENVELOPE.unpack_from(self._frames)[1])


@contextlib.asynccontextmanager
async def exchange(
    address: str, path: str, body: bytes = b"", *, method: str = "POST", **headers: str
) -> AsyncIterator[Exchange]:
    """Make a request while the body runs."""
    under_way = await Exchange.begin(address, path, body, method=method, **headers)
    try:
        yield under_way
    finally:
        under_way.close()


async def answered(address: str, path: str, body: bytes = b"", *, method: str = "POST", **headers: str) -> Answer:
    """Make a request and return the whole answer."""
    async with exchange(address, path, body, method=method, **headers) as under_way:
        return await under_way.whole()


async def call_json(address: str, method: str, request: Mapping[str, Any], **headers: str) -> Answer:
    """Make a call of `SERVICE/METHOD` with Connect's JSON."""
    return await answered(
        address, f"/synckairos.v1.{method}", json.dumps(request).encode(), content_type="application/json", **headers
    )


def enveloped(message: bytes) -> bytes:
    """Return a message as streams carry it."""
    return ENVELOPE.pack(0, len(message)) + message


@contextlib.asynccontextmanager
async def watched_json(address: str, request: Mapping[str, Any], **headers: str) -> AsyncIterator[Exchange]:
    """Watch a session with Connect's JSON while the body runs."""
    body = enveloped(json.dumps(request).encode())
    async with exchange(
        address, "/synckairos.v1.SessionService/WatchSession", body, content_type="application/connect+json", **headers
    ) as under_way:
        yield under_way
