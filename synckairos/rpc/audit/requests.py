"""From AuditService's requests to queries; each wrong field is noted with its path."""

from google.protobuf.message import Message

from synckairos.application.trail.audit import EventQuery, ParticipantQuery, SessionQuery
from synckairos.application.trail.clock_accounts import ClockQuery
from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.events import EventType
from synckairos.domain.model import Mode, Status
from synckairos.rpc import paging, tokens
from synckairos.rpc.admission import access
from synckairos.rpc.fields import MAX_INT64, Fields
from synckairos.rpc.token_signatures import UNSIGNED, Signatures
from synckairos.v1 import audit_service_pb2 as pb


def events(fields: Fields, request: pb.ListSessionEventsRequest, signatures: Signatures = UNSIGNED) -> EventQuery:
    """Read a query for events; `limit` is the size of the page."""
    start, end = _period(fields, request, "after", "before")
    query = EventQuery(
        session_id=access.qualified(fields.uuid("session_id", request.session_id)),
        after=None,
        limit=paging.page_size(fields, request.page_size),
        types=fields.enums("types", request.types, EventType),
        participant_id=fields.uuid("participant_id", request.participant_id, required=False) or None,
        start=start,
        end=end,
        with_before=request.with_changes,
    )
    return query._replace(after=tokens.read_event(fields, request.page_token, query, signatures))


def participant_events(
    fields: Fields, request: pb.ListParticipantEventsRequest, signatures: Signatures = UNSIGNED
) -> ParticipantQuery:
    """Read a query for a participant's events; `limit` is the size of the page."""
    start, end = _period(fields, request, "after", "before")
    query = ParticipantQuery(
        participant_id=fields.uuid("participant_id", request.participant_id),
        after=None,
        limit=paging.page_size(fields, request.page_size),
        types=fields.enums("types", request.types, EventType),
        start=start,
        end=end,
        tenant=access.tenant(),
    )
    return query._replace(after=tokens.read_participant(fields, request.page_token, query, signatures))


def sessions(fields: Fields, request: pb.ListAuditedSessionsRequest, signatures: Signatures = UNSIGNED) -> SessionQuery:
    """Read a query for sessions; `limit` is the size of the page."""
    start, end = _period(fields, request, "created_after", "created_before")
    query = SessionQuery(
        after=None,
        limit=paging.page_size(fields, request.page_size),
        statuses=fields.enums("statuses", request.statuses, Status),
        modes=fields.enums("modes", request.modes, Mode),
        start=start,
        end=end,
        omit_deleted=request.omit_deleted,
        tenant=access.tenant(),
    )
    return query._replace(after=tokens.read_audited(fields, request.page_token, query, signatures))


def clock(fields: Fields, request: pb.ExplainClockRequest, signatures: Signatures = UNSIGNED) -> ClockQuery:
    """Read a query for the account of a clock; `limit` is the size of the page."""
    holder = Holder(
        participant_id=fields.uuid("participant_id", request.participant_id, required=False),
        group_id=fields.uuid("group_id", request.group_id, required=False),
    )
    query = ClockQuery(
        session_id=access.qualified(fields.uuid("session_id", request.session_id)),
        holder=holder,
        version=fields.between("version", request.version, 0, MAX_INT64),
        after=None,
        limit=paging.page_size(fields, request.page_size),
    )
    return query._replace(after=tokens.read_clock(fields, request.page_token, query, signatures))


def _period(fields: Fields, request: Message, after: str, before: str) -> tuple[int | None, int | None]:
    """Read the start and the end of a period from the fields of these names."""
    start, end = (
        fields.instant(path, getattr(request, path), present=request.HasField(path)) for path in (after, before)
    )
    if start is not None and end is not None and end <= start:
        fields.refuse(before, f"must be later than {after}")
    return start, end
