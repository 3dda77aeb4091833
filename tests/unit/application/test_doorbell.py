"""The doorbell: rings for what was committed, never often, never in vain, and is never in anybody's way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import structlog

from synckairos.application import doorbell
from synckairos.application.doorbell import Doorbell
from synckairos.application.pipeline_status import BrokerUnavailable
from testing.harness.fake_clock import FakeClock
from testing.harness.fake_outbox import FakeOutbox

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


class Observed:
    """Remembers what was reported."""

    def __init__(self) -> None:
        self.outboxes: list[tuple[int, int, int]] = []
        self.brokers: list[bool] = []

    def outbox(self, length: int, oldest_age_ms: int, dead: int) -> None:
        """Remember it."""
        self.outboxes.append((length, oldest_age_ms, dead))

    def broker(self, *, is_up: bool) -> None:
        """Remember it."""
        self.brokers.append(is_up)

    def store_memory(self, share: float) -> None:
        """Is not reported here."""
        raise AssertionError(share)


class World:
    """A doorbell on fakes; pauses are over at once, but are remembered."""

    def __init__(self) -> None:
        self.bell = FakeBell()
        self.clock = FakeClock()
        self.outbox = FakeOutbox(self.clock)
        self.observed = Observed()
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
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A doorbell on fakes."""
    world = World()
    monkeypatch.setattr(doorbell.asyncio, "sleep", world.pause)
    return world


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await REAL_SLEEP(0)


async def test_a_commit_is_rung_for_at_once_and_then_not_for_a_while(world: World) -> None:
    """One ring for the first; those that come meanwhile share the next."""
    async with world.running(world.doorbell.run()):
        world.doorbell.note_commit("a", None)
        await settle()
        first = list(world.bell.rings)
        world.bell.gate.clear()
        world.doorbell.note_commit("b", 5)
        await settle()
        for session_id in ("c", "a", "c", "b"):
            world.doorbell.note_commit(session_id, None)
        world.bell.gate.set()
        await settle()

    assert first == [[1]]
    assert world.bell.rings == [[1], [2], [1, 2, 3]]
    assert world.pauses == [doorbell.RING_S] * 3


async def test_nobody_rings_when_nothing_was_committed(world: World) -> None:
    """No timer runs in vain."""
    async with world.running(world.doorbell.run()):
        await settle()

    assert world.bell.attempts == 0
    assert world.pauses == []


async def test_a_commit_never_waits_for_the_broker(world: World) -> None:
    """Noting is all that happens on the way of a call, also while the broker says nothing."""
    world.bell.gate.clear()
    async with world.running(world.doorbell.run()):
        for _ in range(1_000):
            world.doorbell.note_commit("a", None)
        await settle()
        world.doorbell.note_commit("b", None)

    assert world.bell.attempts == 1


async def test_a_broker_that_is_away_is_told_once_and_everything_is_rung_for_later(world: World) -> None:
    """One line when it goes and one when it comes back, whatever the number of attempts."""
    world.bell.is_broken = True
    with structlog.testing.capture_logs() as logs:
        async with world.running(world.doorbell.run()):
            world.doorbell.note_commit("a", None)
            await settle()
            world.doorbell.note_commit("b", None)
            await settle()
            attempts = world.bell.attempts
            world.bell.is_broken = False
            await settle()

    assert attempts > 2
    assert world.bell.rings == [[1, 2]]
    assert [log["problem"] for log in logs if log["event"] == "broker_state"] == ["the broker is away", None]
    assert world.observed.brokers == [False, True]
    assert doorbell.BROKEN_S in world.pauses


async def test_a_ring_that_fails_in_an_unforeseen_way_does_not_end_the_doorbell(world: World) -> None:
    """It is logged, and tried again."""

    async def broken(_: Sequence[int]) -> None:
        raise ValueError("unforeseen")

    ring, world.bell.ring = world.bell.ring, broken  # type: ignore[method-assign] # a bug in the adapter
    with structlog.testing.capture_logs() as logs:
        async with world.running(world.doorbell.run()):
            world.doorbell.note_commit("a", None)
            await settle()
            world.bell.ring = ring  # type: ignore[method-assign] # mended
            await settle()

    assert "doorbell_failed" in {log["event"] for log in logs}
    assert world.bell.rings == [[1]]


async def test_a_look_rings_for_what_is_not_empty(world: World) -> None:
    """Outboxes that no commit of this process has filled, and what waits is reported."""
    world.outbox.add(7, [(b"a", b"b")])
    world.outbox.add(7, [(b"a", b"b")])
    world.outbox.add(9, [(b"a", b"b")])
    world.clock.advance(1_234)

    async with world.running(world.doorbell.look()):
        await settle()

    assert world.bell.rings[0] == [7, 9]
    assert world.observed.outboxes[0] == (3, 1_234, 0)
    low, high = doorbell.LOOK_S
    assert all(low <= pause <= high for pause in world.pauses)


async def test_a_look_at_empty_outboxes_leaves_the_broker_alone(world: World) -> None:
    """There is nothing to ring for."""
    async with world.running(world.doorbell.look()):
        await settle()

    assert world.bell.attempts == 0
    assert world.observed.outboxes[0] == (0, 0, 0)


async def test_looks_go_on_when_the_store_or_the_broker_has_been_away(world: World) -> None:
    """Neither ends them."""
    world.outbox.add(7, [(b"a", b"b")])
    world.outbox.is_away = world.bell.is_broken = True
    async with world.running(world.doorbell.look()):
        await settle()
        world.outbox.is_away = False
        await settle()
        assert world.bell.rings == []
        world.bell.is_broken = False
        await settle()

    assert world.bell.rings[0] == [7]
