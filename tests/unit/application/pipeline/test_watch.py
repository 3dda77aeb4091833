"""What the metrics of a process show of the pipeline as a whole."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from prometheus_client import generate_latest

from synckairos.application.errors import StoreUnavailable
from synckairos.application.pipeline import watch
from synckairos.application.pipeline.status import BrokerUnavailable, DrainTotals, QueueDepth
from synckairos.application.pipeline.watch import PipelineWatch
from synckairos.telemetry import TOTALS, Metrics
from testing.harness.fakes.fake_outbox import FakeDrainCounters

REAL_SLEEP = asyncio.sleep
COUNTED = DrainTotals(**{name: place for place, name in enumerate(TOTALS, start=1)})  # type: ignore[arg-type] # all of them numbers


class Fakes:
    """A watch on fakes, and the metrics that it feeds."""

    def __init__(self) -> None:
        self.counters = FakeDrainCounters(COUNTED)
        self.has_broker, self.has_store = True, True
        self.is_broken = False
        self.metrics = Metrics()
        self.watch = PipelineWatch(self.counters, self, self.sessions, self.metrics)

    async def depth(self) -> QueueDepth:
        """Return the depth of the queue."""
        if not self.has_broker:
            raise BrokerUnavailable("no broker")
        return QueueDepth(1, 2, 3, 4)

    async def sessions(self) -> int:
        """Return how many sessions there are."""
        if self.is_broken:
            raise ValueError("a bug")
        if not self.has_store:
            raise StoreUnavailable("no store")
        return 7

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the watch run a few times, then the body."""
        task = asyncio.create_task(self.watch.run())
        for _ in range(20):
            await REAL_SLEEP(0)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def shown(self) -> dict[str, float]:
        """What Prometheus would read of the pipeline."""
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    """A watch on fakes, whose pauses are over at once."""

    async def pause(_: float) -> None:
        await REAL_SLEEP(0)

    monkeypatch.setattr(watch.asyncio, "sleep", pause)
    return Fakes()


async def test_everything_is_shown(fakes: Fakes) -> None:
    """Messages by state, every count, and the sessions."""
    before = fakes.shown
    async with fakes.running():
        shown = fakes.shown

    assert not [name for name in before if name.startswith("synckairos_audit_written")]
    assert [shown[f'synckairos_audit_messages{{state="{state}"}}'] for state in QueueDepth._fields] == [1, 2, 3, 4]
    assert [shown[f"synckairos_audit_{name}_total"] for name in TOTALS] == list(range(1, len(TOTALS) + 1))
    assert shown["synckairos_sessions"] == 7


async def test_messages_nobody_can_count_are_not_shown(fakes: Fakes) -> None:
    """Rather than those of before; the rest goes on."""
    async with fakes.running():
        fakes.has_broker = False
    fakes.counters.counted = COUNTED._replace(written=100)
    async with fakes.running():
        shown = fakes.shown

    assert not [name for name in shown if name.startswith("synckairos_audit_messages")]
    assert shown["synckairos_audit_written_total"] == 100


@pytest.mark.parametrize("how", ["has_store", "is_broken"])
async def test_nothing_ends_the_watch(fakes: Fakes, how: str) -> None:
    """Neither a store that is away nor a bug."""
    setattr(fakes, how, how == "is_broken")
    async with fakes.running():
        assert fakes.shown["synckairos_sessions"] == 0
        setattr(fakes, how, how != "is_broken")
        for _ in range(20):
            await REAL_SLEEP(0)
        assert fakes.shown["synckairos_sessions"] == 7
