"""The doorbell rings for every commit, never often, never in vain, and never holds up a call."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import structlog

from synckairos.application.pipeline import doorbell
from synckairos.application.pipeline.doorbell import Doorbell
from synckairos.application.pipeline.status import BrokerUnavailable
from synckairos.application.trail.audit import Backlog
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.fakes.fake_outbox import FakeOutbox
from tests.unit.application.pipeline.observed_pipeline import ObservedPipeline

PARTITIONS = {"a": 1, "b": 2, "c": 3}


class FakeBell:
    """Remembers what it was asked for; while `is_broken` the broker cannot be reached."""

    def __init__(self) -> None:
        self.rings: list[list[int]] = []
        self.is_broken = False
        self.attempts = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def ring(self, partitions: Sequence[int]) -> None:
        """Remember it."""
        self.attempts += 1
        await self.gate.wait()
        if self.is_broken:
            raise BrokerUnavailable("the broker is away")
        self.rings.append(list(partitions))


class Fakes:
    """A doorbell on fakes; pauses are over at once, but are remembered."""

    def __init__(self) -> None:
        self.bell = FakeBell()
        self.clock = FakeClock()
        self.outbox = FakeOutbox(self.clock)
        self.observed = ObservedPipeline()
        self.pauses: list[float] = []
        self.doorbell = Doorbell(self.bell, self.outbox, PARTITIONS.__getitem__, self.observed)

    async def pause(self, seconds: float) -> None:
        """Be asyncio.sleep."""
        self.pauses.append(seconds)
        await REAL_SLEEP(0)

    @contextlib.asynccontextmanager
    async def running(self, work: Any) -> AsyncIterator[None]:
        """Let the doorbell work while the body runs."""
        task = asyncio.create_task(work)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


REAL_SLEEP = asyncio.sleep


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    """A doorbell on fakes."""
    fakes = Fakes()
    monkeypatch.setattr(doorbell.asyncio, "sleep", fakes.pause)
    return fakes


async def until_idle() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await REAL_SLEEP(0)


async def test_a_commit_is_rung_for_at_once_and_then_not_for_a_while(fakes: Fakes) -> None:
    """One ring for the first; those that come meanwhile share the next."""
    async with fakes.running(fakes.doorbell.run()):
        fakes.doorbell.note_commit("a", None)
        await until_idle()
        first = list(fakes.bell.rings)
        fakes.bell.gate.clear()
        fakes.doorbell.note_commit("b", 5)
        await until_idle()
        for session_id in ("c", "a", "c", "b"):
            fakes.doorbell.note_commit(session_id, None)
        fakes.bell.gate.set()
        await until_idle()

    assert first == [[1]]
    assert fakes.bell.rings == [[1], [2], [1, 2, 3]]
    assert fakes.pauses == [doorbell.RING_S] * 3


async def test_nobody_rings_when_nothing_was_committed(fakes: Fakes) -> None:
    """No timer runs in vain."""
    async with fakes.running(fakes.doorbell.run()):
        await until_idle()

    assert fakes.bell.attempts == 0
    assert fakes.pauses == []


async def test_a_commit_never_waits_for_the_broker(fakes: Fakes) -> None:
    """Noting is all that happens on the way of a call, also while the broker says nothing."""
    fakes.bell.gate.clear()
    async with fakes.running(fakes.doorbell.run()):
        for _ in range(1_000):
            fakes.doorbell.note_commit("a", None)
        await until_idle()
        fakes.doorbell.note_commit("b", None)

    assert fakes.bell.attempts == 1


async def test_a_broker_that_is_away_is_told_once_and_everything_is_rung_for_later(fakes: Fakes) -> None:
    """One line when it goes and one when it comes back, whatever the number of attempts."""
    fakes.bell.is_broken = True
    with structlog.testing.capture_logs() as logs:
        async with fakes.running(fakes.doorbell.run()):
            fakes.doorbell.note_commit("a", None)
            await until_idle()
            fakes.doorbell.note_commit("b", None)
            await until_idle()
            attempts = fakes.bell.attempts
            fakes.bell.is_broken = False
            await until_idle()

    assert attempts > 2
    assert fakes.bell.rings == [[1, 2]]
    assert [log["problem"] for log in logs if log["event"] == "broker_state"] == ["the broker is away", None]
    assert fakes.observed.brokers == [False, True]
    assert doorbell.BROKEN_S in fakes.pauses


async def test_a_ring_that_fails_in_an_unforeseen_way_does_not_end_the_doorbell(fakes: Fakes) -> None:
    """It is logged, and tried again."""

    async def broken(_: Sequence[int]) -> None:
        raise ValueError("unforeseen")

    ring, fakes.bell.ring = fakes.bell.ring, broken  # type: ignore[method-assign] # a bug in the adapter
    with structlog.testing.capture_logs() as logs:
        async with fakes.running(fakes.doorbell.run()):
            fakes.doorbell.note_commit("a", None)
            await until_idle()
            fakes.bell.ring = ring  # type: ignore[method-assign] # mended
            await until_idle()

    assert "doorbell_failed" in {log["event"] for log in logs}
    assert fakes.bell.rings == [[1]]


async def test_a_look_rings_for_what_is_not_empty(fakes: Fakes) -> None:
    """Outboxes that no commit of this process has filled, and what waits is reported."""
    fakes.outbox.add(7, [(b"a", b"b")])
    fakes.outbox.add(7, [(b"a", b"b")])
    fakes.outbox.add(9, [(b"a", b"b")])
    fakes.clock.advance(1_234)

    async with fakes.running(fakes.doorbell.look()):
        await until_idle()

    assert fakes.bell.rings[0] == [7, 9]
    assert fakes.observed.outboxes[0] == (3, 1_234, 0)
    low, high = doorbell.LOOK_S
    assert all(low <= pause <= high for pause in fakes.pauses)


async def test_a_look_at_empty_outboxes_leaves_the_broker_alone(fakes: Fakes) -> None:
    """There is nothing to ring for."""
    async with fakes.running(fakes.doorbell.look()):
        await until_idle()

    assert fakes.bell.attempts == 0
    assert fakes.observed.outboxes[0] == (0, 0, 0)


async def test_looks_go_on_when_the_store_or_the_broker_has_been_away(fakes: Fakes) -> None:
    """Neither ends them."""
    fakes.outbox.add(7, [(b"a", b"b")])
    fakes.outbox.is_away = fakes.bell.is_broken = True
    async with fakes.running(fakes.doorbell.look()):
        await until_idle()
        fakes.outbox.is_away = False
        await until_idle()
        assert fakes.bell.rings == []
        fakes.bell.is_broken = False
        await until_idle()

    assert fakes.bell.rings[0] == [7]


async def test_what_cannot_be_rung_for_is_drained_by_the_one_who_looks(fakes: Fakes) -> None:
    """A worker needs no broker; while the broker works it is left to its messages."""
    drained: list[list[int]] = []

    async def drain(partitions: Sequence[int]) -> None:
        drained.append(list(partitions))
        if len(drained) == 1:
            raise TimeoutError

    fakes.outbox.add(7, [(b"a", b"b")])
    fakes.bell.is_broken = True
    async with fakes.running(fakes.doorbell.look(drain)):
        await until_idle()
        fakes.bell.is_broken = False
        await until_idle()
        while_broken = list(drained)
        await until_idle()

    assert len(while_broken) > 1
    assert drained == while_broken == [[7]] * len(drained)


async def test_a_look_that_fails_in_an_unforeseen_way_does_not_end_the_looks(fakes: Fakes) -> None:
    """It is logged, and the next one rings."""
    backlog = fakes.outbox.backlog

    async def broken() -> Backlog:
        raise ValueError("unforeseen")

    fakes.outbox.add(7, [(b"a", b"b")])
    fakes.outbox.backlog = broken  # type: ignore[method-assign] # what stands in Redis is no outbox
    with structlog.testing.capture_logs() as logs:
        async with fakes.running(fakes.doorbell.look()):
            await until_idle()
            fakes.outbox.backlog = backlog  # type: ignore[method-assign] # mended
            await until_idle()

    assert "doorbell_failed" in {log["event"] for log in logs}
    assert fakes.bell.rings[0] == [7]
