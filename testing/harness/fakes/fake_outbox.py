"""The outboxes and the counters of the drains in memory; they pass the same contract tests as those in Redis."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from synckairos.adapters.redis.values.outbox_entry import read_entry
from synckairos.application.errors import StoreUnavailable
from synckairos.application.pipeline.status import DrainTotals
from synckairos.application.trail.audit import Backlog, OutboxBatch, OutboxEntry, Written
from testing.harness.fakes.fake_clock import FakeClock

Fields = Sequence[tuple[bytes, bytes]]


@dataclass
class FakeOutbox:
    """Outbox; while `is_away` the store cannot be reached."""

    clock: FakeClock = field(default_factory=FakeClock)
    is_away: bool = False
    waiting: dict[int, dict[str, Fields]] = field(default_factory=dict)
    buried: list[tuple[int, str]] = field(default_factory=list)
    """Partition and reason of each dead entry, in order."""
    reads: list[tuple[list[int], int]] = field(default_factory=list)
    """What was asked for, in order."""
    _ids: int = 0

    def add(self, partition: int, fields: Fields) -> str:
        """Be a commit; return the entry's id."""
        self._ids += 1
        entry_id = f"{self.clock.ms}-{self._ids}"
        self.waiting.setdefault(partition, {})[entry_id] = tuple(fields)
        return entry_id

    async def read(self, partitions: Sequence[int], count: int) -> OutboxBatch:
        """Return the oldest entries of each partition."""
        self._reach()
        self.reads.append((list(partitions), count))
        entries = [
            self._entry(partition, entry_id, fields)
            for partition in partitions
            for entry_id, fields in list(self.waiting.get(partition, {}).items())[:count]
        ]
        return OutboxBatch(entries, frozenset(one for one in partitions if len(self.waiting.get(one, {})) >= count))

    async def remove(self, entries: Sequence[OutboxEntry]) -> None:
        """Remove what has been written."""
        self._reach()
        for entry in entries:
            self.waiting.get(entry.partition, {}).pop(entry.entry_id, None)

    async def bury(self, entry: OutboxEntry, reason: str) -> None:
        """Move an entry to the dead ones."""
        self._reach()
        fields = self.waiting.get(entry.partition, {}).pop(entry.entry_id, None)
        if fields is not None:
            self.buried.append((entry.partition, reason))

    async def backlog(self) -> Backlog:
        """Return what waits."""
        self._reach()
        ids = [entry_id for of in self.waiting.values() for entry_id in of]
        return Backlog(
            length=len(ids),
            oldest_at=min((_instant(one) for one in ids), default=None),
            dead=len(self.buried),
            waiting=tuple(sorted(partition for partition, of in self.waiting.items() if of)),
            now=self.clock.ms,
        )

    def _reach(self) -> None:
        if self.is_away:
            raise StoreUnavailable("the store is away")

    def _entry(self, partition: int, entry_id: str, fields: Fields) -> OutboxEntry:
        return read_entry(partition, (entry_id.encode(), [part for pair in fields for part in pair]))


def _instant(stream_id: str) -> int:
    return int(stream_id.partition("-")[0])


@dataclass
class FakeDrainCounters:
    """DrainCounters in memory; while `is_away` the store cannot be reached."""

    counted: DrainTotals = field(default_factory=DrainTotals)
    clock: FakeClock = field(default_factory=FakeClock)
    is_away: bool = False

    async def wrote(self, written: Written) -> None:
        """Count a batch."""
        self._reach()
        was = self.counted
        self.counted = was._replace(
            batches=was.batches + 1,
            written=was.written + written.new,
            known=was.known + written.known,
            forks=was.forks + written.forks,
            last_written_at=self.clock.ms,
        )

    async def buried(self, reason: str) -> None:
        """Count a buried entry."""
        self._reach()
        self._fail("buried", reason)

    async def completed(self) -> None:
        """Count a message done."""
        self._reach()
        self.counted = self.counted._replace(completed=self.counted.completed + 1)

    async def failed(self, problem: str, *, is_last: bool) -> None:
        """Count a failed attempt, or a message given up."""
        self._reach()
        self._fail("exhausted" if is_last else "failed", problem)

    async def totals(self) -> DrainTotals:
        """Return what was counted."""
        self._reach()
        return self.counted

    def _fail(self, name: str, problem: str) -> None:
        count = {name: getattr(self.counted, name) + 1}
        self.counted = self.counted._replace(last_error=problem, last_error_at=self.clock.ms, **count)

    def _reach(self) -> None:
        if self.is_away:
            raise StoreUnavailable("the store is away")
