"""SessionService's unary calls: read the request, ask the use case, answer."""

import hashlib
from typing import Any, Final, Protocol, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.application.listing import Filter, Listing, Page
from synckairos.application.ports import Position, Request
from synckairos.application.sessions import Answer, Sessions, View
from synckairos.domain.commands import Caller, Cancel, Command, Complete, Pause, Resume, Start
from synckairos.domain.events import Author
from synckairos.domain.model import Mode, Status
from synckairos.rpc import page_tokens, paging, requests
from synckairos.rpc.calls import Context, deadline_of
from synckairos.rpc.fields import Fields
from synckairos.rpc.mapping import fill_session, session_message, set_timestamp, timestamp
from synckairos.rpc.requests import Target
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

FINGERPRINT_BYTES: Final = 16
MAX_BATCH: Final = 100


class _Reply(Protocol):
    def __init__(self, *, replayed: bool = False) -> None: ...

    @property
    def session(self) -> session_pb2.Session: ...

    @property
    def server_time(self) -> Timestamp: ...


ReplyT = TypeVar("ReplyT", bound=_Reply)


class SessionServicer:
    """Every unary call of SessionService; errors are the interceptor's business."""

    def __init__(self, sessions: Sessions, listing: Listing) -> None:
        self._sessions = sessions
        self._listing = listing

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Context) -> pb.CreateSessionResponse:  # noqa: N802 - the contract's name
        """Create a session."""
        fields = Fields()
        actor = requests.actor(fields, context)
        target, command = requests.create(fields, request)
        fields.check()
        session_id = target.session_id or self._sessions.session_id_for(target.request_id)
        caller = Caller(Author(actor, target.reason))
        answer = await self._sessions.create(
            session_id, command, caller, _origin(request, target, context), deadline_of(context)
        )
        return _reply(pb.CreateSessionResponse, answer)

    async def GetSession(self, request: pb.GetSessionRequest, _context: Context) -> pb.GetSessionResponse:  # noqa: N802 - the contract's name
        """Return a session as of now."""
        fields = Fields()
        session_id = fields.uuid("session_id", request.session_id)
        fields.check()
        session, now = await self._sessions.get(session_id)
        reply = pb.GetSessionResponse()
        fill_session(reply.session, session, now)
        set_timestamp(reply.server_time, now)
        return reply

    async def BatchGetSessions(  # noqa: N802 - the contract's name
        self, request: pb.BatchGetSessionsRequest, _context: Context
    ) -> pb.BatchGetSessionsResponse:
        """Return sessions as of now; missing ones are listed."""
        fields = Fields()
        ids = requests.session_ids(fields, "session_ids[{}]", list(request.session_ids), MAX_BATCH)
        fields.check()
        batch = await self._listing.at_once(ids)
        views = [one for one in batch.found if isinstance(one, View)]
        messages = paging.fitting(session_message(view.session, view.now) for view in views)
        missing = [sid for sid, one in zip(ids, batch.found, strict=True) if one is None]
        told = {*missing, *(message.session_id for message in messages)}
        return pb.BatchGetSessionsResponse(
            sessions=messages,
            missing_session_ids=missing,
            unread_session_ids=[sid for sid in ids if sid not in told],
            server_time=timestamp(batch.now),
        )

    async def ListSessions(self, request: pb.ListSessionsRequest, _context: Context) -> pb.ListSessionsResponse:  # noqa: N802 - the contract's name
        """Return a page of sessions, newest first."""
        fields = Fields()
        wanted = Filter(
            statuses=fields.enums("statuses", request.statuses, Status),
            modes=fields.enums("modes", request.modes, Mode),
            labels=fields.labels("labels", request.labels),
        )
        size = paging.page_size(fields, request.page_size)
        after = page_tokens.read(fields, request.page_token, wanted)
        fields.check()
        page = await self._listing.page(wanted, after, size)
        messages, following = _fitting(page)
        return pb.ListSessionsResponse(
            sessions=messages,
            next_page_token=page_tokens.write(following, wanted) if following else "",
            server_time=timestamp(page.now),
        )

    async def StartSession(self, request: pb.StartSessionRequest, context: Context) -> pb.StartSessionResponse:  # noqa: N802 - the contract's name
        """Start the first cycle."""
        return _reply(pb.StartSessionResponse, await self._change(request, context, Fields(), Start()))

    async def SwitchCycle(self, request: pb.SwitchCycleRequest, context: Context) -> pb.SwitchCycleResponse:  # noqa: N802 - the contract's name
        """End the running turn and start the next one."""
        fields = Fields()
        command = requests.switch(fields, request)
        return _reply(pb.SwitchCycleResponse, await self._change(request, context, fields, command))

    async def PauseSession(self, request: pb.PauseSessionRequest, context: Context) -> pb.PauseSessionResponse:  # noqa: N802 - the contract's name
        """Stop the clock for now."""
        return _reply(pb.PauseSessionResponse, await self._change(request, context, Fields(), Pause()))

    async def ResumeSession(self, request: pb.ResumeSessionRequest, context: Context) -> pb.ResumeSessionResponse:  # noqa: N802 - the contract's name
        """Let the clock run on."""
        return _reply(pb.ResumeSessionResponse, await self._change(request, context, Fields(), Resume()))

    async def CompleteSession(  # noqa: N802 - the contract's name
        self, request: pb.CompleteSessionRequest, context: Context
    ) -> pb.CompleteSessionResponse:
        """End the session well."""
        return _reply(pb.CompleteSessionResponse, await self._change(request, context, Fields(), Complete()))

    async def CancelSession(self, request: pb.CancelSessionRequest, context: Context) -> pb.CancelSessionResponse:  # noqa: N802 - the contract's name
        """End the session without a result."""
        return _reply(pb.CancelSessionResponse, await self._change(request, context, Fields(), Cancel()))

    async def AddParticipant(self, request: pb.AddParticipantRequest, context: Context) -> pb.AddParticipantResponse:  # noqa: N802 - the contract's name
        """Let somebody join."""
        fields = Fields()
        command = requests.add_participant(fields, request)
        return _reply(pb.AddParticipantResponse, await self._change(request, context, fields, command))

    async def RemoveParticipant(  # noqa: N802 - the contract's name
        self, request: pb.RemoveParticipantRequest, context: Context
    ) -> pb.RemoveParticipantResponse:
        """Take somebody out."""
        fields = Fields()
        command = requests.remove_participant(fields, request)
        return _reply(pb.RemoveParticipantResponse, await self._change(request, context, fields, command))

    async def AdjustTime(self, request: pb.AdjustTimeRequest, context: Context) -> pb.AdjustTimeResponse:  # noqa: N802 - the contract's name
        """Change what is left of a clock."""
        fields = Fields()
        command = requests.adjust_time(fields, request)
        if not request.reason:
            fields.refuse("reason", "is required")
        return _reply(pb.AdjustTimeResponse, await self._change(request, context, fields, command))

    async def UpdateSession(self, request: pb.UpdateSessionRequest, context: Context) -> pb.UpdateSessionResponse:  # noqa: N802 - the contract's name
        """Replace metadata or labels."""
        fields = Fields()
        command = requests.update(fields, request)
        return _reply(pb.UpdateSessionResponse, await self._change(request, context, fields, command))

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Context) -> pb.DeleteSessionResponse:  # noqa: N802 - the contract's name
        """Remove the session."""
        fields = Fields()
        caller, target = _caller(fields, request, context)
        answer = await self._sessions.delete(
            target.session_id,
            caller,
            _origin(request, target, context),
            deadline_of(context),
            allow_missing=request.allow_missing,
        )
        return _reply(pb.DeleteSessionResponse, answer)

    async def _change(self, request: Any, context: Context, fields: Fields, command: Command) -> Answer:  # noqa: ANN401 - any mutation's request
        caller, target = _caller(fields, request, context)
        origin = _origin(request, target, context)
        return await self._sessions.change(target.session_id, command, caller, origin, deadline_of(context))


def _caller(fields: Fields, request: Any, context: Context) -> tuple[Caller, Target]:  # noqa: ANN401 - any mutation's request
    """Read what all mutations share, and refuse the request if anything in it is wrong."""
    actor = requests.actor(fields, context)
    target = requests.target(fields, request, expected_version=request.expected_version)
    fields.check()
    return Caller(Author(actor, target.reason), target.expected_version), target


def _origin(request: Message, target: Target, context: Context) -> Request:
    if not target.request_id:
        return Request(peer=context.peer())
    digest = hashlib.blake2b(requests.fingerprint_material(request), digest_size=FINGERPRINT_BYTES)
    return Request(target.request_id, digest.digest(), context.peer())


def _reply(kind: type[ReplyT], answer: Answer) -> ReplyT:
    reply = kind(replayed=answer.replayed)
    set_timestamp(reply.server_time, answer.now)
    if answer.session is not None:
        fill_session(reply.session, answer.session, answer.now)
    elif answer.gone is not None:
        reply.session.MergeFrom(session_pb2.Session(**answer.gone._asdict()))
    return reply


def _fitting(page: Page) -> tuple[list[session_pb2.Session], Position | None]:
    """Return as many sessions of a page as a reply should hold, and where the next page begins."""
    messages = paging.fitting(session_message(view.session, view.now) for view in page.views)
    if len(messages) == len(page.views):
        return messages, page.next
    last = page.views[len(messages) - 1].session
    return messages, Position(last.created_at, last.session_id)
