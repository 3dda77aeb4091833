"""Callers of both ports that make the same calls, one after another on connections of their own."""

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from typing import Any, Final, NamedTuple

import grpc
import httptools
from google.protobuf import json_format

from synckairos.v1 import session_service_pb2 as pb

Call = Callable[[], Awaitable[object]]

SERVICE: Final = "/synckairos.v1.SessionService/"
LENGTH: Final = struct.Struct(">BI")
CHUNK: Final = 1 << 16
OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1),)


class Form(NamedTuple):
    """How messages are written, and whether each has an envelope."""

    content_type: str
    is_json: bool
    is_enveloped: bool


PROTO: Final = Form("application/proto", is_json=False, is_enveloped=False)
JSON: Final = Form("application/json", is_json=True, is_enveloped=False)
GRPC_WEB: Final = Form("application/grpc-web+proto", is_json=False, is_enveloped=True)
PROTO_STREAM: Final = Form("application/connect+proto", is_json=False, is_enveloped=True)
JSON_STREAM: Final = Form("application/connect+json", is_json=True, is_enveloped=True)


class HttpConnection:
    """A connection that sends prepared bytes, and reads a whole response or one envelope after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._parser = httptools.HttpResponseParser(self)
        self._is_complete = False
        self.body = bytearray()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body (of httptools)."""
        self.body += body

    def on_message_complete(self) -> None:
        """Take the end (of httptools)."""
        self._is_complete = True

    async def call(self, request: bytes) -> None:
        """Send a request and read its response; raises RuntimeError for another status than 200."""
        self.body.clear()
        self._is_complete = False
        self._writer.write(request)
        while not self._is_complete:
            await self._read()
        if self._parser.get_status_code() != 200:
            raise RuntimeError(bytes(self.body).decode(errors="replace"))

    async def envelopes(self, request: bytes) -> AsyncIterator[bytes]:
        """Send a request and yield the envelopes of its response."""
        self._writer.write(request)
        while True:
            while len(self.body) < LENGTH.size or len(self.body) < LENGTH.size + LENGTH.unpack_from(self.body)[1]:
                await self._read()
            size = LENGTH.size + LENGTH.unpack_from(self.body)[1]
            yield bytes(self.body[:size])
            del self.body[:size]

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()

    async def _read(self) -> None:
        data = await self._reader.read(CHUNK)
        if not data:
            raise RuntimeError("the server has hung up")
        self._parser.feed_data(data)


@asynccontextmanager
async def http_connection(address: str) -> AsyncIterator[HttpConnection]:
    """Yield a connection to an HTTP port."""
    host, _, port = address.rpartition(":")
    connection = HttpConnection(*await asyncio.open_connection(host, int(port)))
    try:
        yield connection
    finally:
        connection.close()


def http_request(address: str, method: str, fields: dict[str, object], form: Form) -> bytes:
    """Return the bytes of a call of SessionService; `fields` are those of the request in JSON's names."""
    if form.is_json:
        message = json.dumps(fields).encode()
    else:
        kind = pb.GetSessionRequest if method == "GetSession" else pb.WatchSessionRequest
        message = json_format.ParseDict(fields, kind()).SerializeToString()
    body = LENGTH.pack(0, len(message)) + message if form.is_enveloped else message
    lines = (f"host: {address}", f"content-type: {form.content_type}", f"content-length: {len(body)}")
    return "\r\n".join([f"POST {SERVICE}{method} HTTP/1.1", *lines, "", ""]).encode() + body


async def http_calls(stack: AsyncExitStack, address: str, ids: Sequence[str], form: Form, callers: int) -> list[Call]:
    """Return what makes the next GetSession of each caller over HTTP."""

    async def one(own: Sequence[str]) -> Call:
        connection = await stack.enter_async_context(http_connection(address))
        requests = cycle([http_request(address, "GetSession", {"sessionId": one}, form) for one in own])
        return lambda: connection.call(next(requests))

    return [await one(ids[place::callers]) for place in range(callers)]


async def grpc_calls(stack: AsyncExitStack, address: str, ids: Sequence[str], callers: int) -> list[Call]:
    """Return what makes the next GetSession of each caller over gRPC."""

    async def one(own: Sequence[str]) -> Call:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=OPTIONS))
        call: Any = channel.unary_unary(f"{SERVICE}GetSession")
        requests = cycle([pb.GetSessionRequest(session_id=one).SerializeToString() for one in own])
        return lambda: call(next(requests))

    return [await one(ids[place::callers]) for place in range(callers)]


async def called_for(calls: Sequence[Call], seconds: float) -> list[float]:
    """Let each caller call one call after another for so long; return how long each call took (seconds)."""
    took: list[float] = []
    end = time.monotonic() + seconds

    async def caller(call: Call) -> None:
        while (began := time.monotonic()) < end:
            await call()
            took.append(time.monotonic() - began)

    await asyncio.gather(*map(caller, calls))
    return took


async def called_at_rate(calls: Sequence[Call], rate: float, seconds: float) -> list[float]:
    """Let the callers begin so many calls a second in turn, whatever the last ones take.

    Return how long each took from the instant at which it was due (seconds); a caller that is behind is late for its
    next call.
    """
    took: list[float] = []
    begin = time.monotonic()

    async def caller(call: Call, place: int) -> None:
        for number in range(place, round(rate * seconds), len(calls)):
            due = begin + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            await call()
            took.append(time.monotonic() - due)

    await asyncio.gather(*(caller(call, place) for place, call in enumerate(calls)))
    return took
