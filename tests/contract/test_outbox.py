"""Every outbox hands out entries in order, removes written ones, and buries and replays others byte for byte."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from redis.asyncio import Redis

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.outbox import MAX_BYTES, RedisDeadEntries, RedisOutbox
from synckairos.application.ports import Request
from synckairos.application.trail.audit import OutboxEntry
from synckairos.devstack import RedisServer
from testing.harness.fakes.fake_outbox import FakeOutbox
from testing.harness.fakes.outbox_fields import fields_of, played
from tests.contract.decisions import new_id

Fields = Sequence[tuple[bytes, bytes]]
STRANGE: Fields = [(b"r", b"\x00\xff"), (b"", b""), (b"r", b"again"), (b"o", b"1-1"), (b"e", bytes(range(256)))]
"""An entry that nobody can read: names of its own burial, twice the same, empty ones, any byte."""


class FakePlace:
    """An outbox in memory, and how a commit adds to it."""

    def __init__(self) -> None:
        self.outbox = FakeOutbox()

    async def add(self, partition: int, fields: Fields) -> str:
        """Be a commit; return the entry's id."""
        return self.outbox.add(partition, fields)

    async def raw(self, partition: int) -> list[Fields]:
        """Return the raw entries of a partition's outbox, in order."""
        return [list(fields) for fields in self.outbox.waiting.get(partition, {}).values()]


class RedisPlace:
    """An outbox in a real Redis under a prefix of its own, with its dead entries, and how a commit adds to it."""

    def __init__(self, connections: RedisConnections, redis: Redis) -> None:
        self._keys = Keys(f"o{new_id()[:12]}")
        self._redis = redis
        self.outbox = RedisOutbox(connections, self._keys)
        self.dead = RedisDeadEntries(connections, self._keys)

    async def add(self, partition: int, fields: Fields) -> str:
        flat = [part for pair in fields for part in pair]
        added = await self._redis.execute_command("XADD", self._keys.partitioned(partition, "outbox"), "*", *flat)
        return bytes(added).decode()

    async def raw(self, partition: int) -> list[Fields]:
        key = self._keys.partitioned(partition, "outbox")
        # Without redis-py's own reading of the reply, which makes a dict of the fields.
        entries = await self._redis.execute_command("EVAL", "return redis.call('XRANGE', KEYS[1], '-', '+')", 1, key)
        return [list(zip(flat[::2], flat[1::2], strict=True)) for _, flat in entries]


Place = FakePlace | RedisPlace


@pytest.fixture
async def redis_place(redis_server: RedisServer) -> AsyncIterator[RedisPlace]:
    """An empty outbox in Redis, with its dead entries."""
    connections = RedisConnections(redis_server.url)
    async with Redis.from_url(redis_server.url) as redis:
        yield RedisPlace(connections, redis)
    await connections.close()


@pytest.fixture(params=["fake", "redis"])
def place(request: pytest.FixtureRequest) -> Place:
    """An empty outbox of one kind or the other."""
    if request.param == "fake":
        return FakePlace()
    in_redis: RedisPlace = request.getfixturevalue("redis_place")
    return in_redis


def usual(count: int = 1) -> list[Fields]:
    """Return entries of the events of a session."""
    return [fields_of(event, None, Request("a request", b"", "a peer")) for event in played(count)]


async def filled(place: Place, partition: int, count: int) -> list[str]:
    """Put entries into a partition; return their ids."""
    return [await place.add(partition, fields) for fields in usual(count)]


def ids(entries: Sequence[OutboxEntry]) -> list[tuple[int, str]]:
    """Return where the entries lie."""
    return [(entry.partition, entry.entry_id) for entry in entries]


async def test_entries_are_read_in_order_up_to_a_count_of_each_partition(place: Place) -> None:
    """The oldest first; partitions in the order asked; empty ones give nothing."""
    first, second = await filled(place, 7, 5), await filled(place, 63, 2)

    entries = (await place.outbox.read([63, 7, 8], 3)).entries

    assert ids(entries) == [*((63, one) for one in second), *((7, one) for one in first[:3])]
    versions = [entry.record.event.session.version for entry in entries if entry.record]
    assert versions == [1, 2, 1, 2, 3]
    assert {(entry.record.request_id, entry.record.peer) for entry in entries if entry.record} == {
        ("a request", "a peer")
    }


async def test_removed_entries_are_gone_and_no_others(place: Place) -> None:
    """Entries that came meanwhile stay; removing twice is removing once."""
    await filled(place, 1, 4)
    await filled(place, 2, 1)
    entries = (await place.outbox.read([1, 2], 3)).entries
    later = await filled(place, 1, 1)

    await place.outbox.remove(entries)
    await place.outbox.remove(entries)
    await place.outbox.remove([])

    left = (await place.outbox.read([1, 2], 10)).entries
    assert len(left) == 2
    assert ids(left)[-1] == (1, later[0])


async def test_the_backlog_counts_over_all_partitions(place: Place) -> None:
    """Entries, the oldest one's age, dead ones, and where something waits."""
    before = await place.outbox.backlog()
    await filled(place, 0, 2)
    await filled(place, 63, 3)
    await place.add(9, STRANGE)
    await place.outbox.bury((await place.outbox.read([9], 1)).entries[0], "strange")

    backlog = await place.outbox.backlog()

    assert (before.length, before.oldest_at, before.dead, before.waiting) == (0, None, 0, ())
    assert before.oldest_age_ms is None
    assert (backlog.length, backlog.dead, backlog.waiting) == (5, 1, (0, 63))
    assert backlog.oldest_at is not None
    assert backlog.oldest_age_ms == backlog.now - backlog.oldest_at >= 0


@pytest.mark.parametrize("fields", [STRANGE, usual()[0]], ids=["strange", "usual"])
async def test_an_entry_survives_its_burial_byte_for_byte(redis_place: RedisPlace, fields: Fields) -> None:
    """It leaves the outbox with its reason, can be looked at, and comes back as it was."""
    entry_id = await redis_place.add(5, fields)
    (entry,) = (await redis_place.outbox.read([5], 1)).entries

    await redis_place.outbox.bury(entry, "schlecht, weil ∞")
    (dead,) = await redis_place.dead.page(5, "", 10)
    same = await redis_place.dead.get(5, dead.dead_id)
    gone = await redis_place.raw(5)
    is_back = await redis_place.dead.replay(5, dead.dead_id)

    assert (dead.reason, dead.entry.entry_id, dead.entry.partition) == ("schlecht, weil ∞", entry_id, 5)
    assert dead.entry.record == entry.record
    assert list(dead.fields) == list(fields)
    assert same == dead
    assert gone == []
    assert is_back
    assert await redis_place.raw(5) == [list(fields)]
    assert await redis_place.dead.page(5, "", 10) == []


async def test_an_entry_is_buried_once(place: Place) -> None:
    """Also by several at the same moment."""
    await place.add(5, STRANGE)
    (entry,) = (await place.outbox.read([5], 1)).entries

    await asyncio.gather(*(place.outbox.bury(entry, f"reason {number}") for number in range(8)))

    assert (await place.outbox.backlog()).dead == 1
    assert await place.raw(5) == []


async def test_a_dead_entry_is_replayed_once(redis_place: RedisPlace) -> None:
    """Also by several at the same moment."""
    await redis_place.add(5, STRANGE)
    await redis_place.outbox.bury((await redis_place.outbox.read([5], 1)).entries[0], "strange")
    (dead,) = await redis_place.dead.page(5, "", 1)

    done = await asyncio.gather(*(redis_place.dead.replay(5, dead.dead_id) for _ in range(8)))

    assert sorted(done) == [False] * 7 + [True]
    assert len(await redis_place.raw(5)) == 1


async def test_an_entry_that_was_written_meanwhile_is_not_buried(place: Place) -> None:
    """Another drain has taken it."""
    await filled(place, 5, 1)
    (entry,) = (await place.outbox.read([5], 1)).entries
    await place.outbox.remove([entry])

    await place.outbox.bury(entry, "too late")

    assert (await place.outbox.backlog()).dead == 0


async def test_dead_entries_are_paged(redis_place: RedisPlace) -> None:
    """Oldest first, each once."""
    for _ in range(5):
        await redis_place.add(5, STRANGE)
    for number, entry in enumerate((await redis_place.outbox.read([5], 5)).entries):
        await redis_place.outbox.bury(entry, str(number))

    first = await redis_place.dead.page(5, "", 3)
    second = await redis_place.dead.page(5, first[-1].dead_id, 3)

    assert [dead.reason for dead in (*first, *second)] == list("01234")
    assert first[0].buried_at <= second[-1].buried_at


async def test_missing_entries_are_no_error(redis_place: RedisPlace) -> None:
    """Neither an empty partition nor a wrong id is an error."""
    assert await redis_place.dead.get(5, "1-1") is None
    assert await redis_place.dead.replay(5, "1-1") is False
    assert (await redis_place.outbox.read(range(PARTITIONS), 10)).entries == []


async def test_a_batch_names_the_partitions_that_hold_more(place: Place) -> None:
    """Partitions that held fewer than asked for are done."""
    await filled(place, 1, 3)
    await filled(place, 2, 2)

    batch = await place.outbox.read([1, 2, 3], 3)
    rest = await place.outbox.read([1, 2, 3], 4)

    assert batch.more == {1}
    assert rest.more == frozenset()


async def test_large_entries_are_read_in_small_batches(redis_place: RedisPlace) -> None:
    """Sessions of 200 KB: a few MB at once, however many are asked for, and all of them in order."""
    large = [(b"e", bytes(200_000))]
    added = [(partition, await redis_place.add(partition, large)) for partition in (4, 5) for _ in range(60)]
    small = [(6, await redis_place.add(6, STRANGE)) for _ in range(60)]

    read: list[OutboxEntry] = []
    sizes: list[int] = []
    left = [4, 5, 6]
    while left:
        batch = await redis_place.outbox.read(left, 500)
        await redis_place.outbox.remove(batch.entries)
        read += batch.entries
        sizes.append(200_000 * sum(entry.partition != 6 for entry in batch.entries))
        left = sorted(batch.more)

    assert sorted(ids(read)) == sorted([*added, *small])
    assert [one for one in ids(read) if one[0] == 4] == added[:60]
    assert max(sizes) <= 2 * MAX_BYTES
