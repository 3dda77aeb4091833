"""Bringing every session back, once, in as many runs as it takes."""

import asyncio

import pytest

from synckairos.application import mass_recovery
from synckairos.application.errors import AuditUnavailable, OutcomeUnknown, StoreUnavailable
from synckairos.application.ports import Request
from synckairos.application.recovery import RecoveryOver
from synckairos.domain.commands import Start
from tests.contract.decisions import ask, create, creating, running, stored, until
from tests.unit.application.lost_store import StoreAndTrail, counts, lost


@pytest.fixture
def both() -> StoreAndTrail:
    """An empty store and an empty trail."""
    return StoreAndTrail()


async def test_all_come_back_page_by_page(both: StoreAndTrail, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one page, sessions in every state: each once, and a second run changes nothing."""
    monkeypatch.setattr(mass_recovery, "PAGE", 7)
    sessions = [await running(both.store) for _ in range(20)] + [await create(both.store) for _ in range(8)]
    await both.drain()
    both.lose()

    first = await both.mass().run()
    held = dict(both.data.sessions)
    second = await both.mass().run()

    assert counts(first) == (28, 0, 0, 0)
    assert counts(second) == (0, 28, 0, 0)
    assert (first.found, first.is_all_found, first.done) == (28, True, 28)
    assert both.data.sessions == held
    versions = {session.session_id: session.version for session in sessions}
    assert {sid: kept.value.version - 1 for sid, kept in held.items()} == versions


async def test_a_dry_run_changes_nothing(both: StoreAndTrail) -> None:
    """It counts what would come back."""
    await lost(both, 3)

    tally = await both.mass(is_dry=True).run()

    assert counts(tally) == (3, 0, 0, 0)
    assert not both.data.sessions
    assert not both.data.outbox


async def test_a_session_that_cannot_come_back_does_not_hold_up_the_others(both: StoreAndTrail) -> None:
    """Its failure is told with its id, the others are there; the next run tries it again."""
    sessions = await lost(both, 5)
    unlucky = sessions[2].session_id
    both.store.failures[unlucky] = [ValueError("spoilt")]

    first = await both.mass().run()
    second = await both.mass().run()

    assert counts(first) == (4, 0, 0, 1)
    assert first.failures == [(unlucky, "spoilt")]
    assert counts(second) == (1, 4, 0, 0)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), OutcomeUnknown("unknown")], ids=lambda one: one.reason)
async def test_a_store_that_stumbles_is_waited_for(
    both: StoreAndTrail, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A commit that failed, or may have: it is tried again, and the session is back once."""
    monkeypatch.setattr(mass_recovery, "PAUSE_S", 0.0)
    (session,) = await lost(both, 1)
    both.store.failures[session.session_id] = [error]

    tally = await both.mass().run()

    assert tally.done == 1
    assert not tally.failures
    back = await stored(both.store, session.session_id)
    assert back is not None
    assert back.version == session.version + 1


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RecoveryOver("another one")], ids=["away", "over"])
async def test_a_run_is_broken_off_when_nothing_can_go_on(
    both: StoreAndTrail, monkeypatch: pytest.MonkeyPatch, error: StoreUnavailable
) -> None:
    """What was brought back stays and is counted; another run goes on from there."""
    monkeypatch.setattr(mass_recovery, "PATIENCE_S", 0.0)
    monkeypatch.setattr(mass_recovery, "PAUSE_S", 0.0)
    monkeypatch.setattr(mass_recovery, "AT_ONCE", 1)
    sessions = sorted(await lost(both, 4))
    both.store.failures[sessions[2].session_id] = [error] * 1_000
    run = both.mass()

    with pytest.raises(type(error)):
        await run.run()
    both.store.failures.clear()
    rest = await both.mass().run()

    assert counts(run.tally) == (2, 0, 0, 0)
    assert counts(rest) == (2, 2, 0, 0)


async def test_a_trail_that_goes_away_breaks_the_run_off(both: StoreAndTrail, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first pages: the run ends with the reason, and the next one brings back the rest."""
    monkeypatch.setattr(mass_recovery, "PAGE", 2)
    await lost(both, 6)
    both.store.after = lambda _: setattr(both.trail, "is_away", True)
    run = both.mass()

    with pytest.raises(AuditUnavailable):
        await run.run()
    both.store.after = lambda _: None
    both.trail.is_away = False
    rest = await both.mass().run()

    assert 0 < run.tally.recovered < 6
    assert counts(rest) == (6 - run.tally.recovered, run.tally.recovered, 0, 0)


async def test_two_runs_at_once_bring_everything_back_once(both: StoreAndTrail) -> None:
    """The second finds each session there."""
    sessions = await lost(both, 30)

    one, two = await asyncio.gather(both.mass().run(), both.mass().run())

    assert one.recovered + two.recovered == 30
    assert (one.done, two.done) == (30, 30)
    assert not one.failures + two.failures
    recovered = [outgoing.event for outgoing in both.data.outbox]
    assert sorted(event.session.session_id for event in recovered) == sorted(one.session_id for one in sessions)


async def test_an_id_that_was_taken_meanwhile_is_left_alone(both: StoreAndTrail) -> None:
    """Created anew before it could be recovered: the new session stays."""
    (session,) = await lost(both, 1)
    old = session.session_id
    await both.store.transact(old, Request(), creating(old), until())

    tally = await both.mass(is_store_lost=False).run()

    assert counts(tally) == (0, 1, 0, 0)
    assert (await ask(both.store, old, Start())).version == 2
