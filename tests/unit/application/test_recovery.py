"""Bringing a session back: only what was lost, and only what may come back."""

from collections.abc import Sequence

import pytest

from synckairos.application.errors import AuditUnavailable, StoreUnavailable
from synckairos.application.ports import Reading
from synckairos.domain.commands import Complete, Delete
from synckairos.domain.errors import InvalidStateTransition, SessionAlreadyExists, SessionNotFound
from synckairos.domain.events import EventType
from synckairos.domain.model import Session, Status
from tests.contract.decisions import ask, new_id, removed, running, stored, turns_of
from tests.unit.application.recovery_world import OPERATOR, World, counts, lost


@pytest.fixture
def world() -> World:
    """A world in which nothing has happened."""
    return World()


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
