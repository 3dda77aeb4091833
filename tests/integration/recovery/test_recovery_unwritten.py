"""Sessions whose changes are on their way to the trail: found in Redis, and waited for."""

from collections.abc import AsyncIterator

import pytest

from synckairos.adapters.redis.keys import PARTITIONS
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.adapters.redis.unwritten import RedisUnwritten
from synckairos.application import mass_recovery
from synckairos.application.errors import AuditUnavailable
from synckairos.devstack import RedisServer
from synckairos.domain.commands import Complete
from tests.contract.decisions import ask, removed, running, switched
from tests.integration.recovery.recovered_store import LostStore, own_lost_store


@pytest.fixture
async def lost_store(redis_server: RedisServer) -> AsyncIterator[LostStore]:
    """A lost_store of one server."""
    async with own_lost_store(redis_server.url) as lost_store:
        yield lost_store


async def test_an_end_on_its_way_to_the_trail_is_seen_in_redis(lost_store: LostStore) -> None:
    """Ended, removed, its events in the outbox or among the dead: found in both, and no other session with it."""
    ended, buried, alive = [await running(lost_store.server.store) for _ in range(3)]
    await lost_store.drain()
    for session in (ended, buried):
        await ask(lost_store.server.store, session.session_id, Complete())
        await removed(lost_store.server.store, session.session_id)
    outbox = RedisOutbox(lost_store.server.connections, lost_store.server.keys)
    for entry in (await outbox.read(range(PARTITIONS), 10)).entries:
        if entry.record is not None and entry.record.event.session.session_id == buried.session_id:
            await outbox.bury(entry, "spoilt")
    unwritten = RedisUnwritten(lost_store.server.connections, lost_store.server.keys)

    gone = {ended.session_id, buried.session_id}
    assert await unwritten.everywhere() == gone
    assert gone <= await unwritten.among([*gone, alive.session_id])
    tally = await _named_run(lost_store)
    assert (tally.present, {failure.session_id for failure in tally.failures}) == (1, gone)


async def test_too_many_entries_are_not_looked_through(lost_store: LostStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trail has to catch up first."""
    monkeypatch.setattr("synckairos.adapters.redis.unwritten.MOST", 2)
    session = await running(lost_store.server.store)
    await switched(lost_store.server.store, session.session_id, 3)
    unwritten = RedisUnwritten(lost_store.server.connections, lost_store.server.keys)

    with pytest.raises(AuditUnavailable, match="5 changes"):
        await unwritten.among([session.session_id])

    assert await unwritten.everywhere() == {session.session_id}


async def test_more_entries_than_one_look_holds_are_all_looked_at(
    lost_store: LostStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, to the end."""
    monkeypatch.setattr("synckairos.adapters.redis.unwritten.PAGE", 2)
    sessions = [await running(lost_store.server.store) for _ in range(3)]
    await switched(lost_store.server.store, sessions[0].session_id, 4)
    unwritten = RedisUnwritten(lost_store.server.connections, lost_store.server.keys)

    assert await unwritten.everywhere() == {session.session_id for session in sessions}


async def _named_run(lost_store: LostStore) -> mass_recovery.Tally:
    recoverer = lost_store.recoverer()
    assert not await recoverer.guard.begin()
    return await recoverer.run(is_store_lost=False).run()
