"""AuditService on a trail in memory: the answers and the refusals of each call."""

from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.application.trail.audit import AuditRecord
from synckairos.domain.events import Cause
from synckairos.rpc.mapping import event_message, session_message
from synckairos.rpc.timestamps import timestamp
from synckairos.v1 import audit_service_pb2 as pb
from synckairos.v1 import event_pb2, session_pb2, session_service_pb2
from tests.unit.rpc.calls import ANN, BOB, RID, SID, created, good_request, mutation
from tests.unit.rpc.grpc_testing_adapter import PEER, Loop, TestServer
from tests.unit.rpc.use_cases import UseCases

OTHER = "10000000-0000-4000-8000-000000000002"
READS = {
    "ListSessionEvents": pb.ListSessionEventsRequest(session_id=SID),
    "ListParticipantEvents": pb.ListParticipantEventsRequest(participant_id=ANN),
    "GetSessionAudit": pb.GetSessionAuditRequest(session_id=SID),
    "ListAuditedSessions": pb.ListAuditedSessionsRequest(),
    "ExplainClock": pb.ExplainClockRequest(session_id=SID, participant_id=ANN),
}


@pytest.fixture
def life(server: TestServer, use_cases: UseCases, loop: Loop) -> session_pb2.Session:
    """A session that was created, started, switched, and ran out of time unnoticed for 2 s; all in the trail."""
    created(server, "StartSession")
    use_cases.clock.advance(1_000)
    server.call("SwitchCycle", mutation("SwitchCycle", request_id=RID), metadata=(("x-actor", "umpire"),))
    use_cases.clock.advance(62_000)
    last = server.call("GetSession", good_request("GetSession")).response.session
    loop.run(use_cases.drain())
    return last


def listed(server: TestServer, **request: Any) -> list[pb.AuditEvent]:
    """Return the events on a page of SID's."""
    reply = server.ok("ListSessionEvents", pb.ListSessionEventsRequest(**{"session_id": SID, **request}))
    return list(reply.events)


@pytest.mark.usefixtures("life")
def test_a_life_is_its_events_in_order(server: TestServer, use_cases: UseCases) -> None:
    """Each with version, actor, reason, cause, elapsed, remaining and snapshot."""
    events = listed(server)

    assert [event.version for event in events] == [1, 2, 3, 4]
    assert [event_pb2.EventType.Name(event.type) for event in events] == [
        "EVENT_TYPE_SESSION_CREATED", "EVENT_TYPE_SESSION_STARTED", "EVENT_TYPE_CYCLE_SWITCHED",
        "EVENT_TYPE_SESSION_EXPIRED",
    ]  # fmt: skip
    _, _, switched, expired = events
    assert (switched.actor, switched.reason, switched.peer, switched.request_id) == ("umpire", "because", PEER, RID)
    assert (switched.participant_id, switched.time_elapsed_ms, switched.time_remaining_ms) == (ANN, 1_000, 59_000)
    assert (switched.cause, switched.cycle_number) == (Cause.CALL, 2)
    assert not switched.HasField("fired_at")
    assert not switched.HasField("lateness_ms")
    assert (expired.actor, expired.peer, expired.request_id, expired.cause) == ("system", "", "", Cause.DEADLINE)
    assert (expired.participant_id, expired.time_elapsed_ms) == (BOB, 60_000)
    assert expired.HasField("time_remaining_ms")
    assert expired.time_remaining_ms == 0
    assert expired.lateness_ms == 2_000
    assert expired.fired_at == timestamp(use_cases.clock.ms)
    assert expired.occurred_at == timestamp(use_cases.clock.ms - 2_000)


@pytest.mark.usefixtures("life")
def test_an_event_says_what_it_changed_if_asked(server: TestServer) -> None:
    """From what to what, as JSON has it; a value that was not there is absent."""
    told = [{one.path: one for one in event.changes} for event in listed(server, with_changes=True)]

    assert told[0] == {}
    assert (told[1]["status"].old.string_value, told[1]["status"].new.string_value) == ("pending", "running")
    assert not told[1]["started_at"].HasField("old")
    assert told[2]["cycle_number"].new.number_value == 2
    assert told[2][f"participants[{ANN}].clock.bank_ms"].old.number_value == 60_000
    assert not any(event.changes for event in listed(server))


@pytest.mark.usefixtures("life")
def test_an_audited_event_says_what_the_stream_said(server: TestServer, use_cases: UseCases) -> None:
    """The two agree in every field they share."""
    shared = set(event_pb2.Event.DESCRIPTOR.fields_by_name)
    assert shared <= set(pb.AuditEvent.DESCRIPTOR.fields_by_name)

    for audited, event in zip(listed(server), use_cases.events(SID), strict=True):
        streamed = event_message(event)
        for name in shared:
            assert getattr(audited, name) == getattr(streamed, name), name
            if streamed.DESCRIPTOR.fields_by_name[name].has_presence:
                assert audited.HasField(name) == streamed.HasField(name), name
        assert audited.event_id == audited.change_id
        assert (audited.session_id, audited.version) == (SID, audited.session.version)
        assert audited.epoch == audited.session.epoch
        assert audited.recorded_at == timestamp(use_cases.clock.ms)
        assert list(audited.changed_fields) == ["status"]
        assert not audited.is_fork


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize("size", [3, 4])
def test_pages_hold_every_event_once(server: TestServer, size: int) -> None:
    """In order; the last page says that it is the last."""
    replies = [server.ok("ListSessionEvents", pb.ListSessionEventsRequest(session_id=SID, page_size=size))]
    while replies[-1].next_page_token:
        request = pb.ListSessionEventsRequest(session_id=SID, page_size=size, page_token=replies[-1].next_page_token)
        replies.append(server.ok("ListSessionEvents", request))

    assert [event.version for reply in replies for event in reply.events] == [1, 2, 3, 4]
    assert len(replies) == -(-4 // size)


@pytest.mark.usefixtures("life")
def test_an_event_page_ends_before_it_grows_too_long(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked for; one is always there."""
    monkeypatch.setattr("synckairos.rpc.paging.MAX_PAGE_BYTES", 1)

    reply = server.ok("ListSessionEvents", pb.ListSessionEventsRequest(session_id=SID))

    assert [event.version for event in reply.events] == [1]
    assert reply.next_page_token


@pytest.mark.usefixtures("life")
def test_no_matching_event_is_no_missing_session(server: TestServer) -> None:
    """NOT_FOUND is for sessions the trail does not know; the id is repeated in the metadata."""
    assert listed(server, types=[event_pb2.EVENT_TYPE_SESSION_DELETED]) == []

    for name, request in (
        ("ListSessionEvents", pb.ListSessionEventsRequest(session_id=OTHER)),
        ("GetSessionAudit", pb.GetSessionAuditRequest(session_id=OTHER)),
    ):
        problem = server.refused(name, request)
        assert (problem.code, problem.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
        assert problem.metadata == {"session_id": OTHER}


def test_a_fork_is_marked(server: TestServer, use_cases: UseCases, loop: Loop, life: session_pb2.Session) -> None:
    """Both events of one version are there, and counted."""
    event = use_cases.events(SID)[-1]
    left_behind = event._replace(session=event.session._replace(change_id=OTHER))
    loop.run(use_cases.trail.write([AuditRecord(left_behind)]))

    events = listed(server)
    audit = server.ok("GetSessionAudit", pb.GetSessionAuditRequest(session_id=SID))

    assert [(event.version, event.is_fork) for event in events] == [
        (1, False), (2, False), (3, False), (4, True), (4, True),
    ]  # fmt: skip
    assert (audit.event_count, audit.fork_count) == (5, 2)
    assert audit.summary.session.version == life.version


def test_the_summary_is_the_session_as_the_trail_saw_it(
    server: TestServer, use_cases: UseCases, life: session_pb2.Session
) -> None:
    """With its totals, and the statistics of its participants in the order they joined."""
    audit = server.ok("GetSessionAudit", pb.GetSessionAuditRequest(session_id=SID))

    stored = use_cases.stored(SID)
    assert stored is not None
    assert audit.summary.session == session_message(stored, stored.updated_at)
    assert audit.summary.session.version == life.version
    assert (audit.summary.total_cycles, audit.summary.total_participants) == (life.cycle_number, 2)
    assert not audit.summary.HasField("deleted_at")
    assert audit.summary.recorded_at == timestamp(use_cases.clock.ms)
    assert (audit.event_count, audit.fork_count) == (4, 0)
    told = {one.participant_id: one for one in audit.participants}
    for participant in life.participants:
        statistics = told[participant.participant_id]
        assert statistics.total_time_ms == 60_000
        assert statistics.total_cycles == participant.cycle_count
        assert statistics.total_time_active_ms == participant.time_used_ms
        assert statistics.added_at == life.created_at
        assert not statistics.HasField("removed_at")
    assert told[ANN].first_active_at == life.started_at


def test_a_participants_events_are_listed_over_all_sessions(
    server: TestServer, use_cases: UseCases, loop: Loop
) -> None:
    """Oldest first and page by page, those of others left out; an unknown participant has none."""
    banks = [session_pb2.ParticipantSpec(participant_id=one, total_time_ms=60_000) for one in (ANN, BOB)]
    for place in range(3):
        sid = f"10000000-0000-4000-8000-00000000002{place}"
        request = session_service_pb2.CreateSessionRequest(
            session_id=sid, mode=session_pb2.MODE_PER_PARTICIPANT, participants=banks
        )
        server.call("CreateSession", request)
        server.call("StartSession", mutation("StartSession", session_id=sid))
        use_cases.clock.advance(1_000)
        server.call("SwitchCycle", mutation("SwitchCycle", session_id=sid))
    loop.run(use_cases.drain())

    found: list[pb.AuditEvent] = []
    token = ""
    while True:
        request = pb.ListParticipantEventsRequest(participant_id=ANN, page_size=2, page_token=token)
        reply = server.ok("ListParticipantEvents", request)
        found += reply.events
        token = reply.next_page_token
        if not token:
            break

    assert {one.participant_id for one in found} == {ANN}
    assert len({one.session_id for one in found}) == 3
    assert [one.occurred_at.ToMilliseconds() for one in found] == sorted(
        one.occurred_at.ToMilliseconds() for one in found
    )
    assert not server.ok("ListParticipantEvents", pb.ListParticipantEventsRequest(participant_id=OTHER)).events


def test_sessions_are_listed_page_by_page(server: TestServer, use_cases: UseCases, loop: Loop) -> None:
    """Newest first, filters applied, a token leads on with another page size, and a deletion is dated."""
    made = [f"10000000-0000-4000-8000-00000000001{place}" for place in range(3)]
    for sid in made:
        server.call("CreateSession", mutation("CreateSession", session_id=sid))
        use_cases.clock.advance(10)
    server.call("DeleteSession", mutation("DeleteSession", session_id=made[0]))
    loop.run(use_cases.drain())

    def listed_sessions(**request: Any) -> Any:
        return server.ok("ListAuditedSessions", pb.ListAuditedSessionsRequest(**request))

    first = listed_sessions(page_size=2, modes=[session_pb2.MODE_GLOBAL])
    rest = listed_sessions(page_size=9, modes=[session_pb2.MODE_GLOBAL], page_token=first.next_page_token)
    told = [one.session.session_id for one in (*first.sessions, *rest.sessions)]
    assert told == made[::-1]
    assert rest.sessions[-1].deleted_at == timestamp(use_cases.clock.ms)
    assert not listed_sessions(modes=[session_pb2.MODE_PER_CYCLE]).sessions
    assert [one.is_deleted for one in (*first.sessions, *rest.sessions)] == [False, False, True]
    assert [one.session.session_id for one in listed_sessions(omit_deleted=True).sessions] == made[:0:-1]


@pytest.mark.parametrize(
    ("name", "request_", "paths"),
    [
        ("ListSessionEvents", pb.ListSessionEventsRequest(), {"session_id"}),
        ("ListSessionEvents", pb.ListSessionEventsRequest(session_id="x", page_size=-1), {"session_id", "page_size"}),
        ("ListSessionEvents", pb.ListSessionEventsRequest(session_id=SID, page_token="x"), {"page_token"}),
        ("ListSessionEvents", pb.ListSessionEventsRequest(session_id=SID, after=Timestamp(nanos=-1)), {"after"}),
        ("ListParticipantEvents", pb.ListParticipantEventsRequest(page_token="x"), {"participant_id", "page_token"}),
        ("GetSessionAudit", pb.GetSessionAuditRequest(session_id="x"), {"session_id"}),
        ("ListAuditedSessions", pb.ListAuditedSessionsRequest(page_token="x"), {"page_token"}),
        ("RecoverSession", pb.RecoverSessionRequest(reason="x" * 257), {"session_id", "reason"}),
        ("RecoverSession", pb.RecoverSessionRequest(session_id=SID, policy=9), {"policy"}),  # type: ignore[arg-type] # a number it does not know
    ],
)
def test_wrong_fields_are_named(server: TestServer, name: str, request_: Any, paths: set[str]) -> None:
    """INVALID_FIELD with every path, and nothing is asked of the trail."""
    problem = server.refused(name, request_)

    assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert set(problem.fields) == paths


@pytest.mark.parametrize("name", READS)
def test_without_the_trail_reads_say_so(server: TestServer, use_cases: UseCases, name: str) -> None:
    """UNAVAILABLE with RetryInfo; the sessions go on."""
    use_cases.trail.is_away = True

    problem = server.refused(name, READS[name])

    assert (problem.code, problem.reason) == (grpc.StatusCode.UNAVAILABLE, "AUDIT_UNAVAILABLE")
    assert problem.retry_after_s
    assert created(server).version == 1
