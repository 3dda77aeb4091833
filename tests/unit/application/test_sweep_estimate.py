"""When the sweep looks and fires: by an estimate of the authority's clock, and when a store is back."""

import asyncio

import pytest

from synckairos.application import expiry
from synckairos.application.expiry import Sweep
from synckairos.domain.timing import Lifetimes
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.fakes.fake_store import FakeData, FakeDeadlineIndex, FakeSessionStore
from testing.harness.waiting import eventually
from tests.contract.decisions import new_id, running, two_players
from tests.contract.store_process import Observed

BANK_MS = 1_000
AHEAD_MS = 900


async def test_who_fired_too_early_waits_by_the_authority_itself() -> None:
    """After a small step back the estimate says for seconds that it is time; asking again at once would be a spin."""
    data = FakeData()
    store = FakeSessionStore(data)
    session = await running(store, two_players(bank_ms=BANK_MS))
    data.clock.advance(BANK_MS - AHEAD_MS)
    estimate = FakeClock(data.clock.us + AHEAD_MS * 1_000)
    sweep = Sweep(store, FakeDeadlineIndex(data), estimate, Lifetimes(), new_id, Observed())

    sweep.note_commit(session.session_id, session.updated_at + BANK_MS)
    first = sweep._armed[session.session_id][1]
    await eventually(lambda: session.session_id in sweep._armed and sweep._armed[session.session_id][1] is not first)

    again = sweep._armed[session.session_id][1]
    assert again.when() - asyncio.get_running_loop().time() > AHEAD_MS / 2_000
    await sweep.stop()


async def test_who_is_woken_looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fell due while its part of the store was away is settled when that is back, not at the next look."""
    monkeypatch.setattr(expiry, "LOOK_S", 3_600.0)
    data = FakeData()
    store = FakeSessionStore(data)
    session = await running(store, two_players(bank_ms=BANK_MS))
    looks = 0

    class Counted(FakeDeadlineIndex):
        async def due_before(self, instant: int, count: int) -> list[tuple[str, int]]:
            nonlocal looks
            looks += 1
            return [] if looks == 1 else await super().due_before(instant, count)

    sweep = Sweep(store, Counted(data), FakeClock(data.clock.us), Lifetimes(), new_id, Observed())
    running_sweep = asyncio.create_task(sweep.run())
    await eventually(lambda: looks == 1)
    data.clock.advance(BANK_MS)

    sweep.wake()

    await eventually(lambda: (stored := data.session(session.session_id)) is not None and stored.is_terminal)
    running_sweep.cancel()
    await asyncio.wait([running_sweep])
    await sweep.stop()
