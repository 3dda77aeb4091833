"""AuditService end to end, on a real trail: pages while it grows, filters, a whole life, a recovery."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.settings import Settings
from synckairos.v1 import audit_service_pb2 as pb
from synckairos.v1 import event_pb2, session_service_pb2
from synckairos.v1.audit_service_pb2_grpc import AuditServiceStub
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.audit_lives import life, session_id
from testing.harness.client import new_id, refused, running_session
from testing.harness.draining import drain
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.store.key_space import KeySpace


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the trail."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Connections to it that are not the server's."""
    database = Database(DatabaseOptions(database_url, pool_min=0, pool_max=3))
    yield database
    await database.close()


@pytest.fixture
def settings(redis_server: RedisServer, database_url: str) -> Settings:
    """A server with a trail."""
    return settings_for(redis_server.url, database_url=database_url)


@pytest.fixture
async def channel(settings: Settings) -> AsyncIterator[Any]:
    """A client of such a server."""
    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        yield channel


async def pages(stub: Any, **request: Any) -> AsyncIterator[pb.ListSessionEventsResponse]:
    """Yield every page of a list of events."""
    token = ""
    while True:
        reply = await stub.ListSessionEvents(pb.ListSessionEventsRequest(**request, page_token=token))
        yield reply
        token = reply.next_page_token
        if not token:
            return


async def test_every_event_is_on_exactly_one_page_while_the_trail_grows(channel: Any, database: Database) -> None:
    """What was there is read once and in order, whatever is added behind it and to other sessions meanwhile."""
    trail, stub = PostgresAuditTrail(database), AuditServiceStub(channel)
    records = life(0, switches=400)
    await trail.write(records[:200])
    seen: list[int] = []
    written, place = 200, 1

    async for reply in pages(stub, session_id=session_id(0), page_size=7):
        seen += [event.version for event in reply.events]
        assert len(reply.events) == 7 or not reply.next_page_token
        if written < len(records):
            await trail.write([*records[written : written + 5], *life(place)])
            written, place = written + 5, place + 1

    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 200
    assert written > 250


async def test_filters_reach_the_index_as_they_were_meant(channel: Any, database: Database) -> None:
    """Type, participant and bounds, alone and together, page by page."""
    records = life(0, switches=40)
    await PostgresAuditTrail(database).write(records)
    stub = AuditServiceStub(channel)
    ann = records[2].event.subject.participant_id
    switched = event_pb2.EVENT_TYPE_CYCLE_SWITCHED

    async def versions(**filters: Any) -> list[int]:
        replies = [reply async for reply in pages(stub, session_id=session_id(0), page_size=3, **filters)]
        return [event.version for reply in replies for event in reply.events]

    def those(wanted: Callable[[Any], bool]) -> list[int]:
        return [record.event.session.version for record in records if wanted(record.event)]

    tenth, twentieth = (records[place].event.session.updated_at for place in (10, 20))
    bounds = {"after": _timestamp(tenth), "before": _timestamp(twentieth)}
    assert await versions() == those(lambda _: True)
    assert await versions(types=[switched]) == those(lambda event: event.type == switched)
    assert await versions(participant_id=ann) == those(lambda event: event.subject.participant_id == ann)
    assert await versions(**bounds) == those(lambda event: tenth <= event.session.updated_at < twentieth)
    assert await versions(**bounds, types=[switched], participant_id=ann) == those(
        lambda event: (
            tenth <= event.session.updated_at < twentieth
            and event.type == switched
            and event.subject.participant_id == ann
        )
    )


def _timestamp(ms: int) -> Any:
    stamp = pb.AuditEvent().occurred_at
    stamp.FromMilliseconds(ms)
    return stamp


async def test_sessions_are_listed_once_each(channel: Any, database: Database) -> None:
    """Newest first, page by page; the next ones do not move the pages."""
    trail, stub = PostgresAuditTrail(database), AuditServiceStub(channel)
    for number in range(10):
        await trail.write(life(number))
    found: list[str] = []
    token = ""
    while True:
        reply = await stub.ListAuditedSessions(pb.ListAuditedSessionsRequest(page_size=3, page_token=token))
        found += [one.session.session_id for one in reply.sessions]
        await trail.write(life(100 + len(found)))
        token = reply.next_page_token
        if not token:
            break

    assert found == [session_id(number) for number in reversed(range(10))]


async def test_a_life_is_told_as_it_was_lived(channel: Any, settings: Settings) -> None:
    """What the calls did is what the trail says, and the totals are the session's."""
    sessions, audit = SessionServiceStub(channel), AuditServiceStub(channel)
    session = await running_session(sessions)
    sid = session.session_id
    replies = [
        await sessions.SwitchCycle(
            session_service_pb2.SwitchCycleRequest(session_id=sid, request_id=new_id(), reason=f"move {number}"),
            metadata=(("x-actor", f"player {number}"), ("x-request-id", f"call-{number}")),
        )
        for number in range(3)
    ]
    last = await sessions.CompleteSession(session_service_pb2.CompleteSessionRequest(session_id=sid))
    await drain(settings)

    events = [event async for reply in pages(audit, session_id=sid) for event in reply.events]
    told = await audit.GetSessionAudit(pb.GetSessionAuditRequest(session_id=sid))

    assert [event.version for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event.session for event in events[2:]] == [reply.session for reply in [*replies, last]]
    assert [(event.actor, event.reason) for event in events[2:5]] == [
        (f"player {number}", f"move {number}") for number in range(3)
    ]
    assert [event.call_id for event in events] == ["", "", "call-0", "call-1", "call-2", ""]
    assert all(event.peer for event in events)
    assert all(event.changed_fields for event in events[1:])
    assert told.summary.session == last.session
    assert told.summary.total_cycles == last.session.cycle_number
    assert told.event_count == 6
    assert {one.participant_id: (one.total_cycles, one.total_time_active_ms) for one in told.participants} == {
        one.participant_id: (one.cycle_count, one.time_used_ms) for one in last.session.participants
    }


async def test_a_lost_session_comes_back(channel: Any, settings: Settings) -> None:
    """With a new epoch at its last version; it can be driven on, and a second recovery finds it there."""
    sessions, audit = SessionServiceStub(channel), AuditServiceStub(channel)
    before = await running_session(sessions)
    await drain(settings)
    async with KeySpace(settings.redis_url.get_secret_value(), settings.redis_prefix) as key_space:
        kept = {key: value for key, value in (await key_space.content()).items() if b":session:" not in key}
        await key_space.restore(kept)
    request = pb.RecoverSessionRequest(session_id=before.session_id, reason="lost")

    reply = await audit.RecoverSession(request, metadata=(("x-actor", "operator"), ("x-request-id", "ticket-7")))
    again = await refused(audit.RecoverSession(request))
    paused = await sessions.PauseSession(session_service_pb2.PauseSessionRequest(session_id=before.session_id))

    assert (reply.session.version, reply.session.recovered) == (before.version + 1, True)
    assert reply.session.epoch > before.epoch
    assert reply.session.started_at == before.started_at
    assert again.reason == "SESSION_ALREADY_EXISTS"
    assert paused.session.version == reply.session.version + 1
    await drain(settings)
    events = [event async for page in pages(audit, session_id=before.session_id) for event in page.events]
    assert (events[2].type, events[2].actor) == (event_pb2.EVENT_TYPE_SESSION_RECOVERED, "operator")
    assert events[2].call_id == "ticket-7"
    assert [event.epoch for event in events] == [before.epoch] * 2 + [reply.session.epoch] * 2
