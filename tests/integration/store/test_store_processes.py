"""Several processes on one Redis: no update is lost, no race is won twice, and collisions cost no connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from synckairos.adapters.redis.connections.pool import Lease, RedisConnections
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.application.errors import Contention
from synckairos.application.ports import Request
from synckairos.application.sessions import Settlements
from synckairos.devstack import RedisServer
from synckairos.domain.commands import Create, Delete, Pause, Resume, Switch
from synckairos.domain.errors import SessionAlreadyExists, SessionNotFound, VersionConflict
from synckairos.domain.timing import Lifetimes
from tests.contract.backends import RedisBackend
from tests.contract.decisions import (
    CALLER,
    ask,
    asking,
    create,
    creating,
    new_id,
    removed,
    running,
    stored,
    two_players,
    until,
)
from tests.contract.store_process import StoreProcess

NOBODY = Request()


@pytest.fixture
async def pair(backend: RedisBackend) -> list[StoreProcess]:
    """Two processes."""
    return [await backend.process(), await backend.process()]


def change(process: StoreProcess, session_id: str, command: Any, request: Request = NOBODY) -> Awaitable[Any]:
    """Ask one process for a change."""
    return process.sessions.change(session_id, command, CALLER, request, until())


async def test_no_update_is_lost(backend: RedisBackend, pair: list[StoreProcess]) -> None:
    """Two processes, 32 callers each, ten switches a caller: 640 versions, every one answered and every one stored."""
    session = await running(pair[0].store)

    async def caller(process: StoreProcess) -> list[int]:
        return [(await change(process, session.session_id, Switch())).session.version for _ in range(10)]

    answered = await asyncio.gather(*(caller(pair[place % 2]) for place in range(64)))

    after = await stored(pair[0].store, session.session_id)
    assert after is not None
    expected = list(range(session.version + 1, session.version + 641))
    assert sorted(version for versions in answered for version in versions) == expected
    assert sum(participant.cycle_count for participant in after.participants) == 640
    assert [event.session.version for event, _, _ in backend.outgoing(session.session_id)][2:] == expected
    assert pair[0].observed.conflicts + pair[1].observed.conflicts > 0, "they never collided: nothing was tested"


async def test_one_of_many_with_the_same_expectation_wins(pair: list[StoreProcess]) -> None:
    """Forty callers expect the same version: one is right."""
    session = await running(pair[0].store)
    expecting = CALLER._replace(expected_version=session.version)

    outcomes = await asyncio.gather(
        *(
            pair[place % 2].sessions.change(session.session_id, Switch(), expecting, NOBODY, until())
            for place in range(40)
        ),
        return_exceptions=True,
    )

    assert [type(one) for one in outcomes].count(VersionConflict) == 39
    after = await stored(pair[0].store, session.session_id)
    assert after is not None
    assert after.version == session.version + 1


async def test_one_request_is_applied_once(pair: list[StoreProcess]) -> None:
    """Twenty copies of a request at both processes at once: one is applied, the others repeat its answer."""
    session = await running(pair[0].store)
    request = Request(new_id(), bytes(16))

    answers = await asyncio.gather(
        *(change(pair[place % 2], session.session_id, Switch(), request) for place in range(20))
    )

    after = await stored(pair[0].store, session.session_id)
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 19
    assert {answer.session for answer in answers} == {after}
    assert after is not None
    assert after.version == session.version + 1


async def test_a_creation_without_an_id_is_made_once(pair: list[StoreProcess]) -> None:
    """A retried creation finds its own session again, whichever process answers."""
    request = Request(new_id(), bytes(16))
    session_id = pair[0].sessions.session_id_for(request.request_id)
    spec = two_players()

    answers = await asyncio.gather(
        *(pair[place % 2].sessions.create(session_id, Create(spec), CALLER, request, until()) for place in range(10))
    )

    assert pair[1].sessions.session_id_for(request.request_id) == session_id
    assert {answer.session for answer in answers} == {await stored(pair[0].store, session_id)}
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 9


async def test_a_deleted_session_does_not_come_back(pair: list[StoreProcess]) -> None:
    """Whatever races a deletion comes before it or is refused; the id stays taken."""
    for _ in range(20):
        session = await running(pair[0].store)
        outcomes = await asyncio.gather(
            change(pair[0], session.session_id, Pause()),
            change(pair[1], session.session_id, Delete()),
            change(pair[0], session.session_id, Switch()),
            return_exceptions=True,
        )
        after = await stored(pair[0].store, session.session_id)

        assert after is not None
        assert after.deleted
        assert after.version == outcomes[1].session.version  # type: ignore[union-attr] # it always succeeds
        with pytest.raises(SessionNotFound):
            await change(pair[0], session.session_id, Resume())
        with pytest.raises(SessionAlreadyExists):
            await pair[0].sessions.create(session.session_id, Create(two_players()), CALLER, NOBODY, until())


async def test_a_settlement_happens_once(backend: RedisBackend, pair: list[StoreProcess]) -> None:
    """Readers, callers and sweeps of both processes find the same thing due: one event, and everybody sees it."""
    session = await running(pair[0].store, two_players(10_000))
    backend.clock.advance(60_000)
    sweeps = [Settlements(process.store, Lifetimes(), new_id) for process in pair * 3]

    views, outcomes = await asyncio.gather(
        asyncio.gather(*(process.sessions.get(session.session_id) for process in pair * 5)),
        asyncio.gather(*(sweep.settle(session.session_id, until()) for sweep in sweeps)),
    )

    events = [event for event, _, _ in backend.outgoing(session.session_id)]
    assert len(events) == 3
    assert events[-1].session.updated_at == session.updated_at + 10_000
    assert {view.session for view in views if view is not None} == {events[-1].session}
    assert sum(len(outcome.events) for outcome in outcomes if outcome) <= 1


class Meddled(RedisConnections):
    """Connections on which something happens right after the first look of each exchange."""

    meddle: Callable[[], Awaitable[object]] | None = None

    @asynccontextmanager
    async def lease(self, commands: Sequence[RedisCommand]) -> AsyncIterator[tuple[Lease, list[Reply]]]:
        """Lend a connection, and meddle once if it watches a session."""
        async with super().lease(commands) as (lease, replies):
            meddle = self.meddle if commands[0][0] == "WATCH" else None
            if meddle is not None:
                self.meddle = None
                await meddle()
            yield lease, replies


@pytest.fixture
async def meddled(redis_server: RedisServer, backend: RedisBackend) -> AsyncIterator[StoreProcess]:
    """A process that is disturbed between looking and writing."""
    connections = Meddled(redis_server.url)
    async with StoreProcess(redis_server.url, backend.prefix, connections) as process:
        yield process


async def test_a_session_created_while_its_entry_is_dropped_keeps_it(
    pair: list[StoreProcess], meddled: StoreProcess
) -> None:
    """Dropping is guarded by WATCH: what appears after the look is not harmed."""
    session = await create(pair[0].store)
    await removed(pair[0].store, session.session_id)
    again = creating(session.session_id)
    connections: Any = meddled.connections
    connections.meddle = lambda: pair[0].store.transact(session.session_id, NOBODY, again, until())

    await meddled.deadlines.drop(session.session_id)

    due = dict(await pair[0].deadlines.due_before(10**15, 1_000))
    assert session.session_id in due


async def test_a_session_changed_while_its_entry_is_repaired_keeps_the_newer_one(
    backend: RedisBackend, pair: list[StoreProcess], meddled: StoreProcess
) -> None:
    """Repairing is guarded by WATCH: an entry that was wrong and has been rewritten since is left alone."""
    session = await running(pair[0].store)
    backend.damage(session, deadline=1, is_live=True)
    backend.clock.advance(5_000)
    connections: Any = meddled.connections
    connections.meddle = lambda: ask(pair[0].store, session.session_id, Switch())

    repaired = [await meddled.deadlines.repair() for _ in range(128)]

    due = dict(await pair[0].deadlines.due_before(10**15, 1_000))
    assert connections.meddle is None, "nothing was repaired: nothing was tested"
    assert due == {session.session_id: session.updated_at + 605_000}
    assert sum(repaired) == 0


def counted_connections(process: StoreProcess, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the connections that a process opens from now on; Redis' own count has everybody's."""
    opened: list[object] = []
    make = process.connections._connector._factory.make_connection

    def note() -> Any:
        opened.append(made := make())
        return made

    monkeypatch.setattr(process.connections._connector._factory, "make_connection", note)
    return opened


async def test_a_busy_session_is_contended_not_lost(
    backend: RedisBackend, pair: list[StoreProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller whose session never holds still is told CONTENTION when its time is up, and has written nothing.

    A transaction that lost its race has no WATCH any more: collisions cost no connections.
    """
    session = await running(pair[0].store)
    latest = session
    opened = counted_connections(pair[0], monkeypatch)
    switch = asking(Switch())

    def decide(reading: Any) -> Any:
        nonlocal latest
        latest = latest._replace(version=latest.version + 1, change_id=new_id())
        backend.overwrite(latest)
        return switch(reading)

    with pytest.raises(Contention) as raised:
        await pair[0].store.transact(session.session_id, NOBODY, decide, until(0.2))

    assert opened == []
    assert int(raised.value.details["attempts"]) == len(switch.readings) > 3
    assert await stored(pair[1].store, session.session_id) == latest
