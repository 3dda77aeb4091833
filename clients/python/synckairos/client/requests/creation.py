"""The request that creates a session."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from synckairos.client.requests.values import Json, at_most_one, optional, struct, timestamp
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.time_control_pb2 import SoftClose, TimeControl


def create_session(
    mode: "session_pb2.Mode.ValueType",
    *,
    session_id: str = "",
    participants: Sequence[session_pb2.ParticipantSpec] = (),
    groups: Sequence[session_pb2.GroupSpec] = (),
    time_control: TimeControl | None = None,
    time_control_text: str | None = None,
    total_time_ms: int = 0,
    time_per_cycle_ms: int = 0,
    increment_ms: int = 0,
    max_time_ms: int = 0,
    max_cycles: int = 0,
    on_expire: "session_pb2.OnExpire.ValueType" = session_pb2.ON_EXPIRE_UNSPECIFIED,
    warning_thresholds_ms: Sequence[int] = (),
    first_participant_id: str = "",
    session_limit_ms: int = 0,
    close_at: datetime | None = None,
    soft_close: SoftClose | None = None,
    idle_ttl_ms: int = 0,
    manual_clock: bool = False,
    durability: "session_pb2.Durability.ValueType" = session_pb2.DURABILITY_UNSPECIFIED,
    durability_replicas: int = 0,
    metadata: Json | None = None,
    labels: Mapping[str, str] | None = None,
    reason: str = "",
    request_id: str = "",
) -> pb.CreateSessionRequest:
    """Create a pending session of a mode; the fields that the mode does not use are refused, by name.

    Raises InvalidField, SessionAlreadyExists. Without a `session_id` the server makes one.
    """
    at_most_one(time_control=time_control, time_control_text=time_control_text)
    return pb.CreateSessionRequest(
        session_id=session_id,
        request_id=request_id,
        reason=reason,
        mode=mode,
        participants=participants,
        groups=groups,
        total_time_ms=total_time_ms,
        time_per_cycle_ms=time_per_cycle_ms,
        increment_ms=increment_ms,
        max_time_ms=max_time_ms,
        max_cycles=max_cycles,
        on_expire=on_expire,
        warning_thresholds_ms=warning_thresholds_ms,
        first_participant_id=first_participant_id,
        metadata=struct(metadata),
        labels=labels,
        idle_ttl_ms=idle_ttl_ms,
        time_control=time_control,
        time_control_text=optional(time_control_text),
        session_limit_ms=session_limit_ms,
        close_at=timestamp(close_at),
        soft_close=soft_close,
        manual_clock=manual_clock,
        durability=durability,
        durability_replicas=durability_replicas,
    )
