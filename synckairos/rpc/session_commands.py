"""The calls about one session, made alone or as commands of a stream: both are judged here."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeAlias

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.application.ports import Request
from synckairos.application.sessions import Answer, Sessions
from synckairos.domain.commands import Caller, Cancel, Command, Pause, Resume, Start
from synckairos.domain.errors import InvalidField
from synckairos.domain.tenancy import bare_id
from synckairos.rpc import requests
from synckairos.rpc.admission import access
from synckairos.rpc.controls import requests as control_requests
from synckairos.rpc.fields import Fields
from synckairos.rpc.mapping import fill_session
from synckairos.rpc.requests import Sender, Target
from synckairos.rpc.timestamps import set_timestamp
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb

FINGERPRINT_BYTES: Final = 16

_Read: TypeAlias = Callable[[Fields, Any], Command]
_Judge: TypeAlias = Callable[[Any, Sender, float], Awaitable[Answer]]

_CHANGES: Final[dict[type[Message], _Read]] = {
    pb.StartSessionRequest: lambda _fields, _request: Start(),
    pb.SwitchCycleRequest: requests.switch,
    pb.PauseSessionRequest: lambda _fields, _request: Pause(),
    pb.ResumeSessionRequest: lambda _fields, _request: Resume(),
    pb.CompleteSessionRequest: requests.complete,
    pb.CancelSessionRequest: lambda _fields, _request: Cancel(),
    pb.AddParticipantRequest: requests.add_participant,
    pb.RemoveParticipantRequest: requests.remove_participant,
    pb.AdjustTimeRequest: requests.adjust_time,
    pb.AdvanceClockRequest: requests.advance_clock,
    pb.UpdateSessionRequest: requests.update,
}
"""The reader of a request's command, by the request's type."""


class SessionCommands:
    """The mutations and GetSession: read the request, ask the use case."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._judges: dict[type[Message], _Judge] = {
            pb.CreateSessionRequest: self._create,
            pb.GetSessionRequest: lambda request, _sender, _until: self.get(request),
            pb.DeleteSessionRequest: self._delete,
        }

    async def judge(self, request: Message, sender: Sender, until: float) -> Answer:
        """Answer a request of any of these calls, by `until` (monotonic seconds).

        Raises InvalidField, the Refusals of the domain, RequestIdReused, CatchingUp and the store's errors.
        """
        read = _CHANGES.get(type(request))
        try:
            if read is not None:
                return await self._change(read, request, sender, until)
            return await self._judges[type(request)](request, sender, until)
        except InvalidField as error:
            raise control_requests.as_given(error, request) from error

    async def get(self, request: pb.GetSessionRequest) -> Answer:
        """Answer with a session as of now; raises InvalidField, SessionNotFound, CatchingUp, StoreUnavailable."""
        fields = Fields()
        session_id = fields.uuid("session_id", request.session_id)
        fields.check()
        return Answer(*await self._sessions.get(access.qualified(session_id)))

    async def _change(self, read: _Read, request: Any, sender: Sender, until: float) -> Answer:  # noqa: ANN401 - any mutation's request
        fields = Fields()
        command = read(fields, request)
        caller, target = _caller(fields, request, sender)
        session_id, origin = access.qualified(target.session_id), _origin(request, target, sender)
        return await self._sessions.change(session_id, command, caller, origin, until)

    async def _create(self, request: pb.CreateSessionRequest, sender: Sender, until: float) -> Answer:
        fields = Fields()
        target, command = requests.create(fields, request)
        caller = Caller(requests.author(fields, sender, target.reason))
        fields.check()
        if target.session_id:
            session_id = access.qualified(target.session_id)
        else:
            session_id = self._sessions.session_id_for(target.request_id, access.tenant())
        return await self._sessions.create(session_id, command, caller, _origin(request, target, sender), until)

    async def _delete(self, request: pb.DeleteSessionRequest, sender: Sender, until: float) -> Answer:
        caller, target = _caller(Fields(), request, sender)
        session_id, origin = access.qualified(target.session_id), _origin(request, target, sender)
        return await self._sessions.delete(session_id, caller, origin, until, allow_missing=request.allow_missing)


class Reply(Protocol):
    """The fields of every reply about one session."""

    @property
    def session(self) -> session_pb2.Session:
        """The session; absent until it is filled."""

    @property
    def server_time(self) -> Timestamp:
        """The instant at which the session was judged."""


class Result(Reply, Protocol):
    """The fields of the reply to a mutation, or of a command's result: what was reached is there, too."""

    durability: session_pb2.Durability.ValueType
    replicas: int


def fill_reply(reply: Reply, answer: Answer) -> None:
    """Write an answer into its message: the session as of its instant, or only the identity of one that is gone."""
    set_timestamp(reply.server_time, answer.now)
    if answer.session is not None:
        fill_session(reply.session, answer.session, answer.now)
    elif answer.gone is not None:
        session_id, epoch, version = answer.gone
        reply.session.CopyFrom(session_pb2.Session(session_id=bare_id(session_id), epoch=epoch, version=version))


def fill_result(result: Result, answer: Answer) -> None:
    """Write an answer into its message, with what was reached for a change."""
    fill_reply(result, answer)
    if answer.durability is not None:
        result.durability = answer.durability.level  # type: ignore[assignment] # the contract's number
        if answer.durability.replicas:
            result.replicas = answer.durability.replicas


def _caller(fields: Fields, request: Any, sender: Sender) -> tuple[Caller, Target]:  # noqa: ANN401 - any mutation's request
    """Read the fields that all mutations share; refuse the request if any field is wrong."""
    target = requests.target(fields, request, expected_version=request.expected_version)
    author = requests.author(fields, sender, target.reason)
    fields.check()
    return Caller(author, target.expected_version), target


def _origin(request: Message, target: Target, sender: Sender) -> Request:
    if not target.request_id:
        return Request(peer=sender.peer, call_id=sender.call_id)
    digest = hashlib.blake2b(requests.fingerprint_material(request), digest_size=FINGERPRINT_BYTES)
    return Request(target.request_id, digest.digest(), sender.peer, sender.call_id)
