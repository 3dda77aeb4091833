"""What the calls of one client share: the channel, who calls, and how a call is made and repeated."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self, TypeAlias, TypeVar
from uuid import uuid4

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from synckairos.client.channel import channel_options
from synckairos.client.credentials import Token, authorization, check_token
from synckairos.client.errors import Contention, Unreachable
from synckairos.client.forks import use_grpc
from synckairos.client.statuses import error_of
from synckairos.v1 import audit_service_pb2, session_service_pb2, time_control_service_pb2, time_service_pb2

CONTENTION_TRIES: Final = 3
CONTENTION_PAUSE_S: Final = 0.1
"""Before a new try of a call that others kept from being made, where the server names no pause of its own."""

Reply = TypeVar("Reply", bound=Message)
Metadata: TypeAlias = tuple[tuple[str, str], ...]

METHODS: Final[dict[str, MethodDescriptor]] = {
    method.input_type.full_name: method
    for file, service in (
        (session_service_pb2, "SessionService"),
        (audit_service_pb2, "AuditService"),
        (time_control_service_pb2, "TimeControlService"),
        (time_service_pb2, "TimeService"),
    )
    for method in file.DESCRIPTOR.services_by_name[service].methods
}
"""The method of every request: no two methods share one."""


class ClientClosed(RuntimeError):
    """The client was closed; nothing can be asked with it any more."""


class UnsendableHeader(ValueError):
    """A token or an actor has characters that no header can hold."""


def path_of(method: MethodDescriptor) -> str:
    """Return how a method is named on the wire."""
    return f"/{method.containing_service.full_name}/{method.name}"


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How calls are made: `timeout_s` for each try (at most the 10 s of the service config), and who makes them."""

    timeout_s: float | None = None
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """A channel with the token that its calls carry."""

    address: str
    channel: grpc.aio.Channel
    token: Token | None = field(default=None, repr=False)
    options: CallOptions = CallOptions()

    @classmethod
    def open(
        cls, address: str, credentials: grpc.ChannelCredentials | None, token: Token | None, *, allow_insecure: bool
    ) -> Self:
        """Return a connection that has not been used yet.

        Raises ValueError for a token that would be exposed, RuntimeError in a fork of a process that used gRPC.
        """
        use_grpc()
        check_token(address, token, credentials, allow_insecure=allow_insecure)
        if credentials is None:
            return cls(address, grpc.aio.insecure_channel(address, options=channel_options()), token)
        return cls(address, grpc.aio.secure_channel(address, credentials, options=channel_options()), token)

    def with_options(self, options: CallOptions) -> Self:
        """Return the same channel with other options."""
        return replace(self, options=options)

    async def ready(self, within_s: float) -> None:
        """Wait until a server can be called; raises Unreachable if none can in time."""
        try:
            async with asyncio.timeout(within_s):
                await self.channel.channel_ready()
        except TimeoutError:
            text = f"no server at {self.address} has said within {within_s:g} s that it serves"
            raise Unreachable(grpc.StatusCode.UNAVAILABLE, text) from None

    async def metadata(self) -> Metadata:
        """Return what goes with every call; raises ValueError for what no header can hold."""
        actor = (("x-actor", self.options.actor),) if self.options.actor else ()
        sent = (*await authorization(self.token), *actor)
        for name, text in sent:
            if not (text.isascii() and text.isprintable()):
                # Without the text: it may be a secret.
                raise UnsendableHeader(f"{name} takes printable ASCII characters only")
        return sent

    async def unary(self, request: Message, reply: type[Reply]) -> Reply:
        """Make a call, and make it again while others keep the session from being changed; raises SyncKairosError.

        A mutation keeps its request_id however often it is sent, by gRPC itself or from here.
        """
        give_request_id(request)
        tries = 1
        while True:
            try:
                return await self._try(request, reply)
            except Contention as error:
                if tries == CONTENTION_TRIES:
                    raise
                pause_s = error.retry_after_s or CONTENTION_PAUSE_S
            tries += 1
            # Both who lost would otherwise meet again.
            await asyncio.sleep(pause_s * random.uniform(1.0, 1.5))  # noqa: S311 - spreads tries, guards no secret

    async def _try(self, request: Message, reply: type[Reply]) -> Reply:
        path = path_of(METHODS[request.DESCRIPTOR.full_name])
        call = self.channel.unary_unary(path, request_serializer=_serialized, response_deserializer=reply.FromString)
        metadata = await self.metadata()
        try:
            with _opening():
                begun = call(request, timeout=self.options.timeout_s, metadata=metadata)
            answer: Reply = await begun
        except grpc.RpcError as error:
            raise error_of(error) from error
        except asyncio.CancelledError:
            if is_own_cancellation():
                raise
            raise cut_off() from None
        return answer

    async def server_stream(self, request: Message) -> Any:  # noqa: ANN401 - grpc's calls are generic only in its stubs
        """Begin a call that is answered with a stream."""
        method = METHODS[request.DESCRIPTOR.full_name]
        call = self.channel.unary_stream(
            path_of(method),
            request_serializer=_serialized,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        metadata = await self.metadata()
        with _opening():
            return call(request, metadata=metadata)

    async def command_stream(self) -> Any:  # noqa: ANN401 - as above
        """Begin the stream of commands."""
        call = self.channel.stream_stream(
            path_of(METHODS[session_service_pb2.ExecuteCommandsRequest.DESCRIPTOR.full_name]),
            request_serializer=_serialized,
            response_deserializer=session_service_pb2.ExecuteCommandsResponse.FromString,
        )
        metadata = await self.metadata()
        with _opening():
            return call(metadata=metadata)


@contextmanager
def _opening() -> Iterator[None]:
    """Begin a call in the body; raises ClientClosed for what grpc.aio says of a channel that is closed."""
    try:
        yield
    except grpc.aio.UsageError as error:
        raise ClientClosed("this client is closed") from error


def is_own_cancellation() -> bool:
    """Whether a CancelledError is about the running task: grpc.aio makes one of a server's code CANCELLED, too."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def cut_off() -> Unreachable:
    """Return the error of a call that a stopping server cut off."""
    return Unreachable(grpc.StatusCode.CANCELLED, "the server was closing and cut the call off")


def give_request_id(request: Message) -> None:
    """Give a mutation a fresh request_id unless it has one."""
    has_id: Any = request  # whether a request has the field, its type does not say here
    if "request_id" in request.DESCRIPTOR.fields_by_name and not has_id.request_id:
        has_id.request_id = str(uuid4())


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
