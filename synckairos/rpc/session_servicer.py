"""SessionService's unary calls: read the request, ask the use case, answer."""

from collections.abc import Awaitable, Callable
from typing import Final

from google.protobuf.message import Message

from synckairos.application.listing import Filter, Listing, Page
from synckairos.application.ports import Position
from synckairos.application.sessions import View
from synckairos.domain.model import Mode, Status
from synckairos.rpc import paging, requests, tokens
from synckairos.rpc.admission import access
from synckairos.rpc.fields import Fields
from synckairos.rpc.interceptor import Context, deadline_of
from synckairos.rpc.mapping import session_message
from synckairos.rpc.session_commands import Result, SessionCommands, fill_reply, fill_result
from synckairos.rpc.timestamps import timestamp
from synckairos.rpc.token_signatures import UNSIGNED, Signatures
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

MAX_BATCH: Final = 100


def _mutation(kind: Callable[..., Result]) -> Callable[["SessionServicer", Message, Context], Awaitable[Result]]:
    """Return the call that makes the change a request asks for, and replies with a message of this kind."""

    async def call(servicer: "SessionServicer", request: Message, context: Context) -> Result:
        answer = await servicer.commands.judge(request, requests.sender(context), deadline_of(context))
        reply = kind(replayed=answer.replayed)
        fill_result(reply, answer)
        return reply

    return call


class SessionServicer:
    """Every unary call of SessionService; the interceptor turns errors into statuses."""

    def __init__(self, commands: SessionCommands, listing: Listing, signatures: Signatures = UNSIGNED) -> None:
        self.commands = commands
        self._listing = listing
        self._signatures = signatures

    CreateSession = _mutation(pb.CreateSessionResponse)
    StartSession = _mutation(pb.StartSessionResponse)
    SwitchCycle = _mutation(pb.SwitchCycleResponse)
    PauseSession = _mutation(pb.PauseSessionResponse)
    ResumeSession = _mutation(pb.ResumeSessionResponse)
    CompleteSession = _mutation(pb.CompleteSessionResponse)
    CancelSession = _mutation(pb.CancelSessionResponse)
    AddParticipant = _mutation(pb.AddParticipantResponse)
    RemoveParticipant = _mutation(pb.RemoveParticipantResponse)
    AdjustTime = _mutation(pb.AdjustTimeResponse)
    AdvanceClock = _mutation(pb.AdvanceClockResponse)
    UpdateSession = _mutation(pb.UpdateSessionResponse)
    DeleteSession = _mutation(pb.DeleteSessionResponse)

    async def GetSession(self, request: pb.GetSessionRequest, _context: Context) -> pb.GetSessionResponse:  # noqa: N802 - the contract's name
        """Return a session as of now."""
        reply = pb.GetSessionResponse()
        fill_reply(reply, await self.commands.get(request))
        return reply

    async def BatchGetSessions(  # noqa: N802 - the contract's name
        self, request: pb.BatchGetSessionsRequest, _context: Context
    ) -> pb.BatchGetSessionsResponse:
        """Return sessions as of now; missing ones are listed."""
        fields = Fields()
        ids = requests.session_ids(fields, "session_ids[{}]", list(request.session_ids), MAX_BATCH)
        fields.check()
        batch = await self._listing.at_once([access.qualified(one) for one in ids])
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
        tenant = access.tenant()
        after = tokens.read_position(fields, request.page_token, wanted, self._signatures, tenant)
        fields.check()
        page = await self._listing.page(wanted, after, size, tenant)
        messages, following = _fitting(page)
        return pb.ListSessionsResponse(
            sessions=messages,
            next_page_token=tokens.write_position(following, wanted, self._signatures) if following else "",
            server_time=timestamp(page.now),
        )


def _fitting(page: Page) -> tuple[list[session_pb2.Session], Position | None]:
    """Return the sessions of a page that fit into a reply, and the position where the next page begins."""
    messages = paging.fitting(session_message(view.session, view.now) for view in page.views)
    if len(messages) == len(page.views):
        return messages, page.next
    last = page.views[len(messages) - 1].session
    return messages, Position(last.created_at, last.session_id)
