"""SessionService's unary calls: read the request, ask the use case, answer."""

from typing import Final, Protocol, TypeVar

from google.protobuf.message import Message

from synckairos.application.listing import Filter, Listing, Page
from synckairos.application.ports import Position
from synckairos.application.sessions import View
from synckairos.domain.model import Mode, Status
from synckairos.rpc import paging, requests, tokens
from synckairos.rpc.fields import Fields
from synckairos.rpc.interceptor import Context, deadline_of
from synckairos.rpc.mapping import session_message, timestamp
from synckairos.rpc.session_commands import Reply, SessionCommands, fill_reply
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

MAX_BATCH: Final = 100


class _Reply(Reply, Protocol):
    def __init__(self, *, replayed: bool = False) -> None: ...


ReplyT = TypeVar("ReplyT", bound=_Reply)


class SessionServicer:
    """Every unary call of SessionService; errors are the interceptor's business."""

    def __init__(self, commands: SessionCommands, listing: Listing) -> None:
        self._commands = commands
        self._listing = listing

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Context) -> pb.CreateSessionResponse:  # noqa: N802 - the contract's name
        """Create a session."""
        return await self._answer(pb.CreateSessionResponse, request, context)

    async def GetSession(self, request: pb.GetSessionRequest, _context: Context) -> pb.GetSessionResponse:  # noqa: N802 - the contract's name
        """Return a session as of now."""
        reply = pb.GetSessionResponse()
        fill_reply(reply, await self._commands.get(request))
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
        after = tokens.read_position(fields, request.page_token, wanted)
        fields.check()
        page = await self._listing.page(wanted, after, size)
        messages, following = _fitting(page)
        return pb.ListSessionsResponse(
            sessions=messages,
            next_page_token=tokens.write_position(following, wanted) if following else "",
            server_time=timestamp(page.now),
        )

    async def StartSession(self, request: pb.StartSessionRequest, context: Context) -> pb.StartSessionResponse:  # noqa: N802 - the contract's name
        """Start the first cycle."""
        return await self._answer(pb.StartSessionResponse, request, context)

    async def SwitchCycle(self, request: pb.SwitchCycleRequest, context: Context) -> pb.SwitchCycleResponse:  # noqa: N802 - the contract's name
        """End the running turn and start the next one."""
        return await self._answer(pb.SwitchCycleResponse, request, context)

    async def PauseSession(self, request: pb.PauseSessionRequest, context: Context) -> pb.PauseSessionResponse:  # noqa: N802 - the contract's name
        """Stop the clock for now."""
        return await self._answer(pb.PauseSessionResponse, request, context)

    async def ResumeSession(self, request: pb.ResumeSessionRequest, context: Context) -> pb.ResumeSessionResponse:  # noqa: N802 - the contract's name
        """Let the clock run on."""
        return await self._answer(pb.ResumeSessionResponse, request, context)

    async def CompleteSession(  # noqa: N802 - the contract's name
        self, request: pb.CompleteSessionRequest, context: Context
    ) -> pb.CompleteSessionResponse:
        """End the session well."""
        return await self._answer(pb.CompleteSessionResponse, request, context)

    async def CancelSession(self, request: pb.CancelSessionRequest, context: Context) -> pb.CancelSessionResponse:  # noqa: N802 - the contract's name
        """End the session without a result."""
        return await self._answer(pb.CancelSessionResponse, request, context)

    async def AddParticipant(self, request: pb.AddParticipantRequest, context: Context) -> pb.AddParticipantResponse:  # noqa: N802 - the contract's name
        """Let somebody join."""
        return await self._answer(pb.AddParticipantResponse, request, context)

    async def RemoveParticipant(  # noqa: N802 - the contract's name
        self, request: pb.RemoveParticipantRequest, context: Context
    ) -> pb.RemoveParticipantResponse:
        """Take somebody out."""
        return await self._answer(pb.RemoveParticipantResponse, request, context)

    async def AdjustTime(self, request: pb.AdjustTimeRequest, context: Context) -> pb.AdjustTimeResponse:  # noqa: N802 - the contract's name
        """Change what is left of a clock."""
        return await self._answer(pb.AdjustTimeResponse, request, context)

    async def UpdateSession(self, request: pb.UpdateSessionRequest, context: Context) -> pb.UpdateSessionResponse:  # noqa: N802 - the contract's name
        """Replace metadata or labels."""
        return await self._answer(pb.UpdateSessionResponse, request, context)

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Context) -> pb.DeleteSessionResponse:  # noqa: N802 - the contract's name
        """Remove the session."""
        return await self._answer(pb.DeleteSessionResponse, request, context)

    async def _answer(self, kind: type[ReplyT], request: Message, context: Context) -> ReplyT:
        answer = await self._commands.judge(request, requests.sender(context), deadline_of(context))
        reply = kind(replayed=answer.replayed)
        fill_reply(reply, answer)
        return reply


def _fitting(page: Page) -> tuple[list[session_pb2.Session], Position | None]:
    """Return as many sessions of a page as a reply should hold, and where the next page begins."""
    messages = paging.fitting(session_message(view.session, view.now) for view in page.views)
    if len(messages) == len(page.views):
        return messages, page.next
    last = page.views[len(messages) - 1].session
    return messages, Position(last.created_at, last.session_id)
