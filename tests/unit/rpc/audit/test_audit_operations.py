"""AuditService's calls that are not about reading the trail: recovery, and how the pipeline is doing."""

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.application.errors import StoreUnavailable
from synckairos.application.pipeline.status import DrainTotals, PipelineStatus, QueueDepth
from synckairos.domain.events import Author, Cause, EventType
from synckairos.domain.model import Status
from synckairos.rpc.timestamps import timestamp
from synckairos.v1 import audit_service_pb2 as pb
from tests.unit.rpc.calls import SID, created
from tests.unit.rpc.grpc_testing_adapter import PEER, Loop, TestServer
from tests.unit.rpc.use_cases import UseCases

OTHER = "10000000-0000-4000-8000-000000000002"


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        (pb.RECOVERY_POLICY_UNSPECIFIED, Status.RUNNING),
        (pb.RECOVERY_POLICY_CONTINUE, Status.RUNNING),
        (pb.RECOVERY_POLICY_PAUSED, Status.PAUSED),
    ],
)
def test_a_lost_session_comes_back(
    server: TestServer, use_cases: UseCases, loop: Loop, policy: pb.RecoveryPolicy.ValueType, status: Status
) -> None:
    """Its next version has a new epoch, names the author and the reason, and stands or runs by the policy."""
    before = created(server, "StartSession")
    loop.run(use_cases.drain())
    use_cases.data.sessions.clear()
    use_cases.data.events.clear()
    use_cases.clock.advance(5_000)

    reply = server.call(
        "RecoverSession",
        pb.RecoverSessionRequest(session_id=SID, policy=policy, reason="lost"),
        metadata=(("x-actor", "operator"),),
    ).response

    assert reply.session.version == before.version + 1
    assert reply.session.epoch > before.epoch
    assert reply.session.status == status
    assert reply.session.recovered
    assert reply.server_time == timestamp(use_cases.clock.ms)
    assert reply.session.elapsed_ms == (5_000 if status is Status.RUNNING else 0)
    (last,) = use_cases.events(SID)
    assert (last.type, last.cause) == (EventType.SESSION_RECOVERED, Cause.RECOVERY)
    assert last.author == Author("operator", "lost")
    assert use_cases.data.outbox[-1].request.peer == PEER


def test_a_stored_an_unknown_and_an_ended_session_are_not_recovered(
    server: TestServer, use_cases: UseCases, loop: Loop
) -> None:
    """A session in the store is ALREADY_EXISTS, an unknown one NOT_FOUND, an ended one refused."""
    created(server, "StartSession", "CompleteSession")
    loop.run(use_cases.drain())
    there = server.refused("RecoverSession", pb.RecoverSessionRequest(session_id=SID))
    nowhere = server.refused("RecoverSession", pb.RecoverSessionRequest(session_id=OTHER))
    use_cases.data.sessions.clear()

    ended = server.refused("RecoverSession", pb.RecoverSessionRequest(session_id=SID))

    assert (there.code, there.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SESSION_ALREADY_EXISTS")
    assert (nowhere.code, nowhere.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    assert (ended.code, ended.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INVALID_STATE_TRANSITION")
    assert ended.metadata == {"from": "COMPLETED", "verb": "recover"}


def test_a_session_whose_changes_are_on_their_way_has_to_wait(
    server: TestServer, use_cases: UseCases, loop: Loop
) -> None:
    """The trail is not believed before it has everything there is: AUDIT_UNAVAILABLE, to be tried again."""
    created(server)
    loop.run(use_cases.drain())
    use_cases.data.sessions.clear()
    use_cases.outbox.waiting = frozenset({SID})

    problem = server.refused("RecoverSession", pb.RecoverSessionRequest(session_id=SID))

    assert (problem.reason, problem.metadata) == ("AUDIT_UNAVAILABLE", {"session_id": SID})
    assert problem.retry_after_s
    assert use_cases.stored(SID) is None


def test_the_pipeline_tells_how_it_is(server: TestServer, use_cases: UseCases) -> None:
    """Every figure arrives."""
    totals = DrainTotals(
        batches=1, written=2, known=3, forks=4, buried=5, completed=6, failed=7, exhausted=8,
        last_written_at=9_000, last_error="oops", last_error_at=10_000,
    )  # fmt: skip
    use_cases.pipeline.answer = PipelineStatus(11, 12, 13, QueueDepth(14, 15, 16, 17), totals, ("slow", "dead"))

    reply = server.ok("GetPipelineStatus", pb.GetPipelineStatusRequest())

    assert reply.server_time == timestamp(use_cases.clock.ms)
    assert reply.status == pb.PipelineStatus(
        outbox_length=11, oldest_age_ms=12, dead_entries=13, queue_waiting=14, queue_active=15, queue_delayed=16,
        queue_dead=17, queue_completed=6, queue_failed=7, written=2, known=3, forks=4,
        last_written_at=Timestamp(seconds=9), last_error="oops", last_error_at=Timestamp(seconds=10),
        degraded=True, degraded_reasons=["slow", "dead"],
    )  # fmt: skip


def test_a_pipeline_at_rest_has_nothing_to_tell(server: TestServer) -> None:
    """Unknown figures are absent, zeros are zeros."""
    status = server.ok("GetPipelineStatus", pb.GetPipelineStatusRequest()).status

    assert status == pb.PipelineStatus()
    for name in ("oldest_age_ms", "queue_waiting", "queue_active", "queue_delayed", "queue_dead", "last_written_at"):
        assert not status.HasField(name)


def test_the_pipeline_is_unknown_while_the_store_is_away(server: TestServer, use_cases: UseCases) -> None:
    """STORE_UNAVAILABLE."""
    use_cases.pipeline.answer = StoreUnavailable("away")

    assert server.refused("GetPipelineStatus", pb.GetPipelineStatusRequest()).reason == "STORE_UNAVAILABLE"
