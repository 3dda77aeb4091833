"""The drain: everything written once, what can never be written set aside, whatever is interrupted done again."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.application.audit import AuditRecord, Written
from synckairos.application.draining import Drain
from synckairos.application.errors import AuditRefused, AuditUnavailable, StoreUnavailable
from synckairos.domain.commands import Start, Switch
from synckairos.domain.events import Event
from testing.harness.builders import Game, per_participant
from testing.harness.fake_audit_trail import FakeAuditTrail
from testing.harness.fake_outbox import FakeDrainCounters, FakeOutbox
from testing.harness.outbox_fields import fields_of

BATCH = 8
UNREADABLE = [(b"s", b"nobody"), (b"e", b"nothing")]


def played(count: int) -> list[Event]:
    """Return the first events of a session."""
    game = Game(per_participant())
    game.ok(0, Start())
    for turn in range(1, count):
        game.ok(turn, Switch())
    return game.events[:count]


class World:
    """A drain on fakes."""

    def __init__(self) -> None:
        self.outbox = FakeOutbox()
        self.trail = FakeAuditTrail()
        self.counters = FakeDrainCounters()
        self.drain = Drain(self.outbox, self.trail, self.counters, batch=BATCH)

    def put(self, events: Sequence[Event], partition: int = 0) -> None:
        """Put events into an outbox, in order."""
        for event in events:
            self.outbox.add(partition, fields_of(event))

    async def run(self, *partitions: int, seconds: float = 60) -> list[int]:
        """Drain these partitions; number 0 if none is named."""
        return await self.drain.run(partitions or (0,), time.monotonic() + seconds)

    @property
    def written(self) -> list[Event]:
        """What the trail holds, by version."""
        return sorted((record.event for record in self.trail.records.values()), key=lambda one: one.session.version)

    @property
    def length(self) -> int:
        """How many entries wait."""
        return sum(map(len, self.outbox.waiting.values()))

    @property
    def dead(self) -> list[tuple[int, str]]:
        """Partition and reason of what was buried."""
        return self.outbox.buried


@pytest.fixture
def world() -> World:
    """A drain on fakes."""
    return World()


async def test_everything_is_written_and_leaves_the_outbox(world: World) -> None:
    """More than one batch, from several partitions."""
    events = played(40)
    for place, partition in enumerate((0, 5, 63)):
        world.put(events[place::3], partition)

    left = await world.run(0, 5, 63)

    assert left == []
    assert world.written == events
    assert world.length == 0
    assert max(world.trail.batches) <= BATCH


async def test_one_batch_takes_from_all_partitions(world: World) -> None:
    """Few entries in each of many partitions make one transaction."""
    events = played(8)
    for partition, event in enumerate(events):
        world.put([event], partition)

    await world.run(*range(8))

    assert world.trail.batches == [8]
    assert world.counters.counted.batches == 1
    assert world.counters.counted.written == 8


async def test_a_full_partition_gets_the_whole_batch_once_the_others_are_empty(world: World) -> None:
    """What is read grows from a share to the whole batch."""
    world.put(played(20), 3)

    await world.run(1, 2, 3, 4)

    assert world.outbox.reads == [([1, 2, 3, 4], 2), ([3], 8), ([3], 8), ([3], 8)]


async def test_nothing_is_removed_before_it_is_written(world: World) -> None:
    """A database that is away leaves the outbox as it was."""
    world.put(played(10))
    world.trail.is_away = True

    with pytest.raises(AuditUnavailable):
        await world.run()

    assert world.length == 10
    assert world.dead == []


async def test_what_was_written_before_the_database_went_away_has_left(world: World) -> None:
    """Only the rest is done again."""
    world.put(played(20))
    write = world.trail.write

    async def write_twice(records: Sequence[AuditRecord]) -> Written:
        world.trail.is_away = len(world.trail.batches) == 2
        return await write(records)

    world.trail.write = write_twice  # type: ignore[method-assign] # the third batch fails

    with pytest.raises(AuditUnavailable):
        await world.run()

    assert len(world.written) == 2 * BATCH
    assert world.length == 20 - 2 * BATCH


async def test_a_drain_that_died_after_the_commit_is_repeated_harmlessly(world: World) -> None:
    """Entries that are still there although they were written are known to the trail, and leave."""
    world.put(played(5))
    entries = (await world.outbox.read([0], 5)).entries
    await world.trail.write([entry.record for entry in entries if entry.record])

    await world.run()

    assert len(world.trail.records) == 5
    assert world.counters.counted.known == 5
    assert world.counters.counted.written == 0
    assert world.length == 0


async def test_an_unreadable_entry_is_buried_and_the_rest_is_written(world: World) -> None:
    """It is not worth a second look."""
    world.put(played(3))
    world.outbox.add(0, UNREADABLE)
    world.put(played(6)[3:])

    left = await world.run()

    assert left == []
    assert len(world.written) == 6
    ((partition, reason),) = world.dead
    assert partition == 0
    assert reason
    assert world.counters.counted.buried == 1


POISONOUS: dict[str, set[int]] = {
    "the first": {1},
    "the last": {8},
    "in the middle": {4},
    "two neighbours": {4, 5},
    "both ends": {1, 8},
    "all but one": {1, 2, 3, 5, 6, 7, 8},
    "all": set(range(1, 9)),
}


@pytest.mark.parametrize("which", POISONOUS)
async def test_poison_is_found_and_nothing_else_is_buried(world: World, which: str) -> None:
    """A refused batch is halved until the poisonous entries stand alone."""
    poisonous = POISONOUS[which]
    world.put(played(8))
    world.trail.refuses = lambda record: record.event.session.version in poisonous

    await world.run()

    assert {event.session.version for event in world.written} == set(range(1, 9)) - poisonous
    assert world.dead == [(0, "bad data")] * len(poisonous)
    assert world.length == 0


async def test_one_poisonous_entry_costs_few_transactions(world: World) -> None:
    """Halving, not one by one: of 8 entries, 3 transactions are refused on the way and 3 written."""
    world.put(played(8))
    asked: list[int] = []
    write = world.trail.write

    async def counted(records: Sequence[AuditRecord]) -> Written:
        asked.append(len(records))
        return await write(records)

    world.trail.write = counted  # type: ignore[method-assign] # counts what is asked
    world.trail.refuses = lambda record: record.event.session.version == 3

    await world.run()

    assert asked == [8, 4, 2, 2, 1, 1, 4]


async def test_a_database_that_goes_away_while_poison_is_sought_buries_nothing(world: World) -> None:
    """A bad moment is no bad data."""
    world.put(played(8))

    class Fickle:
        """Refuses the whole, then is away."""

        async def write(self, records: Sequence[AuditRecord]) -> Written:
            raise AuditRefused("bad") if len(records) == 8 else AuditUnavailable("away")

    with pytest.raises(AuditUnavailable):
        await Drain(world.outbox, Fickle(), world.counters, batch=BATCH).run([0], time.monotonic() + 60)

    assert world.length == 8
    assert world.dead == []


async def test_time_runs_out(world: World) -> None:
    """Whoever asks is told what is left, and nothing is lost."""
    world.put(played(3))

    left = await world.run(0, 1, seconds=-1)

    assert left == [0, 1]
    assert world.length == 3


async def test_a_drain_that_is_stopped_finishes_its_batch_only(world: World) -> None:
    """The rest is left to others."""
    world.put(played(20))
    write = world.trail.write

    async def write_and_stop(records: Sequence[AuditRecord]) -> Written:
        world.drain.stop()
        return await write(records)

    world.trail.write = write_and_stop  # type: ignore[method-assign] # the worker is told to stop meanwhile

    left = await world.run()

    assert left == [0]
    assert len(world.written) == BATCH
    assert world.length == 20 - BATCH


async def test_a_store_that_is_away_is_told(world: World) -> None:
    """The message comes back later."""
    world.outbox.is_away = True

    with pytest.raises(StoreUnavailable):
        await world.run()


@given(
    parts=st.lists(st.integers(0, 5), max_size=60),
    poison=st.sets(st.integers(0, 59)),
    unreadable=st.sets(st.integers(0, 59)),
    batch=st.integers(1, 20),
)
async def test_whatever_lies_there_is_written_or_buried_exactly_once(
    parts: list[int], poison: set[int], unreadable: set[int], batch: int
) -> None:
    """Any mixture over any partitions with any batch: good entries in the trail, bad ones dead, the outbox empty."""
    world = World()
    for place, (partition, event) in enumerate(zip(parts, played(len(parts)), strict=True)):
        world.outbox.add(partition, UNREADABLE if place in unreadable else fields_of(event))
    world.trail.refuses = lambda record: record.event.session.version - 1 in poison

    left = await Drain(world.outbox, world.trail, world.counters, batch=batch).run(range(6), time.monotonic() + 60)

    bad = (poison | unreadable) & set(range(len(parts)))
    assert left == []
    assert {event.session.version - 1 for event in world.written} == set(range(len(parts))) - bad
    assert len(world.dead) == len(bad)
    assert world.length == 0
