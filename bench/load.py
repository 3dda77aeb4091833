"""Callers that drive whole session lives, retry what may be retried, and keep a ledger of what they were told."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import uuid4

import grpc

from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, problem_of, two_players

RETRIED: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED})
CALL_S: Final = 5.0
LIFE: Final = 20
"""Mutations in the life of one session, creation and end included."""


class Change(NamedTuple):
    """A version that somebody was told about."""

    session_id: str
    epoch: int
    version: int


class Told(NamedTuple):
    """An OK: whose request it answered, and when (monotonic seconds)."""

    request_id: str
    at: float


@dataclass(slots=True)
class Ledger:
    """What the callers were told: the changes answered with OK, and every other answer by its reason."""

    told: dict[Change, Told] = field(default_factory=dict)
    other: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)


class Load:
    """A number of callers making mutations until the wanted number has been answered OK."""

    def __init__(
        self, addresses: Sequence[str], mutations: int, *, callers: int = 32, on_progress: Callable[[int], None]
    ) -> None:
        self._addresses = addresses
        self._wanted = mutations
        self._callers = callers
        self._on_progress = on_progress
        self._progress = asyncio.Condition()
        self.ledger = Ledger()
        self.seconds = 0.0

    async def run(self) -> Ledger:
        """Drive sessions until enough mutations have been answered OK."""
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            stubs = [await stack.enter_async_context(connect(address)) for address in self._addresses]
            async with asyncio.TaskGroup() as callers:
                for place in range(self._callers):
                    callers.create_task(self._caller(stubs, place))
        self.seconds = time.monotonic() - started
        return self.ledger

    async def reached(self, part: float) -> None:
        """Wait until this part (0 to 1) of the mutations has been answered."""
        async with self._progress:
            await self._progress.wait_for(lambda: len(self.ledger.told) >= part * self._wanted)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        """Run the load beside the body, which injects the faults; leave when all is answered."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.run())
            yield self

    async def _caller(self, stubs: list[Stub], place: int) -> None:
        turn = place
        while len(self.ledger.told) < self._wanted:
            for method, request in _life(str(uuid4())):
                turn = await self._told(stubs, turn, method, request)

    async def _told(self, stubs: list[Stub], turn: int, method: str, request: Any) -> int:
        """Make one call, on another server with the same request_id if it fails for the moment."""
        while True:
            started = time.monotonic()
            try:
                reply = await getattr(stubs[turn % len(stubs)], method)(request, timeout=CALL_S)
            except grpc.aio.AioRpcError as error:
                self.ledger.other[_reason(error)] += 1
                if error.code() not in RETRIED and error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    return turn
                turn += 1
                await asyncio.sleep(random.uniform(0.02, 0.1))
                continue
            session = reply.session
            self.ledger.latencies.append(time.monotonic() - started)
            change = Change(session.session_id, session.epoch, session.version)
            self.ledger.told[change] = Told(request.request_id, time.monotonic())
            self._on_progress(len(self.ledger.told))
            async with self._progress:
                self._progress.notify_all()
            return turn


def _reason(error: grpc.aio.AioRpcError) -> str:
    try:
        return problem_of(error).reason
    except AssertionError:
        return error.code().name  # the answer of a channel without a server carries no details


def _life(session_id: str) -> Iterator[tuple[str, Any]]:
    """Yield the calls of one session's life: LIFE mutations, an equal chance of each kind of end."""

    def of(kind: Any, **more: Any) -> Any:
        return kind(session_id=session_id, request_id=str(uuid4()), **more)

    create = two_players(session_id, increment_ms=2_000, request_id=str(uuid4()))
    yield "CreateSession", create
    yield "StartSession", of(pb.StartSessionRequest)
    for _ in range(LIFE - 7):
        yield "SwitchCycle", of(pb.SwitchCycleRequest)
    yield "PauseSession", of(pb.PauseSessionRequest)
    yield "ResumeSession", of(pb.ResumeSessionRequest)
    adjusted = create.participants[0].participant_id
    yield "AdjustTime", of(pb.AdjustTimeRequest, participant_id=adjusted, delta_ms=5_000, reason="a fault run")
    yield "UpdateSession", of(pb.UpdateSessionRequest, labels={"run": "faults"}, update_mask={"paths": ["labels"]})
    yield "SwitchCycle", of(pb.SwitchCycleRequest)
    match random.randrange(4):
        case 0:
            yield "CompleteSession", of(pb.CompleteSessionRequest)
        case 1:
            yield "CancelSession", of(pb.CancelSessionRequest)
        case 2:
            yield "DeleteSession", of(pb.DeleteSessionRequest)
        case _:
            yield "SwitchCycle", of(pb.SwitchCycleRequest)
