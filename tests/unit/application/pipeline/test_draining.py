"""The drain writes every entry once, buries entries that can never be written, and repeats interrupted work."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.application.errors import AuditRefused, AuditUnavailable
from synckairos.application.pipeline.draining import Drain
from synckairos.application.trail.audit import AuditRecord, Written
from synckairos.domain.events import Event
from testing.harness.fakes.fake_audit_trail import FakeAuditTrail
from testing.harness.fakes.fake_outbox import FakeDrainCounters, FakeOutbox
from testing.harness.fakes.outbox_fields import fields_of, played

BATCH = 8
UNREADABLE = [(b"s", b"nobody"), (b"e", b"nothing")]


class Fakes:
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
def fakes() -> Fakes:
    """A drain on fakes."""
    return Fakes()


async def test_everything_is_written_and_leaves_the_outbox(fakes: Fakes) -> None:
    """More than one batch, from several partitions."""
    events = played(40)
    for place, partition in enumerate((0, 5, 63)):
        fakes.put(events[place::3], partition)

    left = await fakes.run(0, 5, 63)

    assert left == []
    assert fakes.written == events
    assert fakes.length == 0
    assert max(fakes.trail.batches) <= BATCH


async def test_one_batch_takes_from_all_partitions(fakes: Fakes) -> None:
    """Few entries in each of many partitions make one transaction."""
    events = played(8)
    for partition, event in enumerate(events):
        fakes.put([event], partition)

    await fakes.run(*range(8))

    assert fakes.trail.batches == [8]
    assert fakes.counters.counted.batches == 1
    assert fakes.counters.counted.written == 8


async def test_counts_that_are_away_hold_up_no_partition(fakes: Fakes) -> None:
    """They may lie on a node of a cluster that is away: everything is written, and what is refused is buried."""
    fakes.put(played(20))
    fakes.outbox.add(0, UNREADABLE)
    fakes.counters.is_away = True

    left = await fakes.run()

    assert left == []
    assert len(fakes.written) == 20
    assert (len(fakes.dead), fakes.length) == (1, 0)


async def test_a_full_partition_gets_the_whole_batch_once_the_others_are_empty(fakes: Fakes) -> None:
    """What is read grows from a share to the whole batch."""
    fakes.put(played(20), 3)

    await fakes.run(1, 2, 3, 4)

    assert fakes.outbox.reads == [([1, 2, 3, 4], 2), ([3], 8), ([3], 8), ([3], 8)]


async def test_nothing_is_removed_before_it_is_written(fakes: Fakes) -> None:
    """A database that is away leaves the outbox as it was."""
    fakes.put(played(10))
    fakes.trail.is_away = True

    with pytest.raises(AuditUnavailable):
        await fakes.run()

    assert fakes.length == 10
    assert fakes.dead == []


async def test_entries_written_before_the_database_went_away_have_left(fakes: Fakes) -> None:
    """Only the rest is done again."""
    fakes.put(played(20))
    write = fakes.trail.write

    async def write_twice(records: Sequence[AuditRecord]) -> Written:
        fakes.trail.is_away = len(fakes.trail.batches) == 2
        return await write(records)

    fakes.trail.write = write_twice  # type: ignore[method-assign] # the third batch fails

    with pytest.raises(AuditUnavailable):
        await fakes.run()

    assert len(fakes.written) == 2 * BATCH
    assert fakes.length == 20 - 2 * BATCH


async def test_a_drain_that_died_after_the_commit_is_repeated_harmlessly(fakes: Fakes) -> None:
    """Entries that are still there although they were written are known to the trail, and leave."""
    fakes.put(played(5))
    entries = (await fakes.outbox.read([0], 5)).entries
    await fakes.trail.write([entry.record for entry in entries if entry.record])

    await fakes.run()

    assert len(fakes.trail.records) == 5
    assert fakes.counters.counted.known == 5
    assert fakes.counters.counted.written == 0
    assert fakes.length == 0


async def test_an_unreadable_entry_is_buried_and_the_rest_is_written(fakes: Fakes) -> None:
    """It is not read again."""
    fakes.put(played(3))
    fakes.outbox.add(0, UNREADABLE)
    fakes.put(played(6)[3:])

    left = await fakes.run()

    assert left == []
    assert len(fakes.written) == 6
    ((partition, reason),) = fakes.dead
    assert partition == 0
    assert reason
    assert fakes.counters.counted.buried == 1


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
async def test_poison_is_found_and_nothing_else_is_buried(fakes: Fakes, which: str) -> None:
    """A refused batch is halved until the poisonous entries stand alone."""
    poisonous = POISONOUS[which]
    fakes.put(played(8))
    fakes.trail.refuses = lambda record: record.event.session.version in poisonous

    await fakes.run()

    assert {event.session.version for event in fakes.written} == set(range(1, 9)) - poisonous
    assert fakes.dead == [(0, "bad data")] * len(poisonous)
    assert fakes.length == 0


async def test_one_poisonous_entry_costs_few_transactions(fakes: Fakes) -> None:
    """Halving, not one by one: of 8 entries, 3 transactions are refused on the way and 3 written."""
    fakes.put(played(8))
    asked: list[int] = []
    write = fakes.trail.write

    async def counted(records: Sequence[AuditRecord]) -> Written:
        asked.append(len(records))
        return await write(records)

    fakes.trail.write = counted  # type: ignore[method-assign] # counts what is asked
    fakes.trail.refuses = lambda record: record.event.session.version == 3

    await fakes.run()

    assert asked == [8, 4, 2, 2, 1, 1, 4]


async def test_a_database_that_goes_away_while_poison_is_sought_buries_nothing(fakes: Fakes) -> None:
    """A bad moment is no bad data."""
    fakes.put(played(8))

    class Fickle:
        """Refuses the whole, then is away."""

        async def write(self, records: Sequence[AuditRecord]) -> Written:
            raise AuditRefused("bad") if len(records) == 8 else AuditUnavailable("away")

    with pytest.raises(AuditUnavailable):
        await Drain(fakes.outbox, Fickle(), fakes.counters, batch=BATCH).run([0], time.monotonic() + 60)

    assert fakes.length == 8
    assert fakes.dead == []


async def test_time_runs_out(fakes: Fakes) -> None:
    """The caller learns what is left, and nothing is lost."""
    fakes.put(played(3))

    left = await fakes.run(0, 1, seconds=-1)

    assert left == [0, 1]
    assert fakes.length == 3


async def test_a_drain_that_is_stopped_finishes_its_batch_only(fakes: Fakes) -> None:
    """The rest is left to others."""
    fakes.put(played(20))
    write = fakes.trail.write

    async def write_and_stop(records: Sequence[AuditRecord]) -> Written:
        fakes.drain.stop()
        return await write(records)

    fakes.trail.write = write_and_stop  # type: ignore[method-assign] # the worker is told to stop meanwhile

    left = await fakes.run()

    assert left == [0]
    assert len(fakes.written) == BATCH
    assert fakes.length == 20 - BATCH


@given(
    parts=st.lists(st.integers(0, 5), max_size=60),
    poison=st.sets(st.integers(0, 59)),
    unreadable=st.sets(st.integers(0, 59)),
    batch=st.integers(1, 20),
)
async def test_any_mixture_is_written_or_buried_exactly_once(
    parts: list[int], poison: set[int], unreadable: set[int], batch: int
) -> None:
    """Any mixture over any partitions with any batch: good entries in the trail, bad ones dead, the outbox empty."""
    fakes = Fakes()
    for place, (partition, event) in enumerate(zip(parts, played(len(parts)), strict=True)):
        fakes.outbox.add(partition, UNREADABLE if place in unreadable else fields_of(event))
    fakes.trail.refuses = lambda record: record.event.session.version - 1 in poison

    left = await Drain(fakes.outbox, fakes.trail, fakes.counters, batch=batch).run(range(6), time.monotonic() + 60)

    bad = (poison | unreadable) & set(range(len(parts)))
    assert left == []
    assert {event.session.version - 1 for event in fakes.written} == set(range(len(parts))) - bad
    assert len(fakes.dead) == len(bad)
    assert fakes.length == 0
