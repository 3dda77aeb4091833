"""From AuditService's requests to queries; each wrong field is noted with its path."""

from synckairos.application.trail.audit import EventQuery, ParticipantQuery, SessionQuery
from synckairos.domain.events import EventType
from synckairos.domain.model import Mode, Status
from synckairos.rpc import paging, tokens
from synckairos.rpc.fields import Fields
from synckairos.v1 import audit_service_pb2 as pb


def events(fields: Fields, request: pb.ListSessionEventsRequest) -> EventQuery:
    """Read a query for events; `limit` is the size of the page."""
    start = fields.instant("after", request.after, present=request.HasField("after"))
    end = fields.instant("before", request.before, present=request.HasField("before"))
    _order(fields, ("after", start), ("before", end))
    query = EventQuery(
        session_id=fields.uuid("session_id", request.session_id),
        after=None,
        limit=paging.page_size(fields, request.page_size),
        types=fields.enums("types", request.types, EventType),
        participant_id=fields.uuid("participant_id", request.participant_id, required=False) or None,
        start=start,
        end=end,
        with_before=request.with_changes,
    )
    return query._replace(after=tokens.read_event(fields, request.page_token, query))


def participant_events(fields: Fields, request: pb.ListParticipantEventsRequest) -> ParticipantQuery:
    """Read a query for a participant's events; `limit` is the size of the page."""
    start = fields.instant("after", request.after, present=request.HasField("after"))
    end = fields.instant("before", request.before, present=request.HasField("before"))
    _order(fields, ("after", start), ("before", end))
    query = ParticipantQuery(
        participant_id=fields.uuid("participant_id", request.participant_id),
        after=None,
        limit=paging.page_size(fields, request.page_size),
        types=fields.enums("types", request.types, EventType),
        start=start,
        end=end,
    )
    return query._replace(after=tokens.read_participant(fields, request.page_token, query))


def sessions(fields: Fields, request: pb.ListAuditedSessionsRequest) -> SessionQuery:
    """Read a query for sessions; `limit` is the size of the page."""
    start = fields.instant("created_after", request.created_after, present=request.HasField("created_after"))
    end = fields.instant("created_before", request.created_before, present=request.HasField("created_before"))
    _order(fields, ("created_after", start), ("created_before", end))
    query = SessionQuery(
        after=None,
        limit=paging.page_size(fields, request.page_size),
        statuses=fields.enums("statuses", request.statuses, Status),
        modes=fields.enums("modes", request.modes, Mode),
        start=start,
        end=end,
        omit_deleted=request.omit_deleted,
    )
    return query._replace(after=tokens.read_audited(fields, request.page_token, query))


def _order(fields: Fields, low: tuple[str, int | None], high: tuple[str, int | None]) -> None:
    (low_path, start), (high_path, end) = low, high
    if start is not None and end is not None and end <= start:
        fields.refuse(high_path, f"must be later than {low_path}")
