"""What closes a batch: groups apart, weights kept, nobody lost."""

import asyncio
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any

import pytest

from synckairos.adapters.redis.store import batching as redis_gate
from synckairos.adapters.redis.store.batching import GATHERING_S, MOST, Gate


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
    """A clock that stands until it is moved, for the gate's times and its timers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self._timers: list[_Timer] = []
        monkeypatch.setattr(redis_gate, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", self._call_later)

    async def move(self, seconds: float) -> None:
        """Let time pass, timers go off, and the event loop turn a few times."""
        self.now += seconds
        for timer in list(self._timers):
            if not timer.is_cancelled and timer.at <= self.now:
                self._timers.remove(timer)
                timer.callback(*timer.args)
        for _ in range(5):
            await asyncio.sleep(0)

    def _call_later(self, delay: float, callback: Callable[..., object], *args: object) -> "_Timer":
        timer = _Timer(self.now + delay, callback, args)
        self._timers.append(timer)
        return timer


class _Timer:
    def __init__(self, at: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.at, self.callback, self.args = at, callback, args
        self.is_cancelled = False

    def cancel(self) -> None:
        """Never go off."""
        self.is_cancelled = True


EXCHANGE_S = 0.02


async def _busy(
    monkeypatch: pytest.MonkeyPatch, most_callers: int = 1, prompt: Collection[int] = ()
) -> tuple[Moving, Runs, Gate[int]]:
    """Return a gate to which many calls came in the time of an exchange, with nothing under way."""
    clock, runs = Moving(monkeypatch), Runs()
    gate = Gate(runs, most_callers, prompt)
    for _ in range(10):
        runs.go.clear()
        for item in range(MOST):
            gate.offer(-item)
        await clock.move(EXCHANGE_S)
        runs.go.set()
        await clock.move(0)
        await clock.move(GATHERING_S)
        await clock.move(0)
    runs.batches.clear()
    runs.go.clear()
    return clock, runs, gate


async def test_a_batch_waits_for_those_of_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC hands calls over one after another; those that come in quick succession go together."""
    clock, runs, gate = await _busy(monkeypatch)

    for item in range(4):
        gate.offer(item)
        await clock.move(GATHERING_S / 5)
    assert runs.batches == []
    await clock.move(GATHERING_S / 5)

    assert runs.batches == [[0, 1, 2, 3]]


async def test_a_batch_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """However steadily they come, a batch closes in time."""
    clock, runs, gate = await _busy(monkeypatch)

    for item in range(20):
        gate.offer(item)
        await clock.move(GATHERING_S / 8)

    assert runs.batches
    assert len(runs.batches[0]) < 10


async def test_the_last_one_expected_closes_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the last batch, and those that came during its exchange, are all that is waited for."""
    clock, runs, gate = await _busy(monkeypatch)
    gate.offer(0)
    await clock.move(GATHERING_S)
    gate.offer(1)
    gate.offer(2)
    assert runs.batches == [[0]]

    await clock.move(EXCHANGE_S)
    runs.go.set()
    await clock.move(0)
    assert runs.batches == [[0]]
    gate.offer(3)
    await clock.move(0)

    assert runs.batches == [[0], [1, 2, 3]]


async def test_a_prompt_group_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is late already goes at once, whoever may be about to come, and beside the batch that is under way."""
    clock, runs, gate = await _busy(monkeypatch, prompt={1})
    for item in range(MOST):
        gate.offer(-item)
    await clock.move(0)
    runs.batches.clear()

    for item in range(1, 4):
        gate.offer(item, group=1)
    gate.offer(4)
    await clock.move(0)
    assert runs.batches == [[1]]
    runs.go.set()
    await clock.move(0)

    assert runs.batches == [[1], [2, 3]]


async def test_a_prompt_group_shares_while_it_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast its items come, none is waited for; those that came during an exchange go together."""
    clock, runs, gate = await _busy(monkeypatch, prompt={0})

    for item in range(4):
        gate.offer(item)
        await clock.move(GATHERING_S / 5)
    assert runs.batches == [[0]]
    runs.go.set()
    await clock.move(0)

    assert runs.batches == [[0], [1, 2, 3]]


async def test_a_batch_that_is_full_by_weight_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes then would not fit in any more."""
    clock, runs, gate = await _busy(monkeypatch)

    gate.offer(1, weight=MOST // 2)
    await clock.move(0)
    assert runs.batches == []
    gate.offer(2, weight=MOST // 2)
    await clock.move(0)

    assert runs.batches == [[1, 2]]


async def test_what_is_withdrawn_from_an_open_batch_lets_it_close_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next call finds the gate ready."""
    clock, runs, gate = await _busy(monkeypatch)
    gate.offer(0)

    gate.withdraw(0)
    await clock.move(GATHERING_S)
    assert runs.batches == []
    gate.offer(1)
    await clock.move(GATHERING_S)

    assert runs.batches == [[1]]


async def test_calls_that_come_one_by_one_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """While fewer than two arrive in the time of an exchange, waiting would only cost time."""
    clock, runs = Moving(monkeypatch), Runs()
    gate = Gate(runs)

    for item in range(40):
        runs.go.clear()
        gate.offer(item, weight=MOST // 4)
        await clock.move(EXCHANGE_S / 10)
        runs.go.set()
        await clock.move(EXCHANGE_S)

    assert runs.batches == [[item] for item in range(40)]


async def test_a_busy_gate_that_grows_quiet_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times are averages of the latest calls."""
    clock, runs, gate = await _busy(monkeypatch)
    runs.go.set()

    for item in range(40):
        gate.offer(item)
        await clock.move(2 * EXCHANGE_S)
    runs.batches.clear()
    gate.offer(77)
    await clock.move(0)

    assert runs.batches == [[77]]


class Shared:
    """One item for which many wait, time and again, and a gate that has learned of it."""

    ITEM = 7
    CALLERS = 8
    MOST_CALLERS = 12

    async def begin(self, monkeypatch: pytest.MonkeyPatch, callers: int) -> None:
        """Let it through once with all of its callers, then offer it with this many."""
        self.clock, self.runs, self.gate = await _busy(monkeypatch, self.MOST_CALLERS)
        self.gate.offer(self.ITEM, self.CALLERS)
        await self.clock.move(GATHERING_S)
        await self.clock.move(EXCHANGE_S)
        self.runs.go.set()
        await self.clock.move(0)
        self.runs.batches.clear()
        self.gate.offer(self.ITEM, callers)
        await self.clock.move(0)

    async def grow(self, callers: int, seconds: float = 0.0) -> None:
        """Let this many wait for it from now on."""
        self.gate.update(self.ITEM, callers, 1)
        await self.clock.move(seconds)


async def test_an_item_whose_callers_come_one_by_one_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many callers of one session are like callers of many: those of the last batch are about to come again."""
    shared = Shared()

    await shared.begin(monkeypatch, 1)
    await shared.grow(shared.CALLERS - 1)
    assert shared.runs.batches == []
    await shared.grow(shared.CALLERS)

    assert shared.runs.batches == [[shared.ITEM]]


async def test_an_item_goes_when_no_more_callers_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are missing in the end are not waited for, and callers who came do not prolong it."""
    shared = Shared()

    await shared.begin(monkeypatch, 1)
    for callers in (2, 3):
        await shared.grow(callers, GATHERING_S * 0.4)
    assert shared.runs.batches == []
    await shared.clock.move(GATHERING_S * 0.2)

    assert shared.runs.batches == [[shared.ITEM]]


async def test_an_item_that_does_not_wait_cannot_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that joins a session that is being carried out does not let it through a second time."""
    shared = Shared()
    await shared.begin(monkeypatch, shared.CALLERS)
    assert shared.runs.batches == [[shared.ITEM]]

    await shared.grow(2 * shared.CALLERS)
    await shared.clock.move(GATHERING_S)

    assert shared.runs.batches == [[shared.ITEM]]


async def test_an_item_that_is_full_does_not_wait_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more callers than an item has room for, those behind would only be waited for in vain."""
    clock, runs, gate = await _busy(monkeypatch, Shared.MOST_CALLERS)
    gate.offer(Shared.ITEM, Shared.MOST_CALLERS)
    await clock.move(GATHERING_S)
    gate.offer(Shared.ITEM, Shared.MOST_CALLERS)
    assert runs.batches == [[Shared.ITEM]]

    runs.go.set()
    await clock.move(0)
    await clock.move(0)

    assert runs.batches == [[Shared.ITEM], [Shared.ITEM]]
