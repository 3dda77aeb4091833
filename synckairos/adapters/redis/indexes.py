"""The sessions and the instants of their next own changes, in sorted sets.

A partition has one of the deadlines of all tenants, and for each tenant one of its sessions. They are written by the
transaction of every change, and can be rebuilt from the sessions. A set a partition names the tenants but `default`
that have ever had a session there, so that nobody has to look through the keys for them.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from heapq import merge
from itertools import islice
from math import isfinite
from typing import Final, NamedTuple, TypeAlias

from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.connections.replies import checked
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.values import codec
from synckairos.application.errors import StoreUnavailable
from synckairos.application.ports import Position
from synckairos.domain import timing
from synckairos.domain.tenancy import DEFAULT_TENANT, bare_id, qualify
from synckairos.domain.timing import Lifetimes

REPAIR_BATCH: Final = 32
"""About how many members are re-checked at each look."""

_Entry: TypeAlias = tuple[str, str | bytes]
"""A place in an index: its key, and the member."""


def _position(tenant: str, member: bytes) -> Position:
    return Position(int.from_bytes(member[:8], "big"), qualify(tenant, codec.unpack_id(member[8:])))


def _name(member: bytes) -> str | None:
    """Return the session that a member of the deadlines names; None for bytes that name none."""
    try:
        return bytes(member).decode()
    except UnicodeDecodeError:
        return None


def _texts(members: Iterable[bytes]) -> list[str]:
    return [bytes(member).decode() for member in members]


def _due(member: bytes, score: bytes) -> tuple[str, int] | None:
    session_id, boundary = _name(member), float(score)
    return (session_id, int(boundary)) if session_id is not None and isfinite(boundary) else None


class _Seen(NamedTuple):
    """A member of an index: its session, and the member itself if it is of the live index."""

    session_id: str
    live_member: bytes | None


class _Walked(NamedTuple):
    """An index that is walked over: the live one of a tenant, or (None) that of the deadlines."""

    partition: int
    tenant: str | None = DEFAULT_TENANT

    def following(self, tenants: Sequence[str]) -> "_Walked":
        """Return the next one, given the partition's other tenants: theirs come after the deadlines."""
        if self.tenant == DEFAULT_TENANT:
            return _Walked(self.partition, None)
        for tenant in sorted(tenants):
            if self.tenant is None or tenant > self.tenant:
                return _Walked(self.partition, tenant)
        return _Walked((self.partition + 1) % PARTITIONS)


class RedisSessionIndex:
    """A tenant's sessions by (creation, id), newest first, merged over the partitions."""

    def __init__(
        self,
        connections: RedisConnections,
        keys: Keys,
        confirm: Callable[[], Awaitable[None]] | None = None,
        *,
        is_cluster: bool = False,
    ) -> None:
        """`confirm` raises StoreUnavailable where the store has lost its data; without it an empty page is believed.

        On a cluster every page is confirmed: a part of the store may be lost.
        """
        self._connections = connections
        self._keys = keys
        self._confirm = confirm
        self._is_cluster = is_cluster

    async def page(self, after: Position | None, count: int, tenant: str = DEFAULT_TENANT) -> list[Position]:
        """Return up to `count` positions older than `after`; raises StoreUnavailable."""
        start: bytes = b"+"
        if after is not None:
            start = b"(" + after.created_at.to_bytes(8, "big") + codec.pack_id(bare_id(after.session_id))
        found = await self._connections.run(
            [
                ("ZREVRANGEBYLEX", self._keys.live(partition, tenant), start, "-", "LIMIT", 0, count)
                for partition in range(PARTITIONS)
            ]
        )
        positions = [_position(tenant, member) for member in islice(merge(*found, reverse=True), count)]
        if (self._is_cluster or not positions) and self._confirm is not None:
            await self._confirm()
        return positions

    async def of_tenant(self, tenant: str) -> int:
        """Return how many sessions a tenant has; raises StoreUnavailable."""
        return sum(await self._connections.run([("ZCARD", self._keys.live(one, tenant)) for one in range(PARTITIONS)]))

    async def count(self) -> int:
        """Return how many sessions all tenants have; raises StoreUnavailable."""
        places = range(PARTITIONS)
        lengths: list[RedisCommand] = [("ZCARD", self._keys.live(one)) for one in places]
        names: list[RedisCommand] = [("SMEMBERS", self._keys.partitioned(one, "tenants")) for one in places]
        found = await self._connections.run([*lengths, *names])
        others: list[RedisCommand] = [
            ("ZCARD", self._keys.live(partition, tenant))
            for partition, members in zip(places, found[PARTITIONS:], strict=True)
            for tenant in _texts(members)
        ]
        return sum(found[:PARTITIONS]) + (sum(await self._connections.run(others)) if others else 0)


class RedisDeadlineIndex:
    """Sessions by their next boundary."""

    def __init__(self, connections: RedisConnections, keys: Keys, lifetimes: Lifetimes) -> None:
        self._connections = connections
        self._keys = keys
        self._lifetimes = lifetimes
        self._walked = _Walked(0)
        self._cursor = 0

    async def due_before(self, instant: int, count: int) -> list[tuple[str, int]]:
        """Return (session id, boundary in ms) of the sessions due before the instant, up to `count` a partition.

        Of a cluster, those of the nodes that answer; raises StoreUnavailable if none does.
        """
        found = await self._connections.each(
            [
                (
                    "ZRANGEBYSCORE", self._keys.partitioned(partition, "deadlines"), "-inf", instant,
                    "WITHSCORES", "LIMIT", 0, count,
                )
                for partition in range(PARTITIONS)
            ]
        )  # fmt: skip
        there = (flat for flat in found if not isinstance(flat, StoreUnavailable))
        entries = [_due(member, score) for flat in there for member, score in zip(flat[::2], flat[1::2], strict=True)]
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
        try:
            seen = await self._next_members()
        except StoreUnavailable:
            # A node that is away holds up no other.
            self._walked, self._cursor = _Walked((self._walked.partition + 1) % PARTITIONS), 0
            raise
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
        partition, tenant = walked = self._walked
        index = self._keys.partitioned(partition, "deadlines") if tenant is None else self._keys.live(partition, tenant)
        looks: list[RedisCommand] = [
            ("ZSCAN", index, self._cursor, "COUNT", REPAIR_BATCH),
            ("SMEMBERS", self._keys.partitioned(partition, "tenants")),
        ]
        found = await self._connections.each(looks)
        for reply in found:
            if isinstance(reply, StoreUnavailable):
                raise reply
        (cursor, flat), tenants = found
        self._cursor = int(cursor)
        if self._cursor == 0:
            self._walked = walked.following(_texts(tenants))
        members = [bytes(member) for member in flat[::2]]
        if tenant is not None:
            return [_Seen(_position(tenant, member).session_id, member) for member in members]
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
        entries: dict[_Entry, int | None] = {(keys.deadlines, seen.session_id): boundary and boundary.at}
        if seen.live_member is not None:
            entries[keys.live, seen.live_member] = None
        if session is not None and boundary is not None:
            entries[keys.live, codec.live_member(session)] = 0
        return entries

    async def _put_right(self, seen: _Seen) -> int:
        keys = self._keys.of(seen.session_id)
        look: list[RedisCommand] = [("WATCH", keys.session), ("GET", keys.session)]
        async with self._connections.lease(look) as (lease, replies):
            _, encoded = checked(replies)
            writes: list[RedisCommand] = [
                ("ZREM", key, member) if score is None else ("ZADD", key, "CH", score, member)
                for (key, member), score in self._entries(seen, encoded).items()
            ]
            *_, changed = await lease.ask([("MULTI",), *writes, ("EXEC",)])
            return int(any(checked(changed or [])))
