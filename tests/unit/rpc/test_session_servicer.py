"""SessionService's unary calls on ports in memory: the answers and the refusals of each."""

from typing import Any
from uuid import UUID, uuid5

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from synckairos.application.sessions import SESSION_OF_REQUEST
from synckairos.domain.events import EventType
from synckairos.rpc.timestamps import timestamp
from synckairos.v1 import session_pb2, time_service_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import new_id
from tests.unit.rpc.calls import MUTATIONS, NEEDED, READS, RID, SID, created, mutation
from tests.unit.rpc.grpc_testing_adapter import PEER, TestServer
from tests.unit.rpc.use_cases import UseCases

STATUS_AND_EVENT = {
    "StartSession": (session_pb2.STATUS_RUNNING, EventType.SESSION_STARTED),
    "SwitchCycle": (session_pb2.STATUS_RUNNING, EventType.CYCLE_SWITCHED),
    "PauseSession": (session_pb2.STATUS_PAUSED, EventType.SESSION_PAUSED),
    "ResumeSession": (session_pb2.STATUS_RUNNING, EventType.SESSION_RESUMED),
    "CompleteSession": (session_pb2.STATUS_COMPLETED, EventType.SESSION_COMPLETED),
    "CancelSession": (session_pb2.STATUS_CANCELLED, EventType.SESSION_CANCELLED),
    "AddParticipant": (session_pb2.STATUS_PENDING, EventType.PARTICIPANT_ADDED),
    "RemoveParticipant": (session_pb2.STATUS_PENDING, EventType.PARTICIPANT_REMOVED),
    "AdjustTime": (session_pb2.STATUS_PENDING, EventType.TIME_ADJUSTED),
    "UpdateSession": (session_pb2.STATUS_PENDING, EventType.SESSION_UPDATED),
    "DeleteSession": (session_pb2.STATUS_PENDING, EventType.SESSION_DELETED),
}


@pytest.mark.parametrize("name", STATUS_AND_EVENT)
def test_a_mutation_answers_with_the_stored_version(server: TestServer, use_cases: UseCases, name: str) -> None:
    """Every mutation makes its event, and replies with the stored version as of the judging instant."""
    before = created(server, *NEEDED.get(name, ()))
    use_cases.clock.advance(1_500)

    reply = server.call(name, mutation(name, expected_version=before.version, request_id=RID)).response

    (last,) = use_cases.events(SID)[-1:]
    assert (reply.session.status, last.type) == STATUS_AND_EVENT[name]
    assert reply.session.version == before.version + 1 == last.session.version
    assert reply.server_time == timestamp(use_cases.clock.ms) == reply.session.updated_at
    assert not reply.replayed
    assert (last.author.actor, last.author.reason) == (PEER, "because")


def test_a_created_session_is_pending_at_version_one(server: TestServer, use_cases: UseCases) -> None:
    """A create answers with version 1 and the epoch of its instant in microseconds."""
    reply = server.call("CreateSession", mutation("CreateSession")).response

    session = reply.session
    assert (session.session_id, session.version, session.status) == (SID, 1, session_pb2.STATUS_PENDING)
    assert session.epoch == use_cases.clock.us
    assert reply.server_time == session.created_at == session.updated_at == timestamp(use_cases.clock.ms)


def test_the_server_names_a_session_that_comes_without_an_id(server: TestServer) -> None:
    """Without an id the server makes one; with a request_id it is the UUIDv5 of that."""
    made = server.call("CreateSession", mutation("CreateSession", session_id="")).response
    derived = server.call("CreateSession", mutation("CreateSession", session_id="", request_id=RID)).response

    assert made.session.session_id == str(UUID(int=7))
    assert derived.session.session_id == str(uuid5(SESSION_OF_REQUEST, RID))


@pytest.mark.parametrize("name", [name for name in MUTATIONS if name != "CreateSession"])
def test_a_mutation_of_a_missing_session_is_not_found(server: TestServer, name: str) -> None:
    """Every mutation but a create needs its session; the id is repeated in the metadata."""
    problem = server.refused(name, mutation(name))

    assert (problem.code, problem.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    assert problem.metadata == {"session_id": SID}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_applied_once(server: TestServer, use_cases: UseCases, name: str) -> None:
    """The same request_id and content again is answered with the same session as replayed, and changes nothing."""
    if name != "CreateSession":
        created(server, *NEEDED.get(name, ()))
    request = mutation(name, request_id=RID)
    first = server.call(name, request).response
    use_cases.clock.advance(700)

    again = server.call(name, request).response

    assert (again.replayed, first.replayed) == (True, False)
    assert again.session == first.session
    assert again.server_time == first.server_time
    stored = use_cases.stored(SID)
    assert stored is not None
    assert stored.version == first.session.version


def test_a_request_id_with_other_content_is_refused(server: TestServer, use_cases: UseCases) -> None:
    """A request_id stands for one content: another reason is another content, and another method too."""
    created(server)
    server.call("StartSession", mutation("StartSession", request_id=RID))

    reworded = server.refused("StartSession", mutation("StartSession", request_id=RID, reason="other"))
    renamed = server.refused("CancelSession", mutation("CancelSession", request_id=RID))

    for problem in (reworded, renamed):
        assert (problem.code, problem.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
        assert list(problem.fields) == ["request_id"]
        assert problem.metadata == {"request_id": RID}
    assert len(use_cases.events(SID)) == 2


def test_a_session_is_read_as_of_now(server: TestServer, use_cases: UseCases) -> None:
    """A read shows the clock at server_time and changes nothing."""
    created(server, "StartSession")
    use_cases.clock.advance(7_000)

    reply = server.call("GetSession", READS["GetSession"]).response

    assert [one.time_remaining_ms for one in reply.session.participants] == [53_000, 60_000]
    assert reply.server_time == timestamp(use_cases.clock.ms)
    assert reply.session.version == 2 == len(use_cases.events(SID))


def test_many_sessions_are_read_in_the_order_asked(server: TestServer) -> None:
    """A batch keeps the order asked, and lists the missing sessions."""
    others = [server.call("CreateSession", mutation("CreateSession", session_id=new_id())).response for _ in range(2)]
    there = [reply.session.session_id for reply in others]
    gone = [new_id(), new_id()]

    reply = server.call("BatchGetSessions", pb.BatchGetSessionsRequest(session_ids=[gone[0], *there, gone[1]])).response

    assert [session.session_id for session in reply.sessions] == there
    assert list(reply.missing_session_ids) == gone


def test_a_batch_of_missing_sessions_still_says_when(server: TestServer, use_cases: UseCases) -> None:
    """Without a single session found, server_time is the authority's all the same."""
    reply = server.call("BatchGetSessions", pb.BatchGetSessionsRequest(session_ids=[new_id()])).response

    assert reply.server_time == timestamp(use_cases.clock.ms)


def test_a_listing_pages_newest_first(server: TestServer, use_cases: UseCases) -> None:
    """Two pages of two show four sessions, newest first; the token after the last full page leads to an empty one."""
    ids = []
    for _ in range(4):
        use_cases.clock.advance(1)
        ids.append(
            server.call("CreateSession", mutation("CreateSession", session_id=new_id())).response.session.session_id
        )
    first = server.call("ListSessions", pb.ListSessionsRequest(page_size=2)).response
    second = server.call("ListSessions", pb.ListSessionsRequest(page_size=2, page_token=first.next_page_token)).response
    last = server.call("ListSessions", pb.ListSessionsRequest(page_size=2, page_token=second.next_page_token)).response

    assert [session.session_id for session in [*first.sessions, *second.sessions]] == ids[::-1]
    assert not last.sessions
    assert not last.next_page_token


def test_a_missing_session_may_be_deleted_where_that_is_allowed(server: TestServer, use_cases: UseCases) -> None:
    """allow_missing answers OK without a session, where there never was one and where it is deleted already."""
    never = server.call("DeleteSession", mutation("DeleteSession", allow_missing=True)).response
    created(server)
    deleted = server.call("DeleteSession", mutation("DeleteSession")).response
    again = server.call("DeleteSession", mutation("DeleteSession", allow_missing=True)).response

    assert [reply.HasField("session") for reply in (never, deleted, again)] == [False, True, False]
    assert again.server_time == timestamp(use_cases.clock.ms)
    assert deleted.session.version == 2


def test_only_the_fields_in_the_mask_are_replaced(server: TestServer) -> None:
    """An update replaces metadata, labels or both, by its mask; an empty mask means the fields that are set."""
    created(server)
    data, other = Struct(), Struct()
    data["a"], other["b"] = 1, 2

    def update(**fields: Any) -> Any:
        session = server.call("UpdateSession", pb.UpdateSessionRequest(session_id=SID, **fields)).response.session
        return (dict(session.metadata.items()) if session.HasField("metadata") else None), dict(session.labels)

    assert update(metadata=data, labels={"x": "1"}) == ({"a": 1.0}, {"x": "1"})
    assert update(metadata=other, labels={"x": "2"}, update_mask=FieldMask(paths=["labels"])) == (
        {"a": 1.0},
        {"x": "2"},
    )
    assert update(metadata=other) == ({"b": 2.0}, {"x": "2"})
    assert update(update_mask=FieldMask(paths=["labels"])) == ({"b": 2.0}, {})
    assert update(metadata=Struct()) == ({}, {})
    assert update(update_mask=FieldMask(paths=["metadata"])) == (None, {})


@pytest.mark.parametrize(
    ("header", "actor"),
    [
        pytest.param("umpire", "umpire", id="given"),
        pytest.param("u" * 128, "u" * 128, id="as long as may be"),
        pytest.param(None, PEER, id="not given"),
        pytest.param("", PEER, id="empty"),
        pytest.param("  ", PEER, id="blank"),
        pytest.param("systems", "systems", id="nearly the system"),
    ],
)
def test_the_actor_is_the_callers_word_or_its_peer(
    server: TestServer, use_cases: UseCases, header: str | None, actor: str
) -> None:
    """The event names x-actor, else the network peer."""
    metadata = () if header is None else (("x-actor", header),)

    server.call("CreateSession", mutation("CreateSession"), metadata)

    assert use_cases.events(SID)[0].author.actor == actor


@pytest.mark.parametrize("header", ["u" * 129, "system", "System", "system ", " SYSTEM\t"])
def test_an_actor_that_cannot_be_is_refused(server: TestServer, use_cases: UseCases, header: str) -> None:
    """At most 128 bytes, and not the reserved name, however it is written; nothing is stored."""
    problem = server.refused("CreateSession", mutation("CreateSession"), (("x-actor", header),))

    assert list(problem.fields) == ["x-actor"]
    assert use_cases.stored(SID) is None


def test_time_is_the_authoritys(server: TestServer, use_cases: UseCases) -> None:
    """SyncTime echoes the client's clock and answers with microseconds of the authority's."""
    sent = timestamp(12_345)

    reply = server.call("SyncTime", time_service_pb2.SyncTimeRequest(client_transmit_time=sent)).response

    assert reply.client_transmit_time == sent
    assert (
        reply.server_receive_time.ToMicroseconds() == use_cases.clock.us == reply.server_transmit_time.ToMicroseconds()
    )


def test_time_comes_with_its_error(server: TestServer, use_cases: UseCases) -> None:
    """What the estimate says of itself; while it cannot say, the field is as if from an earlier version."""
    stated = server.call("SyncTime", time_service_pb2.SyncTimeRequest()).response
    use_cases.clock.error_us = None
    unstated = server.call("SyncTime", time_service_pb2.SyncTimeRequest()).response

    assert (stated.server_error_us, unstated.server_error_us) == (321, 0)


def test_time_is_unavailable_before_the_authority_was_read(server: TestServer, use_cases: UseCases) -> None:
    """An estimate that rests on nothing is not given out."""
    use_cases.clock.has_been_read = False

    problem = server.refused("SyncTime", time_service_pb2.SyncTimeRequest())

    assert (problem.code, problem.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


def test_a_page_is_never_empty_for_its_size_alone(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session larger than a page should be is a page of its own."""
    monkeypatch.setattr("synckairos.rpc.paging.MAX_PAGE_BYTES", 1)
    for _ in range(3):
        server.call("CreateSession", mutation("CreateSession", session_id=new_id()))

    first = server.call("ListSessions", READS["ListSessions"]).response
    second = server.call("ListSessions", pb.ListSessionsRequest(page_token=first.next_page_token)).response
    third = server.call("ListSessions", pb.ListSessionsRequest(page_token=second.next_page_token)).response

    assert [len(one.sessions) for one in (first, second, third)] == [1, 1, 1]
    assert len({one.sessions[0].session_id for one in (first, second, third)}) == 3
    assert not third.next_page_token
