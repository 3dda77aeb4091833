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
from tests.unit.application.lost_store import OPERATOR, StoreAndTrail, counts, lost


@pytest.fixture
def both() -> StoreAndTrail:
    """A both in which nothing has happened."""
    return StoreAndTrail()


async def test_one_comes_back(both: StoreAndTrail) -> None:
    """The answer is what is stored, and the recovery is on its way to the trail."""
    (session,) = await lost(both, 1)
    both.data.clock.advance(5_000)

    view = await both.recover(session.session_id)

    assert view == (await stored(both.store, session.session_id), both.data.clock.ms)
    assert (view.session.version, view.session.status) == (session.version + 1, Status.RUNNING)
    (outgoing,) = both.data.outbox
    assert (outgoing.event.type, outgoing.event.author) == (EventType.SESSION_RECOVERED, OPERATOR)


async def test_what_the_store_has_is_left_alone(both: StoreAndTrail) -> None:
    """A session that is there, with or without its trail, or whose tombstone is, exists."""
    alive, unwritten, gone = [await running(both.store) for _ in range(3)]
    await ask(both.store, gone.session_id, Delete())
    await both.drain()
    before = dict(both.data.sessions)

    for session in (alive, unwritten, gone):
        with pytest.raises(SessionAlreadyExists):
            await both.recover(session.session_id)

    assert both.data.sessions == before


async def test_the_trail_decides_what_may_come_back(both: StoreAndTrail) -> None:
    """Unknown and deleted sessions do not exist, ended ones cannot be asked to recover."""
    ended, gone = [await running(both.store) for _ in range(2)]
    await ask(both.store, ended.session_id, Complete())
    await ask(both.store, gone.session_id, Delete())
    await both.drain()
    both.lose()

    for session_id in (gone.session_id, new_id()):
        with pytest.raises(SessionNotFound):
            await both.recover(session_id)
    with pytest.raises(InvalidStateTransition) as refused:
        await both.recover(ended.session_id)

    assert refused.value.details == {"from": "COMPLETED", "verb": "recover"}
    assert not both.data.sessions


@pytest.mark.parametrize("is_dead", [False, True], ids=["waiting", "buried"])
async def test_an_end_that_is_still_on_its_way_is_waited_for(both: StoreAndTrail, is_dead: bool) -> None:
    """Ended and removed, but the trail does not know yet: it must not come back, neither alone nor with all."""
    session = await running(both.store)
    await both.drain()
    await ask(both.store, session.session_id, Complete())
    await removed(both.store, session.session_id)
    if is_dead:
        both.data.outbox.clear()
        both.dead.add(session.session_id)

    with pytest.raises(AuditUnavailable):
        await both.recover(session.session_id)
    tally = await both.mass(is_store_lost=False).run()

    assert counts(tally) == (0, 0, 0, 1)
    assert not both.data.sessions


async def test_an_end_written_while_the_trail_is_read_is_seen(
    both: StoreAndTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says running, the store has removed it meanwhile: the trail is asked again, and says completed."""
    session = await running(both.store)
    await both.drain()
    read = both.trail.unfinished

    async def unfinished(after: str, count: int) -> list[Session]:
        page = await read(after, count)
        await ask(both.store, session.session_id, Complete())
        await removed(both.store, session.session_id)
        await both.drain()
        return page

    monkeypatch.setattr(both.trail, "unfinished", unfinished)

    tally = await both.mass(is_store_lost=False).run()

    assert counts(tally) == (0, 0, 1, 0)
    assert not both.data.sessions


async def test_far_behind_it_is_answered_as_far_as_it_has_come(both: StoreAndTrail) -> None:
    """More boundaries than a caller may wait for: the version it has come to, as of its own instant."""
    session = await running(both.store, turns_of(1_000))
    await both.drain()
    both.lose()
    both.data.clock.advance(5_000_500)

    view = await both.recover(session.session_id)

    assert view.now == view.session.updated_at == view.session.cycle_started_at
    assert 1_000 <= view.session.cycle_number <= 1_200


async def test_what_only_a_newer_version_can_read_is_there(
    both: StoreAndTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that this version does not understand are a session nevertheless: it is not replaced."""
    (session,) = await lost(both, 1)
    foreign = Reading(None, both.data.clock.us, problem=StoreUnavailable("layout 9"))

    async def read(session_ids: Sequence[str]) -> list[Reading]:
        return [foreign for _ in session_ids]

    monkeypatch.setattr(both.store, "read", read)

    with pytest.raises(SessionAlreadyExists):
        await both.recover(session.session_id)
    tally = await both.mass().run()

    assert counts(tally) == (0, 1, 0, 0)
    assert not both.data.sessions
