"""The requests to the audit trail, which raise AuditUnavailable while it cannot be read."""

from collections.abc import Sequence
from datetime import datetime

from synckairos.client.requests.values import at_most_one, optional, timestamp
from synckairos.v1 import audit_service_pb2 as pb
from synckairos.v1 import event_pb2, session_pb2


def list_session_events(
    session_id: str,
    *,
    page_size: int = 0,
    page_token: str = "",
    types: Sequence["event_pb2.EventType.ValueType"] = (),
    participant_id: str = "",
    after: datetime | None = None,
    before: datetime | None = None,
    with_changes: bool = False,
) -> pb.ListSessionEventsRequest:
    """Return a session's events, oldest first, across its lives, page by page; `after` is included, `before` is not."""
    return pb.ListSessionEventsRequest(
        session_id=session_id,
        page_size=page_size,
        page_token=page_token,
        types=types,
        participant_id=participant_id,
        after=timestamp(after),
        before=timestamp(before),
        with_changes=with_changes,
    )


def list_participant_events(
    participant_id: str,
    *,
    page_size: int = 0,
    page_token: str = "",
    types: Sequence["event_pb2.EventType.ValueType"] = (),
    after: datetime | None = None,
    before: datetime | None = None,
) -> pb.ListParticipantEventsRequest:
    """Return the events about a participant in all sessions, oldest first, one page at a time."""
    return pb.ListParticipantEventsRequest(
        participant_id=participant_id,
        page_size=page_size,
        page_token=page_token,
        types=types,
        after=timestamp(after),
        before=timestamp(before),
    )


def get_session_audit(session_id: str) -> pb.GetSessionAuditRequest:
    """Return a session's latest state in the trail, with the statistics of its participants."""
    return pb.GetSessionAuditRequest(session_id=session_id)


def list_audited_sessions(
    *,
    page_size: int = 0,
    page_token: str = "",
    statuses: Sequence["session_pb2.Status.ValueType"] = (),
    modes: Sequence["session_pb2.Mode.ValueType"] = (),
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    omit_deleted: bool = False,
) -> pb.ListAuditedSessionsRequest:
    """Return the sessions in the trail, newest first, one page at a time; long gone and deleted ones too."""
    return pb.ListAuditedSessionsRequest(
        page_size=page_size,
        page_token=page_token,
        statuses=statuses,
        modes=modes,
        created_after=timestamp(created_after),
        created_before=timestamp(created_before),
        omit_deleted=omit_deleted,
    )


def recover_session(
    session_id: str,
    *,
    policy: "pb.RecoveryPolicy.ValueType" = pb.RECOVERY_POLICY_UNSPECIFIED,
    reason: str = "",
) -> pb.RecoverSessionRequest:
    """Bring back a session that the store has lost, its clocks going on or paused. It is never repeated by itself."""
    return pb.RecoverSessionRequest(session_id=session_id, policy=policy, reason=reason)


def explain_clock(
    session_id: str,
    *,
    participant_id: str | None = None,
    group_id: str | None = None,
    version: int = 0,
    page_size: int = 0,
    page_token: str = "",
) -> pb.ExplainClockRequest:
    """Return the ledger of one clock, page by page: all that was given and taken, up to a version (0: the latest)."""
    at_most_one(participant_id=participant_id, group_id=group_id)
    return pb.ExplainClockRequest(
        session_id=session_id,
        participant_id=optional(participant_id),
        group_id=optional(group_id),
        version=version,
        page_size=page_size,
        page_token=page_token,
    )


def get_pipeline_status() -> pb.GetPipelineStatusRequest:
    """Return how far the trail is behind the sessions, and why."""
    return pb.GetPipelineStatusRequest()
