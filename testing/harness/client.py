"""The client of a backend: stubs, errors taken apart, streams recorded."""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar
from uuid import uuid4

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from synckairos.client import channel_options
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from synckairos.v1.time_service_pb2_grpc import TimeServiceStub
from testing.harness.waiting import PATIENCE_S

Message = TypeVar("Message")
Stub = Any
"""SessionServiceStub, whose generated type knows only synchronous channels."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a client sees it."""

    code: grpc.StatusCode
    reason: str
    metadata: dict[str, str]
    fields: dict[str, str]
    retry_after_s: float | None
    text: str


def problem_of(error: grpc.RpcError) -> Problem:
    """Take an error apart; fails if it carries no ErrorInfo."""
    call: Any = error
    status = rpc_status.from_call(_Trailers(call))
    assert status is not None, f"no google.rpc.Status in {call.code()}: {call.details()}"
    info, fields, retry = error_details_pb2.ErrorInfo(), {}, None
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            fields = {violation.field: violation.description for violation in bad.field_violations}
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            info_ = error_details_pb2.RetryInfo()
            detail.Unpack(info_)
            retry = info_.retry_delay.seconds + info_.retry_delay.nanos / 1e9
    assert info.domain == "synckairos.dev"
    return Problem(call.code(), info.reason, dict(info.metadata), fields, retry, call.details())


@dataclass(frozen=True, slots=True)
class _Trailers:
    """rpc_status reads these three from a call."""

    error: Any

    def trailing_metadata(self) -> Any:
        return self.error.trailing_metadata()

    def code(self) -> Any:
        return self.error.code()

    def details(self) -> Any:
        return self.error.details()


@contextlib.asynccontextmanager
async def connect(address: str, *options: tuple[str, Any]) -> AsyncIterator[Stub]:
    """Yield a SessionService stub."""
    async with grpc.aio.insecure_channel(address, options=[*options, ("grpc.enable_retries", 0)]) as channel:
        yield SessionServiceStub(channel)


@contextlib.asynccontextmanager
async def connect_patiently(address: str) -> AsyncIterator[Stub]:
    """Yield a SessionService stub that tries again where the published service config says so, as users' do."""
    async with grpc.aio.insecure_channel(address, options=channel_options()) as channel:
        yield SessionServiceStub(channel)


@contextlib.asynccontextmanager
async def connect_time(address: str) -> AsyncIterator[Any]:
    """Yield a TimeService stub."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield TimeServiceStub(channel)


async def refused(call: Any) -> Problem:
    """Await a call that must fail and return its error."""
    try:
        reply = await call
    except grpc.RpcError as error:
        return problem_of(error)
    raise AssertionError(f"the call was answered: {reply}")


def new_id() -> str:
    """Return a new id."""
    return str(uuid4())


def two_players(
    session_id: str = "", *, bank_ms: int = 600_000, increment_ms: int = 0, **more: Any
) -> pb.CreateSessionRequest:
    """Return the request for a session of two participants with equal banks."""
    return pb.CreateSessionRequest(
        session_id=session_id or new_id(),
        mode=session_pb2.MODE_PER_PARTICIPANT,
        participants=[session_pb2.ParticipantSpec(participant_id=new_id(), total_time_ms=bank_ms) for _ in range(2)],
        increment_ms=increment_ms,
        **more,
    )


async def running_session(stub: Stub, request: pb.CreateSessionRequest | None = None) -> session_pb2.Session:
    """Create and start a session."""
    created = await stub.CreateSession(request or two_players())
    started = await stub.StartSession(pb.StartSessionRequest(session_id=created.session.session_id))
    session: session_pb2.Session = started.session
    return session


@dataclass
class StreamReader(ABC, Generic[Message]):
    """A stream being read, with everything it said and the local monotonic time of each message."""

    call: Any
    messages: list[Message] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    error: grpc.RpcError | None = None
    ended: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        """Read until the stream ends."""
        try:
            async for message in self.call:
                self.messages.append(message)
                self.times.append(time.monotonic())
                self._news.set()
        except grpc.RpcError as error:
            self.error = error
        finally:
            self.ended = True
            self._news.set()

    async def until(self, condition: Callable[[Self], Any], seconds: float = PATIENCE_S) -> Self:
        """Wait until the condition holds; fail if it does not in time, or if the stream ends before."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(self):
                    assert not self.ended, f"the stream has ended: {self.said()} {self.error}"
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s; so far: {self.said()}") from None
        return self

    async def until_end(self, seconds: float = PATIENCE_S) -> Self:
        """Wait until the stream ends."""
        async with asyncio.timeout(seconds):
            while not self.ended:
                self._news.clear()
                await self._news.wait()
        return self

    @abstractmethod
    def said(self) -> list[str]:
        """Return a word about each message."""


Reader = TypeVar("Reader", bound=StreamReader[Any])


@contextlib.asynccontextmanager
async def reading(reader: Reader) -> AsyncIterator[Reader]:
    """Read a stream while the body runs."""
    task = asyncio.create_task(reader.read())
    try:
        yield reader
    finally:
        reader.call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Recording(StreamReader[pb.WatchSessionResponse]):
    """A watched stream."""

    def said(self) -> list[str]:
        """Return the kinds of the messages."""
        return self.kinds()

    def kinds(self) -> list[str]:
        """Return the kind of each message."""
        return [message.WhichOneof("payload") or "" for message in self.messages]

    def of(self, kind: str) -> list[pb.WatchSessionResponse]:
        """Return the messages of one kind."""
        return [message for message in self.messages if message.WhichOneof("payload") == kind]

    @property
    def versions(self) -> list[int]:
        """Return the versions of the events, in order."""
        return [message.version for message in self.of("event")]


def watching(call: Any) -> contextlib.AbstractAsyncContextManager[Recording]:
    """Record a watched stream while the body runs."""
    return reading(Recording(call))
