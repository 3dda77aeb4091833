"""Which sessions there are and when they change by themselves: two sorted sets a partition.

Both are written by the transaction of every change; both can be rebuilt from the sessions.
"""

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from typing import Final

from synckairos.adapters import redis_codec as codec
from synckairos.adapters.redis_commit import live_member
from synckairos.adapters.redis_connections import Command, RedisConnections, Reply
from synckairos.adapters.redis_keys import PARTITIONS, Keys
from synckairos.application.ports import Position
from synckairos.domain import timing
from synckairos.domain.timing import Lifetimes

REPAIR_BATCH: Final = 32
"""Sessions re-checked at each look."""


def _position(member: bytes) -> Position:
    return Position(int.from_bytes(member[:8], "big"), codec.unpack_id(member[8:]))


class RedisSessionIndex:
    """Sessions by (creation, id), newest first, merged over the partitions."""

    def __init__(self, connections: RedisConnections, keys: Keys) -> None:
        self._connections = connections
        self._keys = keys

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
        return [_position(member) for member in islice(merge(*found, reverse=True), count)]


class RedisDeadlineIndex:
    """Sessions by their next boundary."""

    def __init__(self, connections: RedisConnections, keys: Keys, lifetimes: Lifetimes) -> None:
        self._connections = connections
        self._keys = keys
        self._lifetimes = lifetimes
        self._partition = 0
        self._cursor = b"-"

    async def due_before(self, instant: int, count: int) -> list[tuple[str, int]]:
        """Return (session id, boundary in ms) of what is due before the instant, up to `count` a partition."""
        found = await self._connections.run(
            [
                (
                    "ZRANGEBYSCORE", self._keys.partitioned(partition, "deadlines"), "-inf", instant,
                    "WITHSCORES", "LIMIT", 0, count,
                )
                for partition in range(PARTITIONS)
            ]
        )  # fmt: skip
        return [
            (bytes(member).decode(), int(float(score)))
            for flat in found
            for member, score in zip(flat[::2], flat[1::2], strict=True)
        ]

    async def drop(self, session_id: str) -> None:
        """Forget a session the store does not hold; raises StoreUnavailable.

        Guarded by WATCH: a session created meanwhile keeps its entry.
        """
        keys = self._keys.of(session_id)
        async with self._connections.lease() as lease:
            with lease.closing_on_error():
                watched = await lease.exchange([("WATCH", keys.session), ("EXISTS", keys.session)])
                if watched[1]:
                    await lease.exchange([("UNWATCH",)])
                    return
                await lease.exchange([("MULTI",), ("ZREM", keys.deadlines, session_id), ("EXEC",)])

    async def repair(self) -> int:
        """Re-check the next few sessions of one partition; return how many entries were put right.

        Raises StoreUnavailable.
        """
        members = await self._next_members()
        ids = [_position(member).session_id for member in members]
        if not ids:
            return 0
        commands: list[Command] = []
        for session_id in ids:
            keys = self._keys.of(session_id)
            commands += [("GET", keys.session), ("ZSCORE", keys.deadlines, session_id)]
        replies = await self._connections.run(commands)
        wrong = [
            (session_id, member)
            for session_id, member, encoded, score in zip(ids, members, replies[::2], replies[1::2], strict=True)
            if not self._is_right(session_id, encoded, score)
        ]
        return sum([await self._put_right(session_id, member) for session_id, member in wrong])

    async def _next_members(self) -> Sequence[bytes]:
        live = self._keys.partitioned(self._partition, "live")
        (members,) = await self._connections.run([("ZRANGEBYLEX", live, self._cursor, "+", "LIMIT", 0, REPAIR_BATCH)])
        if len(members) < REPAIR_BATCH:
            self._partition = (self._partition + 1) % PARTITIONS
            self._cursor = b"-"
        else:
            self._cursor = b"(" + bytes(members[-1])
        found: Sequence[bytes] = members
        return found

    def _boundary(self, session_id: str, encoded: Reply) -> int | None:
        if encoded is None:
            return None
        boundary = timing.next_boundary(codec.decode_session(session_id, encoded), self._lifetimes)
        return boundary.at if boundary else None

    def _is_right(self, session_id: str, encoded: Reply, score: Reply) -> bool:
        boundary = self._boundary(session_id, encoded)
        return boundary is not None and score is not None and int(float(score)) == boundary

    async def _put_right(self, session_id: str, member: bytes) -> int:
        keys = self._keys.of(session_id)
        async with self._connections.lease() as lease:
            with lease.closing_on_error():
                _, encoded = await lease.exchange([("WATCH", keys.session), ("GET", keys.session)])
                boundary = self._boundary(session_id, encoded)
                entry: list[Command]
                if boundary is None:
                    entry = [("ZREM", keys.live, member), ("ZREM", keys.deadlines, session_id)]
                else:
                    session = codec.decode_session(session_id, encoded)
                    entry = [
                        ("ZADD", keys.deadlines, boundary, session_id),
                        ("ZADD", keys.live, 0, live_member(session)),
                    ]
                results = await lease.exchange([("MULTI",), *entry, ("EXEC",)])
                return 0 if results[-1] is None else 1
