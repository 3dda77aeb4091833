"""The state of the audit pipeline, and when it counts as degraded."""

from collections.abc import Awaitable, Callable

import pytest

from synckairos.application.errors import AuditUnavailable, StoreUnavailable
from synckairos.application.pipeline.status import LATE_MS, BrokerUnavailable, DrainTotals, PipelineReport, QueueDepth
from testing.harness.fakes.fake_outbox import FakeDrainCounters, FakeOutbox

ENTRY = [(b"a", b"b")]
DEPTH = QueueDepth(1, 2, 3, 4)


class Fakes:
    """A report on fakes."""

    def __init__(self) -> None:
        self.outbox = FakeOutbox()
        self.counters = FakeDrainCounters(DrainTotals(written=7, last_error="once"))
        self.has_broker = self.has_database = True
        self.report = PipelineReport(self.outbox, self.counters, self, self.check_database)

    async def depth(self) -> QueueDepth:
        """Return the depth of the queue."""
        if not self.has_broker:
            raise BrokerUnavailable("no broker")
        return DEPTH

    async def check_database(self) -> None:
        """Check the database."""
        if not self.has_database:
            raise AuditUnavailable("no database")


@pytest.fixture
def fakes() -> Fakes:
    """A report on fakes."""
    return Fakes()


async def test_all_is_well(fakes: Fakes) -> None:
    """Entries that have just come are no problem."""
    fakes.outbox.add(3, ENTRY)
    fakes.outbox.clock.advance(LATE_MS)

    status = await fakes.report.status()

    assert not status.degraded
    assert status.problems == ()
    assert (status.outbox_length, status.oldest_age_ms, status.dead_entries) == (1, LATE_MS, 0)
    assert status.queue == DEPTH
    assert status.totals == DrainTotals(written=7, last_error="once")


async def test_an_empty_outbox_has_no_age(fakes: Fakes) -> None:
    """None, not 0."""
    status = await fakes.report.status()

    assert (status.outbox_length, status.oldest_age_ms) == (0, None)


async def _late(fakes: Fakes) -> None:
    fakes.outbox.add(3, ENTRY)
    fakes.outbox.clock.advance(LATE_MS + 1)


async def _dead(fakes: Fakes) -> None:
    fakes.outbox.add(3, ENTRY)
    await fakes.outbox.bury((await fakes.outbox.read([3], 1)).entries[0], "bad")


async def _no_broker(fakes: Fakes) -> None:
    fakes.has_broker = False


async def _no_database(fakes: Fakes) -> None:
    fakes.has_database = False


PROBLEMS: dict[str, Callable[[Fakes], Awaitable[None]]] = {
    "has waited": _late,
    "audit dead list": _dead,
    "no broker": _no_broker,
    "no database": _no_database,
}


@pytest.mark.parametrize("problem", PROBLEMS)
async def test_each_problem_degrades_and_is_named(fakes: Fakes, problem: str) -> None:
    """One at a time."""
    await PROBLEMS[problem](fakes)

    status = await fakes.report.status()

    assert status.degraded
    (told,) = status.problems
    assert problem in told
    assert (status.queue is None) is (problem == "no broker")


async def test_without_a_database_nothing_empties_the_outbox(fakes: Fakes) -> None:
    """A deployment that has none is told so."""
    status = await PipelineReport(fakes.outbox, fakes.counters, None, None).status()

    assert status.queue is None
    assert len(status.problems) == 1


async def test_a_store_that_is_away_is_no_status(fakes: Fakes) -> None:
    """There is nothing to say then."""
    fakes.outbox.is_away = True

    with pytest.raises(StoreUnavailable):
        await fakes.report.status()
