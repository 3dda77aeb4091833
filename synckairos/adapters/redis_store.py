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
from typing import Final

import structlog
from redis.exceptions import ResponseError

from synckairos.adapters import redis_codec as codec
from synckairos.adapters.redis_commit import CommitWriter
from synckairos.adapters.redis_connections import LOST, Command, Lease, RedisConnections, Reply, is_not_ready
from synckairos.adapters.redis_guard import RedisGuard
from synckairos.adapters.redis_keys import Keys, SessionKeys
from synckairos.adapters.redis_time import EstimatedClock
from synckairos.application.errors import CommitBroken, Contention, OutcomeUnknown, StoreUnavailable
from synckairos.application.ports import Decide, Plan, Reading, Remembered, Request
from synckairos.application.telemetry import StoreObserver
from synckairos.domain.events import Event

RESOLVE_S: Final = 1.2
"""How long an unknown EXEC is looked into before the caller is told."""
BACKOFF_S: Final = (0.001, 0.02)
"""Shortest and longest mean pause between attempts that collide."""

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
        try:
            now, *found = await self._connections.run(commands)
        except StoreUnavailable:
            self._guard.suspect()
            raise
        now_us = self._note_time(now)
        if None in found:
            await self._guard.confirm()
        return [
            Reading(codec.decode_session(sid, raw) if raw is not None else None, now_us)
            for sid, raw in zip(session_ids, found, strict=True)
        ]

    async def now_us(self) -> int:
        """Return the authority's time in microseconds since 1970; raises StoreUnavailable."""
        self._guard.require()
        (now,) = await self._connections.run([("TIME",)])
        return self._note_time(now)

    async def event_at(self, session_id: str, version: int) -> Event | None:
        """Return the event that led to a version, None if it has left the window; raises StoreUnavailable."""
        entry = f"{version}-0"
        (entries,) = await self._connections.run([("XRANGE", self._keys.of(session_id).events, entry, entry)])
        return codec.decode_event(session_id, entries[0][1][1]) if entries else None

    async def transact(self, session_id: str, request: Request, decide: Decide, until: float) -> None:
        """Commit what `decide` plans, retrying on conflict until `until` (monotonic seconds).

        Raises StoreUnavailable, OutcomeUnknown, Contention, whatever `decide` raises, and CommitBroken.
        """
        async with self._turn(session_id, until):
            attempt = 0
            while True:
                self._guard.require()
                try:
                    await self._attempt(session_id, request, decide)
                except _Conflict:
                    attempt += 1
                    self._observer.conflict()
                    await self._back_off(session_id, attempt, until)
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

    async def _back_off(self, session_id: str, attempt: int, until: float) -> None:
        shortest, longest = BACKOFF_S
        pause = random.uniform(0, 2) * min(longest, shortest * 2**attempt)  # noqa: S311 - jitter, not a secret
        if time.monotonic() + pause >= until:
            raise Contention(f"session {session_id} kept changing", session_id=session_id, attempts=attempt)
        await asyncio.sleep(pause)

    async def _attempt(self, session_id: str, request: Request, decide: Decide) -> None:
        keys = self._keys.of(session_id)
        for fresh in (False, True):
            async with self._connections.lease(fresh=fresh) as lease:
                try:
                    reading = await self._watch(lease, session_id, keys, request)
                except LOST as error:
                    if lease.is_fresh or isinstance(error, TimeoutError):
                        self._guard.suspect()
                        raise StoreUnavailable(f"Redis does not answer: {type(error).__name__}") from error
                    self._connections.forget_idle()
                    continue
                with lease.closing_on_error():
                    if reading.session is None:
                        await self._guard.confirm()
                    await self._finish(lease, session_id, keys, request, reading, decide)
                return

    async def _watch(self, lease: Lease, session_id: str, keys: SessionKeys, request: Request) -> Reading:
        commands: list[Command] = [("WATCH", keys.session), ("GET", keys.session), ("TIME",)]
        if request.request_id:
            commands.append(("GET", keys.request_prefix + request.request_id))
        replies = await lease.exchange(commands)
        with lease.closing_on_error():
            _raise_errors(replies)
            session = codec.decode_session(session_id, replies[1]) if replies[1] is not None else None
            remembered = None
            if request.request_id and replies[3] is not None:
                remembered = Remembered(*codec.decode_request(replies[3]))
        return Reading(session, self._note_time(replies[2]), remembered)

    async def _finish(
        self, lease: Lease, session_id: str, keys: SessionKeys, request: Request, reading: Reading, decide: Decide
    ) -> None:
        plan = decide(reading)
        commands = self._writer.commands(keys, session_id, request, reading, plan)
        if not commands:
            with contextlib.suppress(*LOST):
                await lease.exchange([("UNWATCH",)])
            return
        replies = await self._commit(lease, session_id, commands, plan)
        if replies is not None:
            self._check(session_id, replies)
        self._writer.committed(session_id, plan)

    async def _commit(
        self, lease: Lease, session_id: str, commands: Sequence[Command], plan: Plan
    ) -> list[Reply] | None:
        """Write MULTI … EXEC and read the replies; None if the connection broke and our change is found applied.

        The exchange is finished even if the caller is cancelled: half a commit would leave its result unknown.
        """
        exchange = asyncio.ensure_future(lease.exchange([("MULTI",), *commands, ("EXEC",)]))
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            while not exchange.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([exchange])
            if not exchange.cancelled():
                exchange.exception()
            raise
        except LOST as error:
            self._observer.unknown_exec()
            if await self._was_applied(session_id, plan, error):
                return None
            raise _Conflict from error

    async def _was_applied(self, session_id: str, plan: Plan, cause: BaseException) -> bool:
        """Find out what became of an EXEC whose reply was lost.

        Still at the version we started from: not applied, and the WATCH of the next attempt defeats a late EXEC.
        Beyond it: the event at our version carries our change id, or another's.
        """
        until = time.monotonic() + RESOLVE_S
        if plan.remove:
            return False  # to remove a session twice is to remove it once
        ours = plan.events[-1].session
        while True:
            try:
                (reading,) = await self._connections.run([("GET", self._keys.of(session_id).session)])
                if reading is None:
                    return False
                head = codec.decode_head(reading)
                if (head.epoch, head.version) < (ours.epoch, ours.version):
                    return False
                if head.epoch == ours.epoch:
                    if head.version == ours.version:
                        return head.change_id == ours.change_id
                    event = await self.event_at(session_id, ours.version)
                    if event is not None:
                        return event.session.change_id == ours.change_id
                break
            except StoreUnavailable:
                if time.monotonic() >= until:
                    break
                await asyncio.sleep(0.05)
        self._guard.suspect()
        raise OutcomeUnknown(
            "the connection broke during the commit; retry with the same request_id", session_id=session_id
        ) from cause

    def _check(self, session_id: str, replies: Sequence[Reply]) -> None:
        """Look at every reply: Redis does not roll back."""
        *queued, results = replies
        if results is None:
            raise _Conflict
        if isinstance(results, ResponseError):
            refused = next((reply for reply in queued if isinstance(reply, ResponseError)), results)
            if is_not_ready(refused):
                raise StoreUnavailable(f"Redis refused the change: {str(refused).split(' ', 1)[0]}") from refused
            raise CommitBroken(f"session {session_id}: EXEC was refused: {refused}") from refused
        failed = [reply for reply in results if isinstance(reply, Exception)]
        if failed:
            self._observer.broken_commit()
            raise CommitBroken(f"session {session_id}: EXEC was applied in part: {failed[0]}")

    def _note_time(self, reply: Reply) -> int:
        now_us = int(reply[0]) * 1_000_000 + int(reply[1])
        self._clock.note(now_us)
        return now_us


def _raise_errors(replies: Sequence[Reply]) -> None:
    for reply in replies:
        if isinstance(reply, ResponseError):
            if is_not_ready(reply):
                raise StoreUnavailable(f"Redis is not ready: {str(reply).split(' ', 1)[0]}") from reply
            raise reply
