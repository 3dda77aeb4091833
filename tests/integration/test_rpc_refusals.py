"""What the rules refuse, as a client sees it: code, reason and the facts in the metadata."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, refused
from testing.harness.in_process import serving, settings_for
from tests.integration.good_requests import ANN, BOB, CLEO, GREEN, RED, create, member, players

NOT_FOUND, ALREADY_EXISTS = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS
PRECONDITION, ABORTED = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED
START, PAUSE, CANCEL = pb.StartSessionRequest(), pb.PauseSessionRequest(), pb.CancelSessionRequest()
TRIO = {
    "participants": [*players(), member(CLEO, total_time_ms=60_000)],
    "on_expire": session_pb2.ON_EXPIRE_ELIMINATE,
}
ANN_IS_OUT = pb.AdjustTimeRequest(participant_id=ANN, set_ms=0, reason="over")
OVER = pb.AdjustTimeRequest(set_ms=0, reason="over")


@pytest.fixture(scope="module")
async def stub(redis_server: RedisServer) -> AsyncIterator[Stub]:
    """A client of a server."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        yield stub


def call(stub: Stub, request: Any, session_id: str) -> Any:
    """Make the call a request belongs to, about a session."""
    about = type(request)()
    about.CopyFrom(request)
    about.session_id = session_id
    return getattr(stub, request.DESCRIPTOR.name.removesuffix("Request"))(about)


CASES: list[tuple[str, dict[str, Any], list[Any], Any, grpc.StatusCode, str, dict[str, str]]] = [
    (
        "participant", {}, [START], pb.SwitchCycleRequest(next_participant_id=CLEO),
        NOT_FOUND, "PARTICIPANT_NOT_FOUND", {"participant_id": CLEO},
    ),
    (
        "participant", {}, [], pb.RemoveParticipantRequest(participant_id=CLEO),
        NOT_FOUND, "PARTICIPANT_NOT_FOUND", {"participant_id": CLEO},
    ),
    (
        "participant", {}, [], pb.AdjustTimeRequest(participant_id=CLEO, set_ms=1, reason="x"),
        NOT_FOUND, "PARTICIPANT_NOT_FOUND", {"participant_id": CLEO},
    ),
    (
        "group", {}, [], pb.AdjustTimeRequest(group_id=GREEN, set_ms=1, reason="x"),
        NOT_FOUND, "GROUP_NOT_FOUND", {"group_id": GREEN},
    ),
    (
        "group", {}, [], pb.AddParticipantRequest(participant=member(CLEO, group_id=GREEN)),
        NOT_FOUND, "GROUP_NOT_FOUND", {"group_id": GREEN},
    ),
    (
        "group", {}, [], pb.AddParticipantRequest(participant=member(BOB.upper(), group_id=RED)),
        ALREADY_EXISTS, "PARTICIPANT_ALREADY_EXISTS", {"participant_id": BOB},
    ),
    (
        "global", {}, [], pb.SwitchCycleRequest(),
        PRECONDITION, "INVALID_STATE_TRANSITION", {"from": "PENDING", "verb": "switch"},
    ),
    (
        "global", {}, [START, PAUSE], PAUSE,
        PRECONDITION, "INVALID_STATE_TRANSITION", {"from": "PAUSED", "verb": "pause"},
    ),
    (
        "global", {}, [CANCEL], pb.UpdateSessionRequest(labels={"a": "b"}),
        PRECONDITION, "INVALID_STATE_TRANSITION", {"from": "CANCELLED", "verb": "update"},
    ),
    (
        "participant", TRIO, [START, ANN_IS_OUT], pb.SwitchCycleRequest(next_participant_id=ANN),
        PRECONDITION, "PARTICIPANT_EXPIRED", {"participant_id": ANN, "group_id": ""},
    ),
    (
        "participant", TRIO, [START, ANN_IS_OUT], pb.AdjustTimeRequest(participant_id=ANN, set_ms=9, reason="x"),
        PRECONDITION, "PARTICIPANT_EXPIRED", {"participant_id": ANN, "group_id": ""},
    ),
    (
        "participant", {}, [START, ANN_IS_OUT], pb.SwitchCycleRequest(),
        PRECONDITION, "PARTICIPANT_EXPIRED", {"participant_id": ANN, "group_id": ""},
    ),
    ("global", {}, [START, OVER], pb.SwitchCycleRequest(), PRECONDITION, "SESSION_EXPIRED", {}),
    (
        "global", {}, [START], pb.SwitchCycleRequest(expected_version=1),
        ABORTED, "VERSION_CONFLICT", {"expected": "1", "actual": "2"},
    ),
    (
        "participant", {}, [START], pb.SwitchCycleRequest(expected_active_participant_id=BOB),
        ABORTED, "TURN_ADVANCED",
        {"expected_active_participant_id": BOB, "active_participant_id": ANN, "expired_participant_id": ""},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("base", "changes", "before", "request_", "code", "reason", "metadata"),
    [pytest.param(*case, id=f"{place}-{case[5]}") for place, case in enumerate(CASES)],
)
async def test_a_refusal_says_what_and_why(
    stub: Stub,
    base: str,
    changes: dict[str, Any],
    before: list[Any],
    request_: Any,
    code: grpc.StatusCode,
    reason: str,
    metadata: dict[str, str],
) -> None:
    """The rules' refusals have their codes and facts, no RetryInfo, and leave the session as it was."""
    sid = (await stub.CreateSession(create(base, **changes, session_id=new_id()))).session.session_id
    for request in before:
        await call(stub, request, sid)
    version = (await stub.GetSession(pb.GetSessionRequest(session_id=sid))).session.version

    problem = await refused(call(stub, request_, sid))

    assert (problem.code, problem.reason) == (code, reason)
    assert problem.metadata == (metadata or {"session_id": sid})
    assert problem.retry_after_s is None
    assert not problem.fields
    assert (await stub.GetSession(pb.GetSessionRequest(session_id=sid))).session.version == version
