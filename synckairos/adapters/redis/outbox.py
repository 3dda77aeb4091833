"""The outboxes in Redis, a stream for each partition, and a stream of dead entries beside each.

A dead entry is the fields `o` (its id in the outbox) and `r` (the reason), then everything the entry was, untouched
and in its order. Burying and replaying move it in one transaction under a WATCH of the dead ones, so that the second
of two moves finds nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.connections.replies import checked
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.values.outbox_entry import read_entry
from synckairos.application.errors import StoreUnavailable
from synckairos.application.trail.audit import Backlog, DeadEntry, OutboxBatch, OutboxEntry

MAX_REASON: Final = 1_000
PROBE: Final = 2
"""Entries of each partition that are read to learn their size."""
MAX_BYTES: Final = 4 << 20
"""About how many bytes are read at once, beyond those entries."""
ATTEMPTS: Final = 20
"""Tries of a move while other processes bury or replay in the same partition."""


class RedisOutbox:
    """Committed events on their way to the audit trail."""

    def __init__(self, connections: RedisConnections, keys: Keys) -> None:
        self._connections = connections
        self._outbox = [keys.partitioned(partition, "outbox") for partition in range(PARTITIONS)]
        self._dead = [keys.partitioned(partition, "dead") for partition in range(PARTITIONS)]

    async def read(self, partitions: Sequence[int], count: int) -> OutboxBatch:
        """Return up to `count` of the oldest entries of each partition, in order; fewer if they are large.

        A few entries tell how large those of a partition are: a batch of the largest sessions would be 100 MB. Of a
        cluster, only the partitions of nodes that answer are read. Raises StoreUnavailable.
        """
        first = min(count, PROBE)
        found = await self._ranges(dict.fromkeys(partitions, ("-", first)))
        longer = {partition: replies for partition, replies in found.items() if len(replies) == first}
        room = {partition: _room(replies, MAX_BYTES // len(longer)) for partition, replies in longer.items()}
        wanted = {partition: min(count - first, room[partition]) for partition in longer}
        rest = await self._ranges(
            {partition: (f"({longer[partition][-1][0].decode()}", more) for partition, more in wanted.items() if more}
        )
        entries = [
            read_entry(partition, reply)
            for partition in partitions
            for reply in (*found.get(partition, ()), *rest.get(partition, ()))
        ]
        more = frozenset(partition for partition in longer if len(rest.get(partition, ())) == wanted[partition])
        return OutboxBatch(entries, more)

    async def _ranges(self, wanted: Mapping[int, tuple[str, int]]) -> dict[int, list[Reply]]:
        """Return raw entries by partition, given a start and a count for each."""
        if not wanted:
            return {}
        commands: list[RedisCommand] = [
            ("XRANGE", self._outbox[partition], start, "+", "COUNT", count)
            for partition, (start, count) in wanted.items()
        ]
        found = zip(wanted, await self._connections.each(commands), strict=True)
        return {partition: replies for partition, replies in found if not isinstance(replies, StoreUnavailable)}

    async def remove(self, entries: Sequence[OutboxEntry]) -> None:
        """Remove entries that have been written; raises StoreUnavailable, and then some may be left."""
        ids: dict[int, list[str]] = {}
        for entry in entries:
            ids.setdefault(entry.partition, []).append(entry.entry_id)
        if ids:
            await self._connections.run([("XDEL", self._outbox[partition], *of) for partition, of in ids.items()])

    async def bury(self, entry: OutboxEntry, reason: str) -> None:
        """Move an entry to the dead ones of its partition, in one transaction; raises StoreUnavailable."""
        outbox, dead = self._outbox[entry.partition], self._dead[entry.partition]
        text = reason[:MAX_REASON]
        for _ in range(ATTEMPTS):
            look: list[RedisCommand] = [("WATCH", dead), ("XRANGE", outbox, entry.entry_id, entry.entry_id)]
            async with self._connections.lease(look) as (lease, replies):
                _, found = checked(replies)
                if not found:
                    await lease.ask([("UNWATCH",)])
                    return
                add: RedisCommand = ("XADD", dead, "*", "o", entry.entry_id, "r", text, *found[0][1])
                if _is_done(await lease.exchange([("MULTI",), add, ("XDEL", outbox, entry.entry_id), ("EXEC",)])):
                    return
        raise StoreUnavailable(f"the dead entries of partition {entry.partition} kept changing")

    async def backlog(self) -> Backlog:
        """Return the state of all partitions, of a cluster that of the nodes that answer; raises StoreUnavailable."""
        looks: list[RedisCommand] = [("XLEN", key) for key in (*self._outbox, *self._dead)]
        looks += [("XRANGE", key, "-", "+", "COUNT", 1) for key in self._outbox]
        found = await self._connections.each([*looks, ("TIME",)])
        # What a node that is away holds is left out.
        replies = [None if isinstance(reply, StoreUnavailable) else reply for reply in found]
        lengths, dead = replies[:PARTITIONS], replies[PARTITIONS : 2 * PARTITIONS]
        heads = {place: bytes(first[0][0]) for place, first in enumerate(replies[2 * PARTITIONS : -1]) if first}
        instants = [_instant(head) for head in heads.values()]
        seconds, micros = replies[-1] or (0, 0)
        return Backlog(
            length=sum(length or 0 for length in lengths),
            oldest_at=min(instants, default=None),
            dead=sum(length or 0 for length in dead),
            waiting=tuple(heads),
            now=max(int(seconds) * 1_000 + int(micros) // 1_000, *instants, 0),
        )


class RedisDeadEntries:
    """The dead entries, for an operator to look at, to replay and to discard."""

    def __init__(self, connections: RedisConnections, keys: Keys) -> None:
        self._connections = connections
        self._keys = keys

    async def page(self, partition: int, after: str, count: int) -> list[DeadEntry]:
        """Return up to `count` dead entries of a partition, oldest first, after a dead id; "" for the first page."""
        start = f"({after}" if after else "-"
        key = self._keys.partitioned(partition, "dead")
        (found,) = await self._connections.run([("XRANGE", key, start, "+", "COUNT", count)])
        return [_dead_entry(partition, one) for one in found]

    async def get(self, partition: int, dead_id: str) -> DeadEntry | None:
        """Return a dead entry, None if it is not there; raises StoreUnavailable."""
        key = self._keys.partitioned(partition, "dead")
        (found,) = await self._connections.run([("XRANGE", key, dead_id, dead_id)])
        return _dead_entry(partition, found[0]) if found else None

    async def replay(self, partition: int, dead_id: str) -> bool:
        """Move a dead entry back to its outbox, as it was, in one transaction; return whether it was there."""
        outbox, dead = (self._keys.partitioned(partition, name) for name in ("outbox", "dead"))
        for _ in range(ATTEMPTS):
            look: list[RedisCommand] = [("WATCH", dead), ("XRANGE", dead, dead_id, dead_id)]
            async with self._connections.lease(look) as (lease, replies):
                _, found = checked(replies)
                if not found:
                    await lease.ask([("UNWATCH",)])
                    return False
                add: RedisCommand = ("XADD", outbox, "*", *found[0][1][4:])
                if _is_done(await lease.exchange([("MULTI",), add, ("XDEL", dead, dead_id), ("EXEC",)])):
                    return True
        raise StoreUnavailable(f"the dead entries of partition {partition} kept changing")

    async def discard(self, partition: int, dead_id: str) -> bool:
        """Remove a dead entry for good; return whether it was there."""
        (removed,) = await self._connections.run([("XDEL", self._keys.partitioned(partition, "dead"), dead_id)])
        return bool(removed)


def _is_done(replies: list[Reply]) -> bool:
    """Check every reply of a transaction; return False if the WATCH stopped it."""
    results = checked(replies)[-1]
    if results is None:
        return False
    checked(results)
    return True


def _room(replies: Sequence[Reply], bytes_left: int) -> int:
    """Return how many entries of the size of these there is room for."""
    size = sum(len(part) for _, flat in replies for part in flat) // len(replies)
    return bytes_left // max(1, size)


def _instant(raw_id: bytes) -> int:
    return int(bytes(raw_id).split(b"-")[0])


def _dead_entry(partition: int, reply: Reply) -> DeadEntry:
    raw_id, flat = reply
    _, entry_id, _, reason = flat[:4]
    return DeadEntry(
        bytes(raw_id).decode(),
        _instant(raw_id),
        bytes(reason).decode(),
        read_entry(partition, (entry_id, flat[4:])),
        tuple(zip(flat[4::2], flat[5::2], strict=True)),
    )
