"""AuditService: read the request, ask the trail, the pipeline or the recovery, answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from synckairos.application.errors import AuditUnavailable
from synckairos.application.pipeline.status import PipelineReport
from synckairos.application.ports import Receipt, Request
from synckairos.application.recovery import Recovery
from synckairos.application.sessions import Answer
from synckairos.application.trail.audit import (
    AuditedEvent,
    AuditedSession,
    AuditReader,
    EventKey,
    ParticipantKey,
    SessionKey,
)
from synckairos.application.trail.clock_accounts import explain_clock
from synckairos.domain.errors import SessionNotFound
from synckairos.domain.recovery import RecoveryPolicy
from synckairos.rpc import paging, requests, tokens
from synckairos.rpc.admission import access
from synckairos.rpc.audit import requests as audit_requests
from synckairos.rpc.audit.mapping import audited_event, audited_session, clock_line, pipeline_status, session_audit
from synckairos.rpc.fields import MAX_REASON_BYTES, Fields
from synckairos.rpc.interceptor import Context, deadline_of
from synckairos.rpc.session_commands import fill_result
from synckairos.rpc.timestamps import timestamp
from synckairos.rpc.token_signatures import UNSIGNED, Signatures
from synckairos.v1 import audit_service_pb2 as pb

SHARE_OF_TIME: Final = 0.9
"""The share of a call's time that reading may take; the rest is left to answer that it took too long."""

ReadT = TypeVar("ReadT")


class AuditServicer:
    """Every call of AuditService; the interceptor answers errors."""

    def __init__(
        self,
        reader: AuditReader,
        pipeline: PipelineReport,
        recovery: Recovery,
        now_us: Callable[[], int],
        signatures: Signatures = UNSIGNED,
    ) -> None:
        self._reader = reader
        self._pipeline = pipeline
        self._recovery = recovery
        self._now_us = now_us
        self._signatures = signatures

    async def ListSessionEvents(  # noqa: N802 - the contract's name
        self, request: pb.ListSessionEventsRequest, context: Context
    ) -> pb.ListSessionEventsResponse:
        """Return a page of a session's events, oldest first."""
        fields = Fields()
        query = audit_requests.events(fields, request, self._signatures)
        fields.check()
        page = paging.fill(query, self._reader.events, _event_key, audited_event)
        events, last = await _in_time(context, page)
        if not events and (await _in_time(context, self._reader.latest([query.session_id])))[0] is None:
            raise SessionNotFound(query.session_id)
        return pb.ListSessionEventsResponse(
            events=events, next_page_token=tokens.write_place(last, query, self._signatures)
        )

    async def ListParticipantEvents(  # noqa: N802 - the contract's name
        self, request: pb.ListParticipantEventsRequest, context: Context
    ) -> pb.ListParticipantEventsResponse:
        """Return a page of a participant's events in all sessions, oldest first."""
        fields = Fields()
        query = audit_requests.participant_events(fields, request, self._signatures)
        fields.check()
        page = paging.fill(query, self._reader.participant_events, _participant_key, audited_event)
        events, last = await _in_time(context, page)
        return pb.ListParticipantEventsResponse(
            events=events, next_page_token=tokens.write_place(last, query, self._signatures)
        )

    async def GetSessionAudit(  # noqa: N802 - the contract's name
        self, request: pb.GetSessionAuditRequest, context: Context
    ) -> pb.GetSessionAuditResponse:
        """Return the summary of a session and its participants' statistics."""
        fields = Fields()
        session_id = access.qualified(fields.uuid("session_id", request.session_id))
        fields.check()
        audit = await _in_time(context, self._reader.session(session_id))
        if audit is None:
            raise SessionNotFound(session_id)
        return session_audit(audit)

    async def ListAuditedSessions(  # noqa: N802 - the contract's name
        self, request: pb.ListAuditedSessionsRequest, context: Context
    ) -> pb.ListAuditedSessionsResponse:
        """Return a page of the trail's sessions, newest first."""
        fields = Fields()
        query = audit_requests.sessions(fields, request, self._signatures)
        fields.check()
        page = paging.fill(query, self._reader.sessions, _session_key, audited_session)
        sessions, last = await _in_time(context, page)
        return pb.ListAuditedSessionsResponse(
            sessions=sessions, next_page_token=tokens.write_place(last, query, self._signatures)
        )

    async def RecoverSession(  # noqa: N802 - the contract's name
        self, request: pb.RecoverSessionRequest, context: Context
    ) -> pb.RecoverSessionResponse:
        """Bring back a session that the store has lost."""
        fields = Fields()
        sender = requests.sender(context)
        session_id = access.qualified(fields.uuid("session_id", request.session_id))
        policy = fields.enum("policy", request.policy, RecoveryPolicy) or RecoveryPolicy.CONTINUE
        author = requests.author(fields, sender, fields.text("reason", request.reason, MAX_REASON_BYTES))
        fields.check()
        receipt = Receipt()
        view = await self._recovery.recover(
            session_id,
            policy,
            author,
            Request(peer=sender.peer, call_id=sender.call_id),
            deadline_of(context),
            receipt,
        )
        reply = pb.RecoverSessionResponse()
        fill_result(reply, Answer(view.session, view.now, durability=receipt.durability))
        return reply

    async def ExplainClock(  # noqa: N802 - the contract's name
        self, request: pb.ExplainClockRequest, context: Context
    ) -> pb.ExplainClockResponse:
        """Return a page of the account of a clock, oldest line first."""
        fields = Fields()
        query = audit_requests.clock(fields, request, self._signatures)
        fields.check()
        page = await _in_time(context, explain_clock(self._reader, query))
        return pb.ExplainClockResponse(
            lines=map(clock_line, page.lines),
            balance_ms=page.balance_ms,
            next_page_token=tokens.write_place(page.following, query, self._signatures),
        )

    async def GetPipelineStatus(  # noqa: N802 - the contract's name
        self, _request: pb.GetPipelineStatusRequest, _context: Context
    ) -> pb.GetPipelineStatusResponse:
        """Return how far the trail is behind."""
        status = await self._pipeline.status()
        return pb.GetPipelineStatusResponse(
            status=pipeline_status(status), server_time=timestamp(self._now_us() // 1_000)
        )


def _event_key(audited: AuditedEvent) -> EventKey:
    session = audited.record.event.session
    return EventKey(session.epoch, session.version, session.change_id)


def _participant_key(audited: AuditedEvent) -> ParticipantKey:
    session = audited.record.event.session
    return ParticipantKey(session.updated_at, session.change_id)


def _session_key(summary: AuditedSession) -> SessionKey:
    return SessionKey(summary.session.created_at, summary.session.session_id)


async def _in_time(context: Context, reading: Awaitable[ReadT]) -> ReadT:
    """Return the result of a reading; raises AuditUnavailable if it takes nearly all of the call's time.

    Without a deadline a call has 10 s. A database that hangs looks like a slow one until its own timeouts pass.
    """
    left = deadline_of(context) - time.monotonic()
    try:
        async with asyncio.timeout(left * SHARE_OF_TIME):
            return await reading
    except TimeoutError as error:
        raise AuditUnavailable("the audit trail did not answer in time") from error
