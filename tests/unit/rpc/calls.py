"""A good request of every unary call, and the calls it needs before it."""

from typing import Any, Final

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from tests.unit.rpc.grpc_testing_adapter import TestServer

SID: Final = "10000000-0000-4000-8000-000000000001"
ANN, BOB, CLEO = (f"20000000-0000-4000-8000-00000000000{digit}" for digit in "abc")
RID: Final = "30000000-0000-4000-8000-000000000001"

MUTATIONS: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "CreateSession": (pb.CreateSessionRequest, {"mode": session_pb2.MODE_GLOBAL, "total_time_ms": 5_000}),
    "StartSession": (pb.StartSessionRequest, {}),
    "SwitchCycle": (pb.SwitchCycleRequest, {}),
    "PauseSession": (pb.PauseSessionRequest, {}),
    "ResumeSession": (pb.ResumeSessionRequest, {}),
    "CompleteSession": (pb.CompleteSessionRequest, {}),
    "CancelSession": (pb.CancelSessionRequest, {}),
    "AddParticipant": (pb.AddParticipantRequest, {"participant": {"participant_id": CLEO, "total_time_ms": 9_000}}),
    "RemoveParticipant": (pb.RemoveParticipantRequest, {"participant_id": BOB}),
    "AdjustTime": (pb.AdjustTimeRequest, {"participant_id": ANN, "set_ms": 1_234}),
    "AdvanceClock": (pb.AdvanceClockRequest, {"by_ms": 1_000}),
    "UpdateSession": (pb.UpdateSessionRequest, {"labels": {"a": "b"}}),
    "DeleteSession": (pb.DeleteSessionRequest, {}),
}
READS: Final[dict[str, Any]] = {
    "GetSession": pb.GetSessionRequest(session_id=SID),
    "BatchGetSessions": pb.BatchGetSessionsRequest(session_ids=[SID]),
    "ListSessions": pb.ListSessionsRequest(),
}
MANUAL: Final = "CreateSession with a manual clock"
NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "SwitchCycle": ("StartSession",),
    "PauseSession": ("StartSession",),
    "CompleteSession": ("StartSession",),
    "ResumeSession": ("StartSession", "PauseSession"),
    "AdvanceClock": (MANUAL,),
}
"""The calls a new session needs before this one is possible."""


def mutation(name: str, **more: Any) -> Any:
    """Return a good request of a mutation."""
    kind, fields = MUTATIONS[name]
    return kind(**{"session_id": SID, "reason": "because", **fields, **more})


def good_request(name: str) -> Any:
    """Return a good request of any unary call."""
    return READS[name] if name in READS else mutation(name)


def created(server: TestServer, *verbs: str) -> session_pb2.Session:
    """Create the session of ANN and BOB, and do some verbs to it."""
    banks = [session_pb2.ParticipantSpec(participant_id=one, total_time_ms=60_000) for one in (ANN, BOB)]
    request = pb.CreateSessionRequest(
        session_id=SID,
        mode=session_pb2.MODE_PER_PARTICIPANT,
        participants=banks,
        manual_clock=MANUAL in verbs,
    )
    session = server.call("CreateSession", request).response.session
    for verb in verbs:
        if verb != MANUAL:
            session = server.call(verb, mutation(verb)).response.session
    return session
