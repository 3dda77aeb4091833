"""The sessions and the instants of their next own changes: two sorted sets a partition.

Both are written by the transaction of every change; both can be rebuilt from the sessions.
"""

from collections.abc import Awaitable, Callable
from heapq import merge
from itertools import islice
from math import isfinite
from typing import Final, NamedTuple

from redis.exceptions import ResponseError

from synckairos.adapters.redis import codec
from synckairos.adapters.redis.connections import RedisConnections, checked
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.wire import RedisCommand, Reply
from synckairos.application.ports import Position
from synckairos.domain import timing
from synckairos.domain.timing import Lifetimes

REPAIR_BATCH: Final = 32
"""About how many members are re-checked at each look."""
WALKED: Final = ("live", "deadlines")


def _position(member: bytes) -> Position:
    return Position(int.from_bytes(member[:8], "big"), codec.unpack_id(member[8:]))


def _name(member: bytes) -> str | None:
    """Return the session that a member of the deadlines names; None for bytes that name none."""
    try:
        return bytes(member).decode()
    except UnicodeDecodeError:
        return None


def _due(member: bytes, score: bytes) -> tuple[str, int] | None:
    session_id, boundary = _name(member), float(score)
    return (session_id, int(boundary)) if session_id is not None and isfinite(boundary) else None


class _Seen(NamedTuple):
    """A member of an index: its session, and the member itself if it is of the live index."""

    session_id: str
    live_member: bytes | None


class _Entry(NamedTuple):
    """A place in an index."""

    key: str
    member: str | bytes


class RedisSessionIndex:
    """Sessions by (creation, id), newest first, merged over the partitions."""

    def __init__(
        self, connections: RedisConnections, keys: Keys, confirm: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """`confirm` raises StoreUnavailable where the store has lost its data; without it an empty page is believed."""
        self._connections = connections
        self._keys = keys
        self._confirm = confirm

    async def page(self, after: Position | None, count: int) -> list[Position]:
        """Return up to `count` positions older than `after`; raises StoreUnavailable."""
        start: bytes = b"+"
        if after is not None:
            start = b"(" + after.created_at.to_bytes(8, "big") + codec.pack_id(after.session_id)
        found = await self._connections.run(
            [
                ("ZREVRANGEBYLEX", self._keys.partitioned(partition, "live"), start, "-", "LIMIT", 0, count)
                for partition in range(PARTITIONS)
            ]
        )
        positions = [_position(member) for member in islice(merge(*found, reverse=True), count)]
        if not positions and self._confirm is not None:
            await self._confirm()
        return positions

    async def count(self) -> int:
        """Return how many sessions there are; raises StoreUnavailable."""
        looks: list[RedisCommand] = [("ZCARD", self._keys.partitioned(one, "live")) for one in range(PARTITIONS)]
        return sum(await self._connections.run(looks))


class RedisDeadlineIndex:
    """Sessions by their next boundary."""

    def __init__(self, connections: RedisConnections, keys: Keys, lifetimes: Lifetimes) -> None:
        self._connections = connections
        self._keys = keys
        self._lifetimes = lifetimes
        self._place = 0
        self._cursor = 0

    async def due_before(self, instant: int, count: int) -> list[tuple[str, int]]:
        """Return (session id, boundary in ms) of the sessions due before the instant, up to `count` a partition."""
        found = await self._connections.run(
            [
                (
                    "ZRANGEBYSCORE", self._keys.partitioned(partition, "deadlines"), "-inf", instant,
                    "WITHSCORES", "LIMIT", 0, count,
                )
                for partition in range(PARTITIONS)
            ]
        )  # fmt: skip
        entries = [_due(member, score) for flat in found for member, score in zip(flat[::2], flat[1::2], strict=True)]
        return [entry for entry in entries if entry is not None]

    async def drop(self, session_id: str) -> None:
        """Forget a session the store does not hold; raises StoreUnavailable.

        Guarded by WATCH: a session created meanwhile keeps its entry.
        """
        keys = self._keys.of(session_id)
        look: list[RedisCommand] = [("WATCH", keys.session), ("EXISTS", keys.session)]
        async with self._connections.lease(look) as (lease, replies):
            _, exists = checked(replies)
            if exists:
                await lease.ask([("UNWATCH",)])
                return
            await lease.ask([("MULTI",), ("ZREM", keys.deadlines, session_id), ("EXEC",)])

    async def repair(self) -> int:
        """Re-check the next members of one index against their sessions; return the number of sessions put right.

        Raises StoreUnavailable.
        """
        seen = await self._next_members()
        if not seen:
            return 0
        found = await self._connections.look([("GET", self._keys.of(one.session_id).session) for one in seen])
        checks = [
            (one, entry, score)
            for one, encoded in zip(seen, found, strict=True)
            for entry, score in self._entries(one, encoded).items()
        ]
        scores = await self._connections.run([("ZSCORE", *entry) for _, entry, _ in checks])
        wrong = dict.fromkeys(
            one
            for (one, _, score), actual in zip(checks, scores, strict=True)
            if (None if actual is None else int(float(actual))) != score
        )
        return sum([await self._put_right(one) for one in wrong])

    async def _next_members(self) -> list[_Seen]:
        walked = WALKED[self._place % len(WALKED)]
        index = self._keys.partitioned(self._place // len(WALKED), walked)
        ((cursor, flat),) = await self._connections.run([("ZSCAN", index, self._cursor, "COUNT", REPAIR_BATCH)])
        self._cursor = int(cursor)
        if self._cursor == 0:
            self._place = (self._place + 1) % (PARTITIONS * len(WALKED))
        members = [bytes(member) for member in flat[::2]]
        if walked == "live":
            return [_Seen(_position(member).session_id, member) for member in members]
        return [_Seen(session_id, None) for member in members if (session_id := _name(member)) is not None]

    def _entries(self, seen: _Seen, encoded: Reply) -> dict[_Entry, int | None]:
        """Return the entries a session should have with their scores; None for one it should not have."""
        keys = self._keys.of(seen.session_id)
        if isinstance(encoded, ResponseError):
            return {}  # no session's value: nobody can tell its entries
        try:
            session = codec.decode_session(seen.session_id, encoded) if encoded is not None else None
        except codec.UnknownLayoutError:
            return {}  # a newer version's session: its entries are that version's business
        boundary = timing.next_boundary(session, self._lifetimes) if session is not None else None
        entries: dict[_Entry, int | None] = {_Entry(keys.deadlines, seen.session_id): boundary and boundary.at}
        if seen.live_member is not None:
            entries[_Entry(keys.live, seen.live_member)] = None
        if session is not None and boundary is not None:
            entries[_Entry(keys.live, codec.live_member(session))] = 0
        return entries

    async def _put_right(self, seen: _Seen) -> int:
        keys = self._keys.of(seen.session_id)
        look: list[RedisCommand] = [("WATCH", keys.session), ("GET", keys.session)]
        async with self._connections.lease(look) as (lease, replies):
            _, encoded = checked(replies)
            writes: list[RedisCommand] = [
                ("ZREM", *entry) if score is None else ("ZADD", entry.key, "CH", score, entry.member)
                for entry, score in self._entries(seen, encoded).items()
            ]
            *_, changed = await lease.ask([("MULTI",), *writes, ("EXEC",)])
            return int(any(checked(changed or [])))
