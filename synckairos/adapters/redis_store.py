"""The primary truth in Redis: one transaction per change, in two round trips.

    WATCH, GET, [GET request], TIME  ->  a pure decision  ->  MULTI, SET, index, streams, PUBLISH, EXEC

Callers of one process queue per session (it removes the livelock of many WATCHes on one key); WATCH guards against
other processes, and correctness rests on WATCH alone.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NoReturn

import structlog
from redis.exceptions import ResponseError

from synckairos.adapters import redis_codec as codec
from synckairos.adapters.redis_commit import CommitWriter
from synckairos.adapters.redis_connections import (
    LOST,
    NOT_READY,
    Command,
    Lease,
    RedisConnections,
    Reply,
    checked,
    code_of,
)
from synckairos.adapters.redis_guard import RedisGuard
from synckairos.adapters.redis_keys import Keys, SessionKeys
from synckairos.adapters.redis_outcome import LostCommits, ReplyLost
from synckairos.adapters.redis_time import EstimatedClock
from synckairos.application.errors import CommitBroken, Contention, StoreUnavailable
from synckairos.application.ports import Decide, Plan, Reading, Request
from synckairos.application.telemetry import StoreObserver
from synckairos.domain.events import Event

BACKOFF_S: Final = (0.001, 0.02)
"""Shortest and longest mean pause between attempts that collide."""
LOOK_AGAIN_S: Final = 0.05
"""Pause between looks at a store that cannot be reached, while the outcome of a commit is unknown."""

_log = structlog.get_logger(__name__)


class _Conflict(Exception):
    """Another process changed the session between our read and our EXEC."""


class RedisSessionStore:
    """Sessions in Redis, behind WATCH/MULTI."""

    def __init__(
        self,
        connections: RedisConnections,
        keys: Keys,
        guard: RedisGuard,
        writer: CommitWriter,
        clock: EstimatedClock,
        observer: StoreObserver,
    ) -> None:
        self._connections = connections
        self._keys = keys
        self._guard = guard
        self._writer = writer
        self._clock = clock
        self._observer = observer
        self._queues: dict[str, tuple[asyncio.Lock, int]] = {}

    async def read(self, session_ids: Sequence[str]) -> list[Reading]:
        """Return the sessions in the order asked; raises StoreUnavailable."""
        self._guard.require()
        commands: list[Command] = [("TIME",), *(("GET", self._keys.of(sid).session) for sid in session_ids)]
        now, *found = await self._connections.run(commands)
        now_us = self._note_time(now)
        if None in found:
            await self._guard.confirm()
        return [_read(sid, raw, now_us) for sid, raw in zip(session_ids, found, strict=True)]

    async def now_us(self) -> int:
        """Return the authority's time in microseconds since 1970; raises StoreUnavailable."""
        self._guard.require()
        (now,) = await self._connections.run([("TIME",)])
        return self._note_time(now)

    async def event_at(self, session_id: str, version: int) -> Event | None:
        """Return the event that led to a version, None if it has left the window; raises StoreUnavailable."""
        (entries,) = await self._connections.run([_entry(self._keys.of(session_id), version)])
        return codec.decode_event(session_id, entries[0][1][1]) if entries else None

    async def transact(self, session_id: str, request: Request, decide: Decide, until: float) -> None:
        """Commit what `decide` plans, retrying on conflict until `until` (monotonic seconds).

        Raises StoreUnavailable, OutcomeUnknown, Contention, whatever `decide` raises, and CommitBroken.
        """
        async with self._turn(session_id, until):
            lost = LostCommits(session_id)
            collisions = 0
            while True:
                try:
                    await self._require(lost)
                    await self._attempt(session_id, request, decide, lost)
                except ReplyLost as reply:
                    self._observer.unknown_exec()
                    lost.add(reply)
                except _Conflict:
                    self._observer.conflict()
                    collisions += 1
                    await self._back_off(session_id, collisions, until, lost)
                except StoreUnavailable as error:
                    if not lost:
                        raise
                    if lost.seconds_left <= 0:
                        raise lost.unknown() from error
                    await asyncio.sleep(LOOK_AGAIN_S)
                else:
                    return

    @asynccontextmanager
    async def _turn(self, session_id: str, until: float) -> AsyncIterator[None]:
        """Wait in this process's queue for the session."""
        lock, waiting = self._queues.get(session_id) or (asyncio.Lock(), 0)
        self._queues[session_id] = (lock, waiting + 1)
        try:
            if lock.locked():
                try:
                    async with asyncio.timeout(max(0.0, until - time.monotonic())):
                        await lock.acquire()
                except TimeoutError as error:
                    raise Contention(f"session {session_id} stayed busy", session_id=session_id) from error
            else:
                await lock.acquire()
            try:
                yield
            finally:
                lock.release()
        finally:
            lock, waiting = self._queues[session_id]
            if waiting == 1:
                del self._queues[session_id]
            else:
                self._queues[session_id] = (lock, waiting - 1)

    async def _require(self, lost: LostCommits) -> None:
        """Raise StoreUnavailable unless the store may be used; one with a commit of unknown outcome is asked."""
        if not lost:
            self._guard.require()
            return
        try:
            async with asyncio.timeout(max(0.0, lost.seconds_left)):
                await self._guard.confirm()
        except TimeoutError as error:
            text = "Redis does not answer after a commit"
            self._guard.suspect(text)
            raise StoreUnavailable(text) from error

    async def _back_off(self, session_id: str, collisions: int, until: float, lost: LostCommits) -> None:
        shortest, longest = BACKOFF_S
        pause = random.uniform(0, 2) * min(longest, shortest * 2**collisions)  # noqa: S311 - jitter, not a secret
        if time.monotonic() + pause >= until:
            if lost:
                raise lost.unknown()
            raise Contention(f"session {session_id} kept changing", session_id=session_id, attempts=collisions)
        await asyncio.sleep(pause)

    async def _attempt(self, session_id: str, request: Request, decide: Decide, lost: LostCommits) -> None:
        keys = self._keys.of(session_id)
        commands: list[Command] = [("WATCH", keys.session), ("GET", keys.session), ("TIME",)]
        if request.request_id:
            commands.append(("GET", keys.request_prefix + request.request_id))
        async with self._connections.lease(commands) as (lease, replies):
            with lease.closing_on_error():
                reading = self._reading(session_id, checked(replies))
                if reading.session is None:
                    await self._guard.confirm(lease)
                if lost and await self._was_applied(lease, session_id, reading, decide, lost):
                    return
                plan = lost.latest = decide(reading)
                is_committed = await self._carry_out(lease, session_id, request, reading, plan, lost)
        if not is_committed:
            raise _Conflict

    def _reading(self, session_id: str, replies: Sequence[Reply]) -> Reading:
        _, found, now, *request = replies
        reading = _read(session_id, found, self._note_time(now))
        if reading.problem is not None:
            raise reading.problem
        return reading._replace(
            remembered=codec.decode_request(request[0]) if request and request[0] is not None else None
        )

    async def _was_applied(
        self, lease: Lease, session_id: str, reading: Reading, decide: Decide, lost: LostCommits
    ) -> bool:
        """Look whether a commit whose reply was lost, of this attempt or of one before, has been applied after all."""
        applied = await lost.applied(reading.session, partial(_event_at, lease, session_id, self._keys.of(session_id)))
        if applied is None:
            lost.drop_defeated(reading.session)
            return False
        await _unwatch(lease)
        if applied.plan is not lost.latest:
            decide(applied.reading)  # once more: the caller answers with what was decided last
        self._writer.committed(session_id, applied.plan)
        return True

    async def _carry_out(
        self,
        lease: Lease,
        session_id: str,
        request: Request,
        reading: Reading,
        plan: Plan,
        lost: LostCommits,
    ) -> bool:
        """Store what is planned; False if another process changed the session meanwhile.

        A commit is finished even if the caller is cancelled: half of one would leave its result unknown.
        """
        commands = self._writer.commands(self._keys.of(session_id), session_id, request, reading, plan)
        if not commands:
            if lost:
                raise lost.unknown()
            await _unwatch(lease)
            return True
        commit = asyncio.ensure_future(self._commit(lease, session_id, commands, reading, plan))
        try:
            return await asyncio.shield(commit)
        except asyncio.CancelledError:
            while not commit.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([commit])
            if not commit.cancelled():
                commit.exception()
            raise

    async def _commit(
        self, lease: Lease, session_id: str, commands: Sequence[Command], reading: Reading, plan: Plan
    ) -> bool:
        try:
            replies = await lease.exchange([("MULTI",), *commands, ("EXEC",)])
        except LOST as error:
            if not plan.events:
                raise  # to remove a session, or to remember an answer, twice is to do it once
            raise ReplyLost(reading, plan) from error
        if not self._is_applied(session_id, replies):
            return False
        self._writer.committed(session_id, plan)
        return True

    def _is_applied(self, session_id: str, replies: Sequence[Reply]) -> bool:
        """Look at every reply, for Redis does not roll back; False if the WATCH stopped the transaction."""
        *queued, results = replies
        if results is None:
            return False
        if isinstance(results, ResponseError):
            refused = next((reply for reply in queued if isinstance(reply, ResponseError)), results)
            if code_of(refused) in NOT_READY:
                raise StoreUnavailable(f"Redis refused the change: {code_of(refused)}") from refused
            self._alarm(session_id, "EXEC was refused", refused)
        failed = next((reply for reply in results if isinstance(reply, Exception)), None)
        if failed is not None:
            self._alarm(session_id, "EXEC was applied in part", failed)
        return True

    def _alarm(self, session_id: str, what: str, error: Exception) -> NoReturn:
        self._observer.broken_commit()
        _log.critical("commit_broken", session_id=session_id, what=what, error=str(error))
        raise CommitBroken(f"session {session_id}: {what}: {error}") from error

    def _note_time(self, reply: Reply) -> int:
        now_us = int(reply[0]) * 1_000_000 + int(reply[1])
        self._clock.note(now_us)
        return now_us


def _read(session_id: str, raw: bytes | None, now_us: int) -> Reading:
    if raw is None:
        return Reading(None, now_us)
    try:
        return Reading(codec.decode_session(session_id, raw), now_us)
    except codec.UnknownLayoutError as error:
        return Reading(None, now_us, problem=StoreUnavailable(str(error), session_id=session_id))


def _entry(keys: SessionKeys, version: int) -> Command:
    return ("XRANGE", keys.events, f"{version}-0", f"{version}-0")


async def _event_at(lease: Lease, session_id: str, keys: SessionKeys, version: int) -> Event | None:
    (entries,) = await lease.ask([_entry(keys, version)])
    return codec.decode_event(session_id, entries[0][1][1]) if entries else None


async def _unwatch(lease: Lease) -> None:
    with contextlib.suppress(*LOST):
        await lease.exchange([("UNWATCH",)])
