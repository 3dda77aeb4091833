"""What closes a batch: groups apart, weights kept, nobody lost."""

import asyncio
from types import SimpleNamespace

import pytest

from synckairos.adapters.redis.store import batching as redis_gate
from synckairos.adapters.redis.store.batching import GATHERING_S, LONGEST_LULL_S, LULL_S, MOST, Gate


class Runs:
    """Carries out batches when told to, and remembers them."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, batch: list[int]) -> None:
        """Note a batch, and let it last until told otherwise."""
        self.batches.append(batch)
        await self.go.wait()

    async def settled(self, count: int) -> list[list[int]]:
        """Let everything through, wait until this many items have gone, and return the batches."""
        self.go.set()
        async with asyncio.timeout(5):
            while sum(map(len, self.batches)) < count:  # noqa: ASYNC110 - nobody sets an event for it
                await asyncio.sleep(0)
        return self.batches


async def test_who_comes_meanwhile_goes_together() -> None:
    """The first one at once and alone, the others when it is done, in their order, as many as fit."""
    runs = Runs()
    gate = Gate(runs)

    for item in range(MOST + 3):
        gate.offer(item)

    assert await runs.settled(MOST + 3) == [[0], [*range(1, MOST + 1)], [MOST + 1, MOST + 2]]


async def test_groups_go_apart() -> None:
    """Items that may not share a transaction never do, and do not wait for each other: the partitions of a cluster."""
    runs = Runs()
    gate = Gate(runs)

    for item in range(6):
        gate.offer(item, group=item % 2)
    await asyncio.sleep(0)

    assert runs.batches == [[0], [1]]
    assert sorted((await runs.settled(6))[2:]) == [[2, 4], [3, 5]]


async def test_a_heavy_item_goes_alone() -> None:
    """One that fills more than a batch still goes, and those around it keep their order."""
    runs = Runs()
    gate = Gate(runs)

    for item in range(5):
        gate.offer(item, weight=MOST + 1 if item == 2 else 1)

    assert await runs.settled(5) == [[0], [1], [2], [3, 4]]


@pytest.mark.parametrize("turns", [0, 3])
async def test_a_withdrawn_item_does_not_go(turns: int) -> None:
    """Taken back while it waits, it is gone, and the gate opens for the next one all the same."""
    runs = Runs()
    gate = Gate(runs)
    gate.offer(0)
    gate.offer(1)

    gate.withdraw(1)
    runs.go.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    gate.offer(2)

    assert await runs.settled(2) == [[0], [2]]


async def test_a_batch_that_fails_stops_nobody() -> None:
    """The next one goes, whatever became of the one before."""
    runs = Runs()
    failed = asyncio.Event()

    async def fail_once(batch: list[int]) -> None:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError
        await runs(batch)

    gate = Gate(fail_once)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # that nobody asked what became of it
    gate.offer(0)
    gate.offer(1)

    assert await runs.settled(1) == [[1]]


class Moving:
    """A clock that stands until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(redis_gate, "time", SimpleNamespace(monotonic=lambda: self.now))

    async def move(self, seconds: float) -> None:
        """Let time pass, and the event loop turn a few times."""
        self.now += seconds
        for _ in range(5):
            await asyncio.sleep(0)


async def _sharing(monkeypatch: pytest.MonkeyPatch) -> tuple[Moving, Runs, Gate[int]]:
    """Return a gate whose batches have been shared, with nothing under way."""
    clock, runs = Moving(monkeypatch), Runs()
    gate = Gate(runs)
    for item in range(MOST + 1):
        gate.offer(-item)
    await runs.settled(MOST + 1)
    await clock.move(0)
    runs.batches.clear()
    return clock, runs, gate


async def test_a_shared_batch_waits_for_who_comes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC hands calls over one after another; those that come in quick succession go together."""
    clock, runs, gate = await _sharing(monkeypatch)

    for item in range(4):
        gate.offer(item)
        await clock.move(LULL_S / 2)
    assert runs.batches == []
    await clock.move(LONGEST_LULL_S)

    assert runs.batches == [[0, 1, 2, 3]]


async def test_a_batch_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """However steadily they come, a batch closes in time."""
    clock, runs, gate = await _sharing(monkeypatch)

    steps = int(GATHERING_S / LULL_S) + 1
    for item in range(steps):
        gate.offer(item)
        await clock.move(LULL_S)

    assert runs.batches
    assert len(runs.batches[0]) < steps


async def test_when_all_are_in_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the last batch, and those that came during its exchange, are all that is waited for."""
    clock, runs, gate = await _sharing(monkeypatch)
    runs.go.clear()
    gate.offer(0)
    await clock.move(LONGEST_LULL_S)
    gate.offer(1)
    gate.offer(2)
    assert runs.batches == [[0]]

    runs.go.set()
    await clock.move(0)
    assert runs.batches == [[0]]
    gate.offer(3)
    await clock.move(0)

    assert runs.batches == [[0], [1, 2, 3]]


async def test_a_batch_that_is_full_by_weight_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes then would not fit in any more."""
    clock, runs = Moving(monkeypatch), Runs()
    gate = Gate(runs)
    for item in range(MOST + 1):
        gate.offer(-item)
    await runs.settled(MOST + 1)
    await clock.move(0)
    runs.batches.clear()

    gate.offer(1, weight=MOST // 2)
    await clock.move(0)
    assert runs.batches == []
    gate.offer(2, weight=MOST // 2)
    await clock.move(0)

    assert runs.batches == [[1, 2]]


async def test_a_heavy_item_that_comes_alone_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are shared by their number of items, whatever those weigh."""
    clock, runs = Moving(monkeypatch), Runs()
    runs.go.set()
    gate = Gate(runs)

    for item in range(20):
        gate.offer(item, weight=MOST // 4)
        await clock.move(0)

    assert len(runs.batches) == 20


async def test_who_comes_alone_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """While batches are not shared, the clock need not move at all."""
    clock, runs = Moving(monkeypatch), Runs()
    runs.go.set()
    gate = Gate(runs)

    for item in range(3):
        gate.offer(item)
        await clock.move(0)

    assert runs.batches == [[0], [1], [2]]


class Busy:
    """One item for which many wait, time and again, and a gate that has learned of it."""

    ITEM = 7
    CALLERS = 8
    MOST_CALLERS = 12

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.runs = Moving(monkeypatch), Runs()
        self.callers = self.CALLERS
        self.gate = Gate(self.runs, self.MOST_CALLERS)

    async def begin(self, callers: int) -> None:
        """Let it through once with all of its callers, then offer it with this many."""
        self.runs.go.set()
        self.gate.offer(self.ITEM, self.callers)
        await self.clock.move(0)
        self.runs.batches.clear()
        self.callers = callers
        self.gate.offer(self.ITEM, self.callers)
        await self.clock.move(0)

    async def grow(self, callers: int) -> None:
        """Let this many wait for it from now on."""
        self.callers = callers
        self.gate.update(self.ITEM, callers, 1)
        await self.clock.move(0)


async def test_an_item_whose_callers_come_one_by_one_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many callers of one session are like callers of many: those of the last batch are about to come again."""
    busy = Busy(monkeypatch)

    await busy.begin(1)
    await busy.grow(busy.CALLERS - 1)
    assert busy.runs.batches == []
    await busy.grow(busy.CALLERS)

    assert busy.runs.batches == [[busy.ITEM]]


async def test_an_item_goes_when_no_more_callers_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every caller who comes renews the lull; when it has passed, those who are missing are not waited for."""
    busy = Busy(monkeypatch)

    await busy.begin(1)
    for callers in (2, 3, 4):
        await busy.clock.move(LULL_S)
        await busy.grow(callers)
    assert busy.runs.batches == []
    await busy.clock.move(LONGEST_LULL_S)

    assert busy.runs.batches == [[busy.ITEM]]


async def test_an_item_that_does_not_wait_cannot_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who joins a session that is being carried out does not let it through a second time."""
    busy = Busy(monkeypatch)
    busy.gate.update(busy.ITEM, busy.callers, 1)
    busy.gate.offer(busy.ITEM, busy.callers)
    await busy.clock.move(0)

    await busy.grow(2 * busy.CALLERS)
    busy.runs.go.set()
    await busy.clock.move(LONGEST_LULL_S)

    assert busy.runs.batches == [[busy.ITEM]]


async def test_an_item_that_is_full_does_not_wait_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more callers than an item has room for, those behind would only be waited for in vain."""
    busy = Busy(monkeypatch)
    busy.callers = busy.MOST_CALLERS
    busy.gate.offer(busy.ITEM, busy.callers)
    await busy.clock.move(0)
    busy.gate.offer(busy.ITEM, busy.callers)
    assert busy.runs.batches == [[busy.ITEM]]

    busy.runs.go.set()
    await busy.clock.move(0)
    await busy.clock.move(0)

    assert busy.runs.batches == [[busy.ITEM], [busy.ITEM]]


async def test_who_changes_nothing_does_not_renew_the_lull(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who comes and finds no room, or one who goes, keeps nobody waiting longer."""
    busy = Busy(monkeypatch)

    await busy.begin(4)
    for callers in (4, 3, 3, 3, 3, 3):
        await busy.clock.move(LONGEST_LULL_S / 5)
        await busy.grow(callers)

    assert busy.runs.batches == [[busy.ITEM]]
