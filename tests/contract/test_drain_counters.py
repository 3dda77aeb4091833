"""What any counters of the drains count."""

from collections.abc import AsyncIterator

import pytest

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.counters import RedisDrainCounters
from synckairos.adapters.redis.keys import Keys
from synckairos.application.pipeline.status import DrainCounters, DrainTotals
from synckairos.application.trail.audit import Written
from testing.harness.fakes.fake_outbox import FakeDrainCounters
from tests.contract.decisions import new_id


@pytest.fixture(params=["fake", "redis"])
async def counters(request: pytest.FixtureRequest) -> AsyncIterator[DrainCounters]:
    """Fresh counters of one kind or the other."""
    if request.param == "fake":
        yield FakeDrainCounters()
        return
    connections = RedisConnections(request.getfixturevalue("redis_server").url)
    yield RedisDrainCounters(connections, Keys(f"l{new_id()[:12]}"))
    await connections.close()


async def test_nothing_is_counted_at_first(counters: DrainCounters) -> None:
    """Nothing was ever written."""
    assert await counters.totals() == DrainTotals()


async def test_everything_is_counted(counters: DrainCounters) -> None:
    """Batches with what became of their rows, buried entries, messages; the last error is the latest one."""
    await counters.wrote(Written(new=5, known=2, forks=1))
    await counters.wrote(Written(new=3, known=0, forks=0))
    await counters.buried("unreadable")
    await counters.completed()
    await counters.completed()
    await counters.failed("no database", is_last=False)
    await counters.failed("still no database ∞", is_last=True)

    totals = await counters.totals()

    assert totals._replace(last_written_at=None, last_error_at=None) == DrainTotals(
        batches=2,
        written=8,
        known=2,
        forks=1,
        buried=1,
        completed=2,
        failed=1,
        exhausted=1,
        last_error="still no database ∞",
    )
    assert totals.last_written_at
    assert totals.last_error_at
    assert totals.last_error_at >= totals.last_written_at
