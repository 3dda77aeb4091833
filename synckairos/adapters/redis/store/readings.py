"""Reads sessions for many callers in one exchange."""

import asyncio
from collections.abc import Sequence

from redis.exceptions import ResponseError

from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.connections.pool import Lease, RedisConnections
from synckairos.adapters.redis.connections.replies import checked, raise_error
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.keys import Keys, SessionKeys
from synckairos.adapters.redis.store.batching import Gate
from synckairos.adapters.redis.values import codec
from synckairos.adapters.redis.values.decoded_sessions import DecodedSessions
from synckairos.adapters.redis.values.unreadable import TROUBLES, unreadable
from synckairos.application.errors import SessionUnreadable, StoreUnavailable
from synckairos.application.ports import Reading, Remembered
from synckairos.domain.events import Event


class Wanted:
    """Sessions that a caller wants to read."""

    __slots__ = ("end", "session_ids")

    def __init__(self, session_ids: Sequence[str]) -> None:
        self.session_ids = session_ids
        self.end: asyncio.Future[list[Reading]] = asyncio.get_running_loop().create_future()

    def answer(self, readings: dict[str, Reading | Exception]) -> None:
        """Give the caller its readings, or the first problem among them, unless it has gone away."""
        if self.end.done():
            return
        found: list[Reading] = []
        for session_id in self.session_ids:
            reading = readings[session_id]
            if isinstance(reading, Exception):
                self.end.set_exception(reading)
                return
            found.append(reading)
        self.end.set_result(found)

    def fail(self, problem: Exception) -> None:
        """Tell the caller that nothing could be read."""
        if not self.end.done():
            self.end.set_exception(problem)


class Readings:
    """Reads sessions; a session that several callers ask for is read once."""

    def __init__(
        self,
        connections: RedisConnections,
        guard: StoreIdentityGuard,
        keys: Keys,
        clock: EstimatedClock,
        decoded: DecodedSessions,
    ) -> None:
        self._connections = connections
        self._guard = guard
        self._keys = keys
        self._clock = clock
        self._decoded = decoded
        self._gate = Gate(self._read)

    async def of(self, session_ids: Sequence[str]) -> list[Reading]:
        """Return the sessions in the order asked; raises StoreUnavailable."""
        wanted, line = Wanted(session_ids), self._line_of(session_ids)
        self._gate.offer(wanted, weight=len(session_ids), group=line)
        try:
            return await wanted.end
        finally:
            self._gate.withdraw(wanted, line)

    def _line_of(self, _session_ids: Sequence[str]) -> int:
        """Return the line in which a caller waits: those of one line share exchanges."""
        return 0

    async def _read(self, batch: list[Wanted]) -> None:
        try:
            readings = await self._exchange(list({sid: None for wanted in batch for sid in wanted.session_ids}))
        except Exception as error:
            for wanted in batch:
                wanted.fail(error)
        else:
            for wanted in batch:
                wanted.answer(readings)

    async def _exchange(self, session_ids: Sequence[str]) -> dict[str, Reading | Exception]:
        self._guard.require()  # earlier callers may have waited in vain
        commands: list[RedisCommand] = [("TIME",), *(("GET", self._keys.of(sid).session) for sid in session_ids)]
        async with self._connections.lease(commands) as (lease, (now, *found)):
            lease.is_broken |= any(isinstance(reply, Exception) for reply in found)
        now_us = self._clock.read(checked([now])[0], lease.lent_s)
        return {
            sid: reading_or_problem(self._decoded, sid, raw, now_us)
            for sid, raw in zip(session_ids, found, strict=True)
        }


def read_session(decoded: DecodedSessions, session_id: str, reply: Reply, now_us: int) -> Reading:
    """Return the session in a reply to GET; raises the error that the reply is."""
    if reply is None:
        return Reading(None, now_us)
    try:
        if isinstance(reply, ResponseError):
            raise_error(reply)
        return Reading(decoded.decode(session_id, reply), now_us)
    except TROUBLES as error:
        problem = unreadable(session_id, error)
        if not isinstance(problem, SessionUnreadable):
            raise
        return Reading(None, now_us, problem=problem)


def read_request(session_id: str, reply: Reply) -> Remembered | None:
    """Return the remembered request in a reply to GET; raises SessionUnreadable, or the error that the reply is."""
    if reply is None:
        return None
    try:
        if isinstance(reply, ResponseError):
            raise_error(reply)
        return codec.decode_request(reply)
    except TROUBLES as error:
        raise unreadable(session_id, error) from error


def read_event(session_id: str, reply: Reply) -> Event | None:
    """Return the event in a reply to XRANGE, if any; raises SessionUnreadable, or the error that the reply is."""
    try:
        if isinstance(reply, ResponseError):
            raise_error(reply)
        return codec.decode_event(session_id, reply[0][1][1]) if reply else None
    except TROUBLES as error:
        raise unreadable(session_id, error) from error


def reading_or_problem(decoded: DecodedSessions, session_id: str, reply: Reply, now_us: int) -> Reading | Exception:
    """Return the session in a reply to GET, or what `read_session` raises."""
    try:
        return read_session(decoded, session_id, reply, now_us)
    except (ResponseError, StoreUnavailable) as error:
        return error


def entry(keys: SessionKeys, version: int) -> RedisCommand:
    """Return the command that reads the event that led to a version."""
    return ("XRANGE", keys.events, f"{version}-0", f"{version}-0")


async def event_at(lease: Lease, session_id: str, keys: SessionKeys, version: int) -> Event | None:
    """Return the event that led to a version, None if it has left the window; raises as `read_event`."""
    (reply,) = await lease.exchange([entry(keys, version)])
    return read_event(session_id, reply)
