"""Who may use a lost store while it is being recovered, and what a recovery leaves in Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from synckairos.adapters.redis.identity import MARK, Origin
from synckairos.adapters.redis.keys import PARTITIONS
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.application import mass_recovery
from synckairos.application.errors import StoreUnavailable
from synckairos.application.recovery import RecoveryOver
from synckairos.application.trail.audit import AuditRecord
from synckairos.devstack import RedisServer
from synckairos.domain import creation, transitions
from synckairos.domain.commands import Start
from tests.contract.decisions import CALLER, LIFETIMES, new_id, running, stored, switched, turns_of
from tests.contract.store_process import sweeping
from tests.integration.recovery.recovered_store import LostStore, Recoverer, lost, own_lost_store, starting


@pytest.fixture
async def lost_store(redis_server: RedisServer) -> AsyncIterator[LostStore]:
    """A lost_store of one server."""
    async with own_lost_store(redis_server.url) as lost_store:
        yield lost_store


async def test_nobody_uses_the_store_before_everything_is_back(lost_store: LostStore) -> None:
    """Neither those who knew it nor those who start; both do once it has its name."""
    (session,) = await lost(lost_store, 1)
    recoverer, late = lost_store.recoverer(), starting(lost_store)

    assert await recoverer.guard.begin()
    tally = await recoverer.run(is_store_lost=True).run()
    for guard, attempt in (
        (lost_store.server.guard, lost_store.server.guard.confirm()),
        (late, late.open(may_init=True)),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
        assert not guard.is_ready
    identity = await recoverer.guard.finish()
    await lost_store.server.guard.confirm()
    await late.open(may_init=True)

    assert tally.recovered == 1
    assert identity.origin is Origin.RECOVER
    assert lost_store.server.guard.is_ready
    assert late.is_ready
    back = await stored(lost_store.server.store, session.session_id)
    assert back is not None
    assert back.version == session.version + 1


async def test_a_recovery_leaves_what_any_change_leaves(lost_store: LostStore) -> None:
    """Index entries, an entry of the outbox, and a window of events that begins with the new life."""
    session = await running(lost_store.server.store)
    last = await switched(lost_store.server.store, session.session_id, 3)
    await lost_store.drain()
    await lost_store.lose()
    recoverer = lost_store.recoverer()

    await recoverer.guard.begin()
    await recoverer.run(is_store_lost=True).run()
    await recoverer.guard.finish()
    await lost_store.server.guard.confirm()

    since = await lost_store.server.feed.since(session.session_id, 0)
    assert [event.session.version for event in since.events] == [last.version + 1]
    assert since.session == since.events[0].session
    assert [position.session_id for position in await lost_store.server.index.page(None, 10)] == [session.session_id]
    assert [one for one, _ in await lost_store.server.deadlines.due_before(2**50, 10)] == [session.session_id]
    waiting = await RedisOutbox(lost_store.server.connections, lost_store.server.keys).read(range(PARTITIONS), 10)
    assert [entry.record.event for entry in waiting.entries if entry.record] == since.events


async def test_a_new_life_replaces_the_old_window(lost_store: LostStore) -> None:
    """Only the session itself was lost, its old events are still there: they end with its old life."""
    session = await running(lost_store.server.store)
    await switched(lost_store.server.store, session.session_id, 3)
    await lost_store.drain()
    await lost_store.server.connections.run([("DEL", lost_store.server.keys.of(session.session_id).session)])
    recoverer = lost_store.recoverer()

    assert not await recoverer.guard.begin()
    tally = await recoverer.run(is_store_lost=False).run()

    since = await lost_store.server.feed.since(session.session_id, 0)
    assert tally.recovered == 1
    assert [event.session.version for event in since.events] == [6]


async def test_a_second_run_changes_nothing(lost_store: LostStore) -> None:
    """Not a byte, the store having its name and its sessions."""
    await lost(lost_store, 5)
    recoverer, again = lost_store.recoverer(), lost_store.recoverer()
    await recoverer.guard.begin()
    await recoverer.run(is_store_lost=True).run()
    await recoverer.guard.finish()
    before = await lost_store.space.content()

    is_lost = await again.guard.begin()
    tally = await again.run(is_store_lost=is_lost).run()
    await again.guard.finish()

    assert (is_lost, tally.present, tally.done) == (False, 5, 5)
    assert await lost_store.space.content() == before


async def test_a_dry_run_leaves_the_store_as_empty_as_it_was(lost_store: LostStore) -> None:
    """Not even the mark of a recovery is left."""
    await lost(lost_store, 2)
    recoverer = lost_store.recoverer()

    is_lost = await recoverer.guard.begin(is_dry=True)
    tally = await recoverer.run(is_store_lost=is_lost, is_dry=True).run()

    assert (is_lost, tally.recovered) == (True, 2)
    assert await lost_store.space.content() == {}


async def test_two_recoveries_at_once_do_no_harm(lost_store: LostStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session comes back once, and the store gets one name."""
    monkeypatch.setattr(mass_recovery, "PAGE", 10)
    sessions = await lost(lost_store, 40)
    one, two = lost_store.recoverer(), lost_store.recoverer()

    async def run(recoverer: Recoverer) -> int:
        await recoverer.guard.begin()
        tally = await recoverer.run(is_store_lost=True).run()
        await recoverer.guard.finish()
        return tally.recovered

    recovered = await asyncio.gather(run(one), run(two))

    assert sum(recovered) == len(sessions)
    await lost_store.server.guard.confirm()
    back = await lost_store.server.store.read([session.session_id for session in sessions])
    versions = [reading.session.version for reading in back if reading.session]
    assert versions == [session.version + 1 for session in sessions]
    assert MARK not in await lost_store.meta()


async def test_who_comes_too_late_stops(lost_store: LostStore) -> None:
    """Another recovery has finished and servers use the store: this one must not go on as if it were its own."""
    await lost(lost_store, 3)
    one, two = lost_store.recoverer(), lost_store.recoverer()
    await one.guard.begin()
    await two.guard.begin()
    await one.run(is_store_lost=True).run()
    await one.guard.finish()

    await two.guard._probe(may_init=False)
    with pytest.raises(RecoveryOver, match="another recovery"):
        two.guard.require()
    identity = await two.guard.finish()

    assert identity == await one.guard.identity()


async def test_a_store_that_is_lost_again_gets_no_name(lost_store: LostStore) -> None:
    """Emptied during the recovery: the half that was back is gone, so it is not over."""
    await lost(lost_store, 3)
    recoverer = lost_store.recoverer()
    await recoverer.guard.begin()
    await recoverer.run(is_store_lost=True).run()
    await lost_store.space.restore({})

    with pytest.raises(RecoveryOver, match="lost its data again"):
        await recoverer.guard.finish()

    assert await lost_store.meta() == {}


async def test_a_recovery_that_was_broken_off_is_taken_up(lost_store: LostStore) -> None:
    """The mark stays, servers wait, and the next recovery goes on under it."""
    await lost(lost_store, 3)
    first, second = lost_store.recoverer(), lost_store.recoverer()
    await first.guard.begin()
    mark = (await lost_store.meta())[MARK]

    assert await second.guard.begin()
    assert (await lost_store.meta())[MARK] == mark
    await second.run(is_store_lost=True).run()
    await second.guard.finish()

    await lost_store.server.guard.confirm()


async def test_an_operator_may_accept_the_store_instead(lost_store: LostStore) -> None:
    """`store init` ends a recovery that cannot be finished: the mark goes with it."""
    await lost(lost_store, 1)
    await lost_store.recoverer().guard.begin()

    await starting(lost_store).init(Origin.INIT)

    assert MARK not in await lost_store.meta()
    await lost_store.server.guard.confirm()


async def test_a_server_that_names_the_store_at_that_moment_does_not_use_it(lost_store: LostStore) -> None:
    """It looked before the mark was there and wrote its name after it: the store stays closed until the end."""
    (session,) = await lost(lost_store, 1)
    recoverer, hasty = lost_store.recoverer(), starting(lost_store)
    await recoverer.guard.begin()
    await hasty._name_if_absent()

    with pytest.raises(StoreUnavailable):
        await hasty.open(may_init=True)
    await recoverer.run(is_store_lost=True).run()
    identity = await recoverer.guard.finish()
    await hasty.open(may_init=True)
    await lost_store.server.guard.confirm()

    assert identity.origin is Origin.RECOVER
    assert await stored(lost_store.server.store, session.session_id) is not None


async def test_a_store_named_by_a_starting_server_is_given_back_to_all(lost_store: LostStore) -> None:
    """One server has started anew on the lost store; after the recovery those that had lost theirs use it again."""
    (session,) = await lost(lost_store, 1)
    await starting(lost_store).open(may_init=True)
    recoverer = lost_store.recoverer()

    assert not await recoverer.guard.begin()
    await recoverer.run(is_store_lost=False).run()
    await recoverer.guard.finish()

    await lost_store.server.guard.confirm()
    assert await stored(lost_store.server.store, session.session_id) is not None


async def test_the_sweep_goes_on_where_the_recovery_has_stopped(lost_store: LostStore) -> None:
    """A chain that is hundreds of boundaries behind: brought back by one transaction, caught up by the servers."""
    started_us = await lost_store.server.store.now_us() - 500_000_000
    created = creation.create(new_id(), turns_of(1_000), CALLER, started_us, new_id)
    outcome = transitions.decide(created.session, Start(), CALLER, started_us // 1_000, new_id, LIFETIMES)
    session_id = created.session.session_id
    await lost_store.trail.write([AuditRecord(event) for event in (created, *outcome.events)])
    await lost_store.lose()
    recoverer = lost_store.recoverer()
    await recoverer.guard.begin()
    await recoverer.run(is_store_lost=True).run()
    await recoverer.guard.finish()
    await lost_store.server.guard.confirm()
    behind = await stored(lost_store.server.store, session_id)

    async with sweeping(lost_store.server), asyncio.timeout(10):
        session = behind
        while session is not None and session.cycle_number < 501:
            await asyncio.sleep(0.01)  # the wait on a condition with a deadline
            session = await stored(lost_store.server.store, session_id)

    assert behind is not None
    assert (behind.cycle_number, behind.version) == (101, 103)
    assert session is not None
    assert session.cycle_started_at == started_us // 1_000 + (session.cycle_number - 1) * 1_000
