"""A good CreateSession request of every mode, to be changed by tests."""

from typing import Any, Final

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

ANN, BOB, CLEO = (f"20000000-0000-4000-8000-00000000000{digit}" for digit in "abc")
RED, BLUE, GREEN = (f"40000000-0000-4000-8000-00000000000{digit}" for digit in "abc")
DAYS_28: Final = 2_419_200_000
HOUR: Final = 3_600_000


def member(participant_id: str = ANN, **fields: Any) -> session_pb2.ParticipantSpec:
    """Return a participant."""
    return session_pb2.ParticipantSpec(participant_id=participant_id, **fields)


def group(group_id: str = RED, total_time_ms: int = 60_000) -> session_pb2.GroupSpec:
    """Return a group."""
    return session_pb2.GroupSpec(group_id=group_id, total_time_ms=total_time_ms)


def players(**fields: Any) -> list[session_pb2.ParticipantSpec]:
    """Return ANN and BOB with a bank each."""
    return [member(ANN, total_time_ms=60_000, **fields), member(BOB, total_time_ms=60_000)]


BASES: Final[dict[str, dict[str, Any]]] = {
    "participant": {"mode": session_pb2.MODE_PER_PARTICIPANT, "participants": players()},
    "cycle": {"mode": session_pb2.MODE_PER_CYCLE, "participants": [member(), member(BOB)], "time_per_cycle_ms": 60_000},
    "group": {
        "mode": session_pb2.MODE_PER_GROUP,
        "participants": [member(group_id=RED), member(BOB, group_id=BLUE)],
        "groups": [group(), group(BLUE)],
    },
    "global": {"mode": session_pb2.MODE_GLOBAL, "total_time_ms": 60_000},
    "count up": {"mode": session_pb2.MODE_COUNT_UP},
}


def create(base: str, **changes: Any) -> pb.CreateSessionRequest:
    """Return a good request of a mode, some fields changed."""
    return pb.CreateSessionRequest(**{**BASES[base], **changes})
