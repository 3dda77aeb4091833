"""A stream of commands without a network: the test is the client, and holds the store where it likes."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from itertools import count
from math import inf
from typing import Any
from uuid import UUID

import grpc

from synckairos.application.ports import Decide, Receipt, Request, ResultT
from synckairos.application.sessions import Sessions
from synckairos.rpc.interceptor import CallJournal, MalformedRequest
from synckairos.rpc.requests import Sender
from synckairos.rpc.session_commands import SessionCommands
from synckairos.rpc.streams.command_stream import CommandStream
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.command_client import answers_in, command
from testing.harness.fakes.fake_store import FakeData, FakeSessionStore
from tests.unit.rpc.calls import ANN, BOB, MANUAL, SID, mutation
from tests.unit.rpc.grpc_testing_adapter import PEER
from tests.unit.rpc.use_cases import UseCases

STREAM_ID = "the-streams-request-id"


def get(session_id: str, command_id: str = "get") -> pb.ExecuteCommandsRequest:
    """Return the command to read a session."""
    return command(command_id, pb.GetSessionRequest(session_id=session_id))


def switch(session_id: str, command_id: str = "switch", **more: Any) -> pb.ExecuteCommandsRequest:
    """Return the command to switch a session's cycle."""
    return command(command_id, pb.SwitchCycleRequest(session_id=session_id, **more))


class HeldStore(FakeSessionStore):
    """A store that decides nothing about a held session, and notes each request's session and deadline."""

    def __init__(self, data: FakeData) -> None:
        super().__init__(data)
        self.asked: list[tuple[str, float]] = []
        self._holds: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._held: set[str] = set()

    def hold(self, *session_ids: str) -> None:
        """Let nothing through for these sessions."""
        self._held.update(session_ids)

    def let_go(self, session_id: str) -> None:
        """Let everything through again."""
        self._held.discard(session_id)
        self._holds.pop(session_id, asyncio.Event()).set()

    async def transact(
        self,
        session_id: str,
        request: Request,
        decide: Decide[ResultT],
        until: float,
        *,
        is_due: bool = False,
        receipt: Receipt | None = None,
    ) -> ResultT:
        """Commit what is planned, once the session is not held."""
        self.asked.append((session_id, until))
        while session_id in self._held:
            await self._holds[session_id].wait()
        return await super().transact(session_id, request, decide, until, is_due=is_due, receipt=receipt)


class Wire:
    """The client's end of a stream, and the gRPC context of the server's end: reading, writing, metadata."""

    def __init__(self, *metadata: tuple[str, str], left: float | None = None) -> None:
        self._metadata = metadata
        self._left = left
        self.unread: asyncio.Queue[Any] = asyncio.Queue()
        self.reads = 0
        self.messages: list[pb.ExecuteCommandsResponse] = []
        self.takes = asyncio.Event()
        self.takes.set()

    def send(self, *messages: pb.ExecuteCommandsRequest | MalformedRequest) -> None:
        """Send messages."""
        for message in messages:
            self.unread.put_nowait(message)

    def half_close(self) -> None:
        """Say that no more will come."""
        self.unread.put_nowait(grpc.aio.EOF)

    def fail(self, error: Exception) -> None:
        """Make the server's next read fail."""
        self.unread.put_nowait(error)

    async def until(self, condition: Callable[[], Any], seconds: float = 5.0) -> None:
        """Wait until the condition holds."""
        async with asyncio.timeout(seconds):
            while True:
                if condition():
                    return
                await asyncio.sleep(0)  # one turn of the loop: the wait on a condition with a deadline

    async def answered(self, count: int) -> list[pb.ExecuteCommandsResponse]:
        """Wait for this many responses."""
        await self.until(lambda: len(self.responses) >= count)
        return self.responses

    @property
    def responses(self) -> list[pb.ExecuteCommandsResponse]:
        """The answers, in order, also those of batches."""
        return [answer for message in self.messages for answer in answers_in(message)]

    @property
    def ids(self) -> list[str]:
        """The ids of the answered commands, in order."""
        return [response.command_id for response in self.responses]

    def invocation_metadata(self) -> Any:
        """Return the call's metadata."""
        return self._metadata

    def peer(self) -> str:
        """Return where the client is."""
        return PEER

    def time_remaining(self) -> float | None:
        """Return how long the whole stream may take."""
        return self._left

    async def send_initial_metadata(self, _metadata: Any) -> None:
        """Send the headers."""

    async def read(self) -> Any:
        """Read a message."""
        message = await self.unread.get()
        if isinstance(message, Exception):
            raise message
        self.reads += 1
        return message

    async def write(self, message: bytes) -> None:
        """Write a message, once the client takes some."""
        await self.takes.wait()
        self.messages.append(pb.ExecuteCommandsResponse.FromString(message))


class OpenStream:
    """A stream that runs on ports in memory."""

    def __init__(
        self, use_cases: UseCases, *metadata: tuple[str, str], left: float | None = None, stall_s: float = 5.0
    ) -> None:
        self.use_cases = use_cases
        self.store = HeldStore(use_cases.data)
        ids = count(1)
        self.commands = SessionCommands(
            Sessions(self.store, use_cases.data.lifetimes, lambda: str(UUID(int=next(ids))), lambda: SID)
        )
        self.wire = Wire(*metadata, left=left)
        context: Any = self.wire
        self.stream = CommandStream(self.commands, CallJournal(use_cases.observed), context, STREAM_ID, stall_s)
        self.running = asyncio.create_task(self.stream.run())

    async def created(self, *verbs: str, session_id: str = SID) -> None:
        """Create the session of ANN and BOB, and do some verbs to it, past the stream."""
        banks = [session_pb2.ParticipantSpec(participant_id=one, total_time_ms=60_000) for one in (ANN, BOB)]
        kind = session_pb2.MODE_PER_PARTICIPANT
        create = pb.CreateSessionRequest(
            session_id=session_id, mode=kind, participants=banks, manual_clock=MANUAL in verbs
        )
        mutations = [mutation(verb, session_id=session_id) for verb in verbs if verb != MANUAL]
        for request in (create, *mutations):
            await self.commands.judge(request, Sender("", PEER), inf)
        self.store.asked.clear()

    async def close(self) -> None:
        """End the stream, in any state."""
        self.running.cancel()
        await asyncio.wait([self.running])


@contextlib.asynccontextmanager
async def opened(*metadata: tuple[str, str], **more: Any) -> AsyncIterator[OpenStream]:
    """Open a stream on use cases of its own."""
    on = OpenStream(UseCases(), *metadata, **more)
    try:
        yield on
    finally:
        await on.close()
