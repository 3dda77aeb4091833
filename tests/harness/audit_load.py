"""A short load on servers, and the count of what became of every change somebody was told about."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import asyncpg
import grpc

from synckairos.v1 import session_service_pb2 as pb
from tests.harness.client import Stub, new_id, problem_of, two_players

CALLERS: Final = 16
SWITCHES: Final = 12
PATIENCE_S: Final = 60.0


class Told(NamedTuple):
    """A change that a caller was told OK about."""

    session_id: str
    epoch: int
    version: int


class Verdict(NamedTuple):
    """Changes told and not in the trail, rows of one identity, rows nobody was told of, rows that are forks."""

    lost: int
    doubled: int
    untold: int
    forks: int


class AuditLoad:
    """Plays whole sessions on several servers until enough mutations have been answered."""

    def __init__(self, stubs: Sequence[Stub], mutations: int) -> None:
        self._stubs = stubs
        self._mutations = mutations
        self.told: dict[Told, str] = {}
        """What was told, and the request id it was asked with."""
        self.refused: Counter[str] = Counter()
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Play until all is answered."""
        async with asyncio.TaskGroup() as callers:
            for place in range(CALLERS):
                callers.create_task(self._caller(place))

    async def reached(self, part: float) -> None:
        """Wait until this part (0 to 1) of the mutations has been answered."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: len(self.told) >= part * self._mutations)

    async def _caller(self, place: int) -> None:
        while len(self.told) < self._mutations:
            for method, request in _life(new_id()):
                place = await self._ask(place, method, request)

    async def _ask(self, place: int, method: str, request: Any) -> int:
        """Make one call; on another server, with the same request id, while the moment is bad."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    reply = await getattr(self._stubs[place % len(self._stubs)], method)(request, timeout=5)
                except grpc.aio.AioRpcError as error:
                    place += 1
                    self.refused[_reason_of_bad_moment(error)] += 1
                    await asyncio.sleep(random.uniform(0.02, 0.1))  # as any client would
                    continue
                session = reply.session
                self.told[Told(session.session_id, session.epoch, session.version)] = request.request_id
                async with self._news:
                    self._news.notify_all()
                return place


def _reason_of_bad_moment(error: grpc.aio.AioRpcError) -> str:
    """Return why a call failed; fails itself if it was not for the moment."""
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "DEADLINE_EXCEEDED"
    assert error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED}, error
    try:
        return problem_of(error).reason
    except AssertionError:
        return error.code().name  # a channel without a server says nothing more


def _life(session_id: str) -> Iterator[tuple[str, Any]]:
    """Yield the calls of one session's life."""

    def of(kind: Any, **more: Any) -> Any:
        return kind(session_id=session_id, request_id=new_id(), **more)

    yield "CreateSession", two_players(session_id, increment_ms=2_000, request_id=new_id())
    yield "StartSession", of(pb.StartSessionRequest)
    for _ in range(SWITCHES):
        yield "SwitchCycle", of(pb.SwitchCycleRequest)
    yield "PauseSession", of(pb.PauseSessionRequest)
    yield "ResumeSession", of(pb.ResumeSessionRequest)
    yield "UpdateSession", of(pb.UpdateSessionRequest, labels={"why": "load"}, update_mask={"paths": ["labels"]})
    yield "CompleteSession", of(pb.CompleteSessionRequest)


async def judge(database_url: str, load: AuditLoad) -> Verdict:
    """Count the rows of the trail against what was told."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT session_id::text, epoch, version, change_id::text, request_id, is_fork FROM sync_events"
        )
    finally:
        await connection.close()
    identities = Counter(tuple(row[:4]) for row in rows)
    by_version = {Told(*row[:3]): row["request_id"] for row in rows}
    return Verdict(
        lost=sum(by_version.get(told) != request_id for told, request_id in load.told.items()),
        doubled=sum(count - 1 for count in identities.values()) + len(rows) - len(by_version),
        untold=len(by_version.keys() - load.told.keys()),
        forks=sum(row["is_fork"] for row in rows),
    )
