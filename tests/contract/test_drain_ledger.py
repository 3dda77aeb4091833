"""What any ledger of the drains counts."""

from collections.abc import AsyncIterator

import pytest

from synckairos.adapters.redis.connections import RedisConnections
from synckairos.adapters.redis.counters import RedisLedger
from synckairos.adapters.redis.keys import Keys
from synckairos.application.audit import Written
from synckairos.application.pipeline_status import DrainLedger, DrainTotals
from testing.harness.fake_outbox import FakeLedger
from tests.contract.decisions import new_id


@pytest.fixture(params=["fake", "redis"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[DrainLedger]:
    """An empty ledger of one kind or the other."""
    if request.param == "fake":
        yield FakeLedger()
        return
    connections = RedisConnections(request.getfixturevalue("redis_server").url)
    yield RedisLedger(connections, Keys(f"l{new_id()[:12]}"))
    await connections.close()


async def test_an_empty_ledger_has_counted_nothing(ledger: DrainLedger) -> None:
    """Nothing was ever written."""
    assert await ledger.totals() == DrainTotals()


async def test_everything_is_counted(ledger: DrainLedger) -> None:
    """Batches with what became of their rows, buried entries, messages; the last error is the latest one."""
    await ledger.wrote(Written(new=5, known=2, forks=1))
    await ledger.wrote(Written(new=3, known=0, forks=0))
    await ledger.buried("unreadable")
    await ledger.completed()
    await ledger.completed()
    await ledger.failed("no database", is_last=False)
    await ledger.failed("still no database ∞", is_last=True)

    totals = await ledger.totals()

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
