"""Who may use a lost store while it is being recovered, and what a recovery leaves in Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from synckairos.adapters.ids import new_change_id
from synckairos.adapters.redis_guard import MARK, Origin, RedisGuard
from synckairos.adapters.redis_keys import PARTITIONS
from synckairos.adapters.redis_outbox import RedisOutbox
from synckairos.adapters.redis_recovery import RecoveryGuard
from synckairos.adapters.redis_store import RedisSessionStore
from synckairos.adapters.redis_unwritten import RedisUnwritten
from synckairos.application import mass_recovery
from synckairos.application.audit import AuditRecord
from synckairos.application.errors import AuditUnavailable, StoreUnavailable
from synckairos.application.mass_recovery import MassRecovery
from synckairos.application.recovery import Recovery, RecoveryOver
from synckairos.devstack import RedisServer
from synckairos.domain import creation, transitions
from synckairos.domain.commands import Complete, Start
from synckairos.domain.events import Author
from synckairos.domain.model import Session
from synckairos.domain.recovery import RecoveryPolicy
from tests.contract.decisions import CALLER, LIFETIMES, ask, new_id, removed, running, stored, switched, turns_of
from tests.contract.store_process import StoreProcess, sweeping
from tests.harness.fake_audit_trail import FakeAuditTrail
from tests.integration.key_space import KeySpace

OPERATOR = Author("operator", "power cut")


class Recoverer:
    """A process that recovers."""

    def __init__(self, process: StoreProcess, trail: FakeAuditTrail) -> None:
        self.guard = RecoveryGuard(process.connections, process.keys, new_change_id)
        store = RedisSessionStore(
            process.connections, process.keys, self.guard, process.writer, process.clock, process.observed
        )
        self.unwritten = RedisUnwritten(process.connections, process.keys)
        self.recovery = Recovery(store, trail, self.unwritten, process.lifetimes, new_change_id)
        self.trail = trail

    def run(self, *, is_store_lost: bool, is_dry: bool = False) -> MassRecovery:
        """Return a run over everything."""
        policy = RecoveryPolicy.CONTINUE
        return MassRecovery(
            self.recovery,
            self.trail,
            self.unwritten,
            policy,
            OPERATOR,
            is_store_lost=is_store_lost,
            is_dry=is_dry,
        )


@dataclass
class Site:
    """A key prefix that may lose everything, a server's process on it, and a trail."""

    url: str
    space: KeySpace
    server: StoreProcess
    trail: FakeAuditTrail

    async def drain(self) -> None:
        """Write what waits into the trail."""
        outbox = RedisOutbox(self.server.connections, self.server.keys)
        entries = await outbox.read(range(PARTITIONS), 10_000)
        await self.trail.write([entry.record for entry in entries if entry.record is not None])
        await outbox.remove(entries)

    async def lose(self) -> None:
        """Lose everything under the prefix; the server notices."""
        await self.space.restore({})
        with pytest.raises(StoreUnavailable):
            await self.server.guard.confirm()

    def recoverer(self) -> Recoverer:
        """Return a process that recovers."""
        return Recoverer(self.server, self.trail)

    async def meta(self) -> dict[str, str]:
        """Return what `sk:meta` holds."""
        return await self.server.guard._facts()


@pytest.fixture
async def site(redis_server: RedisServer) -> AsyncIterator[Site]:
    """A site of one server."""
    prefix = f"t{new_id()[:8]}"
    async with AsyncExitStack() as stack:
        space = await stack.enter_async_context(KeySpace(redis_server.url, prefix))
        server = await stack.enter_async_context(StoreProcess(redis_server.url, prefix))
        yield Site(redis_server.url, space, server, FakeAuditTrail())


async def lost(site: Site, count: int) -> list[Session]:
    """Lose so many running sessions, all of them written."""
    sessions = [await running(site.server.store) for _ in range(count)]
    await site.drain()
    await site.lose()
    return sessions


def starting(site: Site) -> RedisGuard:
    """Return the guard of a server that starts now."""
    return RedisGuard(site.server.connections, site.server.keys, new_change_id)


async def test_nobody_uses_the_store_before_everything_is_back(site: Site) -> None:
    """Neither those who knew it nor those who start; both do once it has its name."""
    (session,) = await lost(site, 1)
    recoverer, late = site.recoverer(), starting(site)

    assert await recoverer.guard.begin()
    tally = await recoverer.run(is_store_lost=True).run()
    for guard, attempt in ((site.server.guard, site.server.guard.confirm()), (late, late.open(may_init=True))):
        with pytest.raises(StoreUnavailable):
            await attempt
        assert not guard.is_ready
    identity = await recoverer.guard.finish()
    await site.server.guard.confirm()
    await late.open(may_init=True)

    assert tally.recovered == 1
    assert identity.origin is Origin.RECOVER
    assert site.server.guard.is_ready
    assert late.is_ready
    back = await stored(site.server.store, session.session_id)
    assert back is not None
    assert back.version == session.version + 1


async def test_a_recovery_leaves_what_any_change_leaves(site: Site) -> None:
    """Index entries, an entry of the outbox, and a window of events that begins with the new life."""
    session = await running(site.server.store)
    last = await switched(site.server.store, session.session_id, 3)
    await site.drain()
    await site.lose()
    recoverer = site.recoverer()

    await recoverer.guard.begin()
    await recoverer.run(is_store_lost=True).run()
    await recoverer.guard.finish()
    await site.server.guard.confirm()

    since = await site.server.feed.since(session.session_id, 0)
    assert [event.session.version for event in since.events] == [last.version + 1]
    assert since.session == since.events[0].session
    assert [position.session_id for position in await site.server.index.page(None, 10)] == [session.session_id]
    assert [one for one, _ in await site.server.deadlines.due_before(2**50, 10)] == [session.session_id]
    waiting = await RedisOutbox(site.server.connections, site.server.keys).read(range(PARTITIONS), 10)
    assert [entry.record.event for entry in waiting if entry.record] == since.events


async def test_a_new_life_replaces_the_old_window(site: Site) -> None:
    """Only the session itself was lost, its old events are still there: they end with its old life."""
    session = await running(site.server.store)
    await switched(site.server.store, session.session_id, 3)
    await site.drain()
    await site.server.connections.run([("DEL", site.server.keys.of(session.session_id).session)])
    recoverer = site.recoverer()

    assert not await recoverer.guard.begin()
    tally = await recoverer.run(is_store_lost=False).run()

    since = await site.server.feed.since(session.session_id, 0)
    assert tally.recovered == 1
    assert [event.session.version for event in since.events] == [6]


async def test_a_second_run_changes_nothing(site: Site) -> None:
    """Not a byte, the store having its name and its sessions."""
    await lost(site, 5)
    recoverer, again = site.recoverer(), site.recoverer()
    await recoverer.guard.begin()
    await recoverer.run(is_store_lost=True).run()
    await recoverer.guard.finish()
    before = await site.space.content()

    is_lost = await again.guard.begin()
    tally = await again.run(is_store_lost=is_lost).run()
    await again.guard.finish()

    assert (is_lost, tally.present, tally.done) == (False, 5, 5)
    assert await site.space.content() == before


async def test_a_dry_run_leaves_the_store_as_empty_as_it_was(site: Site) -> None:
    """Not even the mark of a recovery is left."""
    await lost(site, 2)
    recoverer = site.recoverer()

    is_lost = await recoverer.guard.begin(is_dry=True)
    tally = await recoverer.run(is_store_lost=is_lost, is_dry=True).run()

    assert (is_lost, tally.recovered) == (True, 2)
    assert await site.space.content() == {}


async def test_two_recoveries_at_once_do_no_harm(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session comes back once, and the store gets one name."""
    monkeypatch.setattr(mass_recovery, "PAGE", 10)
    sessions = await lost(site, 40)
    one, two = site.recoverer(), site.recoverer()

    async def run(recoverer: Recoverer) -> int:
        await recoverer.guard.begin()
        tally = await recoverer.run(is_store_lost=True).run()
        await recoverer.guard.finish()
        return tally.recovered

    recovered = await asyncio.gather(run(one), run(two))

    assert sum(recovered) == len(sessions)
    await site.server.guard.confirm()
    back = await site.server.store.read([session.session_id for session in sessions])
    versions = [reading.session.version for reading in back if reading.session]
    assert versions == [session.version + 1 for session in sessions]
    assert MARK not in await site.meta()


async def test_who_comes_too_late_stops(site: Site) -> None:
    """Another recovery has finished and servers use the store: this one must not go on as if it were its own."""
    await lost(site, 3)
    one, two = site.recoverer(), site.recoverer()
    await one.guard.begin()
    await two.guard.begin()
    await one.run(is_store_lost=True).run()
    await one.guard.finish()

    await two.guard._probe(may_init=False)
    with pytest.raises(RecoveryOver, match="another recovery"):
        two.guard.require()
    identity = await two.guard.finish()

    assert identity == await one.guard.identity()


async def test_a_store_that_is_lost_again_gets_no_name(site: Site) -> None:
    """Emptied during the recovery: the half that was back is gone, so it is not over."""
    await lost(site, 3)
    recoverer = site.recoverer()
    await recoverer.guard.begin()
    await recoverer.run(is_store_lost=True).run()
    await site.space.restore({})

    with pytest.raises(RecoveryOver, match="lost its data again"):
        await recoverer.guard.finish()

    assert await site.meta() == {}


async def test_a_recovery_that_was_broken_off_is_taken_up(site: Site) -> None:
    """The mark stays, servers wait, and the next recovery goes on under it."""
    await lost(site, 3)
    first, second = site.recoverer(), site.recoverer()
    await first.guard.begin()
    mark = (await site.meta())[MARK]

    assert await second.guard.begin()
    assert (await site.meta())[MARK] == mark
    await second.run(is_store_lost=True).run()
    await second.guard.finish()

    await site.server.guard.confirm()


async def test_an_operator_may_accept_the_store_instead(site: Site) -> None:
    """`store init` ends a recovery that cannot be finished: the mark goes with it."""
    await lost(site, 1)
    await site.recoverer().guard.begin()

    await starting(site).init(Origin.INIT)

    assert MARK not in await site.meta()
    await site.server.guard.confirm()


async def test_a_server_that_names_the_store_at_that_moment_does_not_use_it(site: Site) -> None:
    """It looked before the mark was there and wrote its name after it: the store stays closed until the end."""
    (session,) = await lost(site, 1)
    recoverer, hasty = site.recoverer(), starting(site)
    await recoverer.guard.begin()
    await hasty._name(Origin.START, only_if_absent=True)

    with pytest.raises(StoreUnavailable):
        await hasty.open(may_init=True)
    await recoverer.run(is_store_lost=True).run()
    identity = await recoverer.guard.finish()
    await hasty.open(may_init=True)
    await site.server.guard.confirm()

    assert identity.origin is Origin.RECOVER
    assert await stored(site.server.store, session.session_id) is not None


async def test_a_store_named_by_a_starting_server_is_given_back_to_all(site: Site) -> None:
    """One server has started anew on the lost store; after the recovery those that had lost theirs use it again."""
    (session,) = await lost(site, 1)
    await starting(site).open(may_init=True)
    recoverer = site.recoverer()

    assert not await recoverer.guard.begin()
    await recoverer.run(is_store_lost=False).run()
    await recoverer.guard.finish()

    await site.server.guard.confirm()
    assert await stored(site.server.store, session.session_id) is not None


async def test_an_end_on_its_way_to_the_trail_is_seen_in_redis(site: Site) -> None:
    """Ended, removed, its events in the outbox or among the dead: found in both, and nobody else with it."""
    ended, buried, alive = [await running(site.server.store) for _ in range(3)]
    await site.drain()
    for session in (ended, buried):
        await ask(site.server.store, session.session_id, Complete())
        await removed(site.server.store, session.session_id)
    outbox = RedisOutbox(site.server.connections, site.server.keys)
    for entry in await outbox.read(range(PARTITIONS), 10):
        if entry.record is not None and entry.record.event.session.session_id == buried.session_id:
            await outbox.bury(entry, "spoilt")
    unwritten = RedisUnwritten(site.server.connections, site.server.keys)

    gone = {ended.session_id, buried.session_id}
    assert await unwritten.everywhere() == gone
    assert gone <= await unwritten.among([*gone, alive.session_id])
    tally = await _named_run(site)
    assert (tally.present, {failure.session_id for failure in tally.failures}) == (1, gone)


async def test_too_much_on_its_way_is_not_looked_through(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trail has to catch up first."""
    monkeypatch.setattr("synckairos.adapters.redis_unwritten.MOST", 2)
    session = await running(site.server.store)
    await switched(site.server.store, session.session_id, 3)
    unwritten = RedisUnwritten(site.server.connections, site.server.keys)

    with pytest.raises(AuditUnavailable, match="5 changes"):
        await unwritten.among([session.session_id])

    assert await unwritten.everywhere() == {session.session_id}


async def test_more_entries_than_one_look_holds_are_all_looked_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, to the end."""
    monkeypatch.setattr("synckairos.adapters.redis_unwritten.PAGE", 2)
    sessions = [await running(site.server.store) for _ in range(3)]
    await switched(site.server.store, sessions[0].session_id, 4)
    unwritten = RedisUnwritten(site.server.connections, site.server.keys)

    assert await unwritten.everywhere() == {session.session_id for session in sessions}


async def test_the_sweep_goes_on_where_the_recovery_has_stopped(site: Site) -> None:
    """A chain that is hundreds of boundaries behind: brought back by one transaction, caught up by the servers."""
    started_us = await site.server.store.now_us() - 500_000_000
    created = creation.create(new_id(), turns_of(1_000), CALLER, started_us, new_id)
    outcome = transitions.decide(created.session, Start(), CALLER, started_us // 1_000, new_id, LIFETIMES)
    session_id = created.session.session_id
    await site.trail.write([AuditRecord(event) for event in (created, *outcome.events)])
    await site.lose()
    recoverer = site.recoverer()
    await recoverer.guard.begin()
    await recoverer.run(is_store_lost=True).run()
    await recoverer.guard.finish()
    await site.server.guard.confirm()
    behind = await stored(site.server.store, session_id)

    async with sweeping(site.server), asyncio.timeout(10):
        session = behind
        while session is not None and session.cycle_number < 501:
            await asyncio.sleep(0.01)  # the wait on a condition with a deadline
            session = await stored(site.server.store, session_id)

    assert behind is not None
    assert (behind.cycle_number, behind.version) == (101, 103)
    assert session is not None
    assert session.cycle_started_at == started_us // 1_000 + (session.cycle_number - 1) * 1_000


async def _named_run(site: Site) -> mass_recovery.Tally:
    recoverer = site.recoverer()
    assert not await recoverer.guard.begin()
    return await recoverer.run(is_store_lost=False).run()
