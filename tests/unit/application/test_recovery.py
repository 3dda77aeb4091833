"""Bringing sessions back: only what was lost, once, and however often it takes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from synckairos.application import mass_recovery
from synckairos.application.audit import AuditRecord
from synckairos.application.errors import AuditUnavailable, OutcomeUnknown, StoreUnavailable
from synckairos.application.mass_recovery import MassRecovery, Tally
from synckairos.application.ports import Decide, Reading, Request
from synckairos.application.recovery import Recovery, RecoveryOver
from synckairos.application.sessions import View
from synckairos.domain.commands import Complete, Delete, Start
from synckairos.domain.errors import InvalidStateTransition, SessionAlreadyExists, SessionNotFound
from synckairos.domain.events import Author, EventType
from synckairos.domain.model import Session, Status
from synckairos.domain.recovery import RecoveryPolicy
from tests.contract.decisions import ask, create, creating, new_id, removed, running, stored, turns_of, until
from tests.harness.fake_audit_trail import FakeAuditTrail
from tests.harness.fake_store import FakeData, FakeSessionStore

OPERATOR = Author("operator", "power cut")
CONTINUE, PAUSED = RecoveryPolicy


class FlakyStore(FakeSessionStore):
    """A store that answers some commits with an error: `failures` says which, by session id."""

    def __init__(self, data: FakeData) -> None:
        super().__init__(data)
        self.failures: dict[str, list[Exception]] = {}
        self.after: Callable[[str], None] = lambda _: None

    async def transact(self, session_id: str, request: Request, decide: Decide, until: float) -> None:
        """Fail as told; of unknown outcome only once it is committed."""
        failures = self.failures.get(session_id, [])
        failure = failures.pop(0) if failures else None
        if failure is not None and not isinstance(failure, OutcomeUnknown):
            raise failure
        await super().transact(session_id, request, decide, until)
        self.after(session_id)
        if failure is not None:
            raise failure


@dataclass
class World:
    """A store, a trail, and what is on its way from one to the other."""

    data: FakeData = field(default_factory=FakeData)
    trail: FakeAuditTrail = field(default_factory=FakeAuditTrail)
    dead: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Open both."""
        self.store = FlakyStore(self.data)
        self.recovery = Recovery(self.store, self.trail, self, self.data.lifetimes, new_id)

    async def among(self, session_ids: Sequence[str]) -> set[str]:
        """Return whose changes wait."""
        return await self.everywhere() & set(session_ids)

    async def everywhere(self) -> set[str]:
        """Return whose changes wait."""
        return {outgoing.event.session.session_id for outgoing in self.data.outbox} | self.dead

    async def drain(self) -> None:
        """Write what waits."""
        outbox, self.data.outbox = self.data.outbox, []
        await self.trail.write([AuditRecord(outgoing.event) for outgoing in outbox])

    def lose(self) -> None:
        """Lose everything but the trail."""
        clock, lifetimes = self.data.clock, self.data.lifetimes
        self.data.__init__(clock, lifetimes)  # type: ignore[misc] # as it was born

    async def recover(self, session_id: str, policy: RecoveryPolicy = CONTINUE) -> View:
        """Bring one back."""
        return await self.recovery.recover(session_id, policy, OPERATOR, Request(), until())

    def mass(self, *, is_store_lost: bool = True, is_dry: bool = False) -> MassRecovery:
        """Return a run over everything."""
        return MassRecovery(
            self.recovery, self.trail, self, CONTINUE, OPERATOR, is_store_lost=is_store_lost, is_dry=is_dry
        )


@pytest.fixture
def world() -> World:
    """A world in which nothing has happened."""
    return World()


async def lost(world: World, count: int) -> list[Session]:
    """Lose so many running sessions, all of them written."""
    sessions = [await running(world.store) for _ in range(count)]
    await world.drain()
    world.lose()
    return sessions


def counts(tally: Tally) -> tuple[int, int, int, int]:
    """Return what was recovered, present, refused, and failed."""
    return tally.recovered, tally.present, tally.refused, len(tally.failures)


async def test_one_comes_back(world: World) -> None:
    """The answer is what is stored, and the recovery is on its way to the trail."""
    (session,) = await lost(world, 1)
    world.data.clock.advance(5_000)

    view = await world.recover(session.session_id)

    assert view == (await stored(world.store, session.session_id), world.data.clock.ms)
    assert (view.session.version, view.session.status) == (session.version + 1, Status.RUNNING)
    (outgoing,) = world.data.outbox
    assert (outgoing.event.type, outgoing.event.author) == (EventType.SESSION_RECOVERED, OPERATOR)


async def test_what_the_store_has_is_left_alone(world: World) -> None:
    """A session that is there, with or without its trail, or whose tombstone is, exists."""
    alive, unwritten, gone = [await running(world.store) for _ in range(3)]
    await ask(world.store, gone.session_id, Delete())
    await world.drain()
    before = dict(world.data.sessions)

    for session in (alive, unwritten, gone):
        with pytest.raises(SessionAlreadyExists):
            await world.recover(session.session_id)

    assert world.data.sessions == before


async def test_the_trail_decides_what_may_come_back(world: World) -> None:
    """Unknown and deleted sessions do not exist, ended ones cannot be asked to recover."""
    ended, gone = [await running(world.store) for _ in range(2)]
    await ask(world.store, ended.session_id, Complete())
    await ask(world.store, gone.session_id, Delete())
    await world.drain()
    world.lose()

    for session_id in (gone.session_id, new_id()):
        with pytest.raises(SessionNotFound):
            await world.recover(session_id)
    with pytest.raises(InvalidStateTransition) as refused:
        await world.recover(ended.session_id)

    assert refused.value.details == {"from": "COMPLETED", "verb": "recover"}
    assert not world.data.sessions


@pytest.mark.parametrize("is_dead", [False, True], ids=["waiting", "buried"])
async def test_an_end_that_is_still_on_its_way_is_waited_for(world: World, is_dead: bool) -> None:
    """Ended and removed, but the trail does not know yet: it must not come back, neither alone nor with all."""
    session = await running(world.store)
    await world.drain()
    await ask(world.store, session.session_id, Complete())
    await removed(world.store, session.session_id)
    if is_dead:
        world.data.outbox.clear()
        world.dead.add(session.session_id)

    with pytest.raises(AuditUnavailable):
        await world.recover(session.session_id)
    tally = await world.mass(is_store_lost=False).run()

    assert counts(tally) == (0, 0, 0, 1)
    assert not world.data.sessions


async def test_an_end_written_while_the_trail_is_read_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says running, the store has removed it meanwhile: the trail is asked again, and says completed."""
    session = await running(world.store)
    await world.drain()
    read = world.trail.unfinished

    async def unfinished(after: str, count: int) -> list[Session]:
        page = await read(after, count)
        await ask(world.store, session.session_id, Complete())
        await removed(world.store, session.session_id)
        await world.drain()
        return page

    monkeypatch.setattr(world.trail, "unfinished", unfinished)

    tally = await world.mass(is_store_lost=False).run()

    assert counts(tally) == (0, 0, 1, 0)
    assert not world.data.sessions


async def test_far_behind_it_is_answered_as_far_as_it_has_come(world: World) -> None:
    """More boundaries than a caller may wait for: the version it has come to, as of its own instant."""
    session = await running(world.store, turns_of(1_000))
    await world.drain()
    world.lose()
    world.data.clock.advance(5_000_500)

    view = await world.recover(session.session_id)

    assert view.now == view.session.updated_at == view.session.cycle_started_at
    assert 1_000 <= view.session.cycle_number <= 1_200


async def test_all_come_back_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one page, sessions in every state: each once, and a second run changes nothing."""
    monkeypatch.setattr(mass_recovery, "PAGE", 7)
    sessions = [await running(world.store) for _ in range(20)] + [await create(world.store) for _ in range(8)]
    await world.drain()
    world.lose()

    first = await world.mass().run()
    held = dict(world.data.sessions)
    second = await world.mass().run()

    assert counts(first) == (28, 0, 0, 0)
    assert counts(second) == (0, 28, 0, 0)
    assert (first.found, first.is_all_found, first.done) == (28, True, 28)
    assert world.data.sessions == held
    versions = {session.session_id: session.version for session in sessions}
    assert {sid: kept.value.version - 1 for sid, kept in held.items()} == versions


async def test_a_dry_run_changes_nothing(world: World) -> None:
    """It counts what would come back."""
    await lost(world, 3)

    tally = await world.mass(is_dry=True).run()

    assert counts(tally) == (3, 0, 0, 0)
    assert not world.data.sessions
    assert not world.data.outbox


async def test_one_that_cannot_come_back_keeps_nobody_away(world: World) -> None:
    """Its failure is told with its id, the others are there; the next run tries it again."""
    sessions = await lost(world, 5)
    unlucky = sessions[2].session_id
    world.store.failures[unlucky] = [ValueError("spoilt")]

    first = await world.mass().run()
    second = await world.mass().run()

    assert counts(first) == (4, 0, 0, 1)
    assert first.failures == [(unlucky, "spoilt")]
    assert counts(second) == (1, 4, 0, 0)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), OutcomeUnknown("unknown")], ids=lambda one: one.reason)
async def test_a_store_that_stumbles_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A commit that failed, or may have: it is tried again, and the session is back once."""
    monkeypatch.setattr(mass_recovery, "PAUSE_S", 0.0)
    (session,) = await lost(world, 1)
    world.store.failures[session.session_id] = [error]

    tally = await world.mass().run()

    assert tally.done == 1
    assert not tally.failures
    back = await stored(world.store, session.session_id)
    assert back is not None
    assert back.version == session.version + 1


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RecoveryOver("another one")], ids=["away", "over"])
async def test_a_run_is_broken_off_when_nothing_can_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, error: StoreUnavailable
) -> None:
    """What was brought back stays and is counted; another run goes on from there."""
    monkeypatch.setattr(mass_recovery, "PATIENCE_S", 0.0)
    monkeypatch.setattr(mass_recovery, "PAUSE_S", 0.0)
    monkeypatch.setattr(mass_recovery, "AT_ONCE", 1)
    sessions = sorted(await lost(world, 4))
    world.store.failures[sessions[2].session_id] = [error] * 1_000
    run = world.mass()

    with pytest.raises(type(error)):
        await run.run()
    world.store.failures.clear()
    rest = await world.mass().run()

    assert counts(run.tally) == (2, 0, 0, 0)
    assert counts(rest) == (2, 2, 0, 0)


async def test_a_trail_that_goes_away_breaks_the_run_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first pages: the run ends with the reason, and the next one brings back the rest."""
    monkeypatch.setattr(mass_recovery, "PAGE", 2)
    await lost(world, 6)
    world.store.after = lambda _: setattr(world.trail, "is_away", True)
    run = world.mass()

    with pytest.raises(AuditUnavailable):
        await run.run()
    world.store.after = lambda _: None
    world.trail.is_away = False
    rest = await world.mass().run()

    assert 0 < run.tally.recovered < 6
    assert counts(rest) == (6 - run.tally.recovered, run.tally.recovered, 0, 0)


async def test_two_runs_at_once_bring_everything_back_once(world: World) -> None:
    """Whoever comes second finds it there."""
    sessions = await lost(world, 30)

    one, two = await asyncio.gather(world.mass().run(), world.mass().run())

    assert one.recovered + two.recovered == 30
    assert (one.done, two.done) == (30, 30)
    assert not one.failures + two.failures
    recovered = [outgoing.event for outgoing in world.data.outbox]
    assert sorted(event.session.session_id for event in recovered) == sorted(one.session_id for one in sessions)


async def test_somebody_else_has_the_id_now(world: World) -> None:
    """Created anew before it could be recovered: the new session stays."""
    (session,) = await lost(world, 1)
    old = session.session_id
    await world.store.transact(old, Request(), creating(old), until())

    tally = await world.mass(is_store_lost=False).run()

    assert counts(tally) == (0, 1, 0, 0)
    assert (await ask(world.store, old, Start())).version == 2


async def test_what_only_a_newer_version_can_read_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that this version does not understand are a session nevertheless: it is not replaced."""
    (session,) = await lost(world, 1)
    foreign = Reading(None, world.data.clock.us, problem=StoreUnavailable("layout 9"))

    async def read(session_ids: Sequence[str]) -> list[Reading]:
        return [foreign for _ in session_ids]

    monkeypatch.setattr(world.store, "read", read)

    with pytest.raises(SessionAlreadyExists):
        await world.recover(session.session_id)
    tally = await world.mass().run()

    assert counts(tally) == (0, 1, 0, 0)
    assert not world.data.sessions
