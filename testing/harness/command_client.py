"""A backend that drives sessions over ExecuteCommands: commands sent, answers recorded."""

from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Problem, StreamReader, Stub, problem_of, reading
from testing.harness.waiting import PATIENCE_S

FIELDS = {
    field.message_type.full_name: field.name
    for field in pb.ExecuteCommandsRequest.DESCRIPTOR.oneofs_by_name["command"].fields
    if field.message_type is not None
}
"""The field of a command, by the type of the request it holds."""


def command(command_id: str, request: Message) -> pb.ExecuteCommandsRequest:
    """Return a request as a command."""
    made = pb.ExecuteCommandsRequest(command_id=command_id)
    getattr(made, FIELDS[request.DESCRIPTOR.full_name]).CopyFrom(request)
    return made


def together(*commands: pb.ExecuteCommandsRequest) -> pb.ExecuteCommandsRequest:
    """Return commands as one message."""
    return pb.ExecuteCommandsRequest(commands=[pb.Command.FromString(one.SerializeToString()) for one in commands])


def answers_in(response: pb.ExecuteCommandsResponse) -> list[pb.ExecuteCommandsResponse]:
    """Return the answers of a message, one or several, each as if it had come by itself."""
    if not response.outcomes:
        return [response]
    return [pb.ExecuteCommandsResponse.FromString(one.SerializeToString()) for one in response.outcomes]


class _Refusal(NamedTuple):
    """A status of the stream, as `problem_of` takes errors apart."""

    status: status_pb2.Status

    def trailing_metadata(self) -> Any:
        return rpc_status.to_status(self.status).trailing_metadata

    def code(self) -> grpc.StatusCode:
        return next(code for code in grpc.StatusCode if code.value[0] == self.status.code)

    def details(self) -> str:
        return str(self.status.message)


def refusal_of(response: pb.ExecuteCommandsResponse) -> Problem:
    """Take the status of a response apart; fails if it has none."""
    assert response.WhichOneof("outcome") == "status", response
    failed: Any = _Refusal(response.status)
    return problem_of(failed)


class Driving(StreamReader[pb.ExecuteCommandsResponse]):
    """A stream of commands, with everything it answered."""

    @property
    def answers(self) -> list[pb.ExecuteCommandsResponse]:
        """The answers, in order, also those of batches."""
        return [answer for message in self.messages for answer in answers_in(message)]

    @property
    def ids(self) -> list[str]:
        """The ids of the answers, in order."""
        return [answer.command_id for answer in self.answers]

    def said(self) -> list[str]:
        """Return the ids of the answers."""
        return self.ids

    async def send(self, command_id: str, request: Message) -> None:
        """Send a request as a command."""
        await self.call.write(command(command_id, request))

    async def send_together(self, *commands: pb.ExecuteCommandsRequest) -> None:
        """Send commands in one message."""
        await self.call.write(together(*commands))

    async def ask(self, command_id: str, request: Message) -> pb.ExecuteCommandsResponse:
        """Send a request and wait for the answer under its id, which must be a new one."""
        await self.send(command_id, request)
        await self.until(lambda _: command_id in self.ids)
        return self.of(command_id)

    def of(self, command_id: str) -> pb.ExecuteCommandsResponse:
        """Return the answer to a command."""
        (answer,) = [answer for answer in self.answers if answer.command_id == command_id]
        return answer

    async def answered(self, count: int, seconds: float = PATIENCE_S) -> list[pb.ExecuteCommandsResponse]:
        """Wait for this many answers."""
        await self.until(lambda _: len(self.answers) >= count, seconds)
        return self.answers


def driving(stub: Stub, **options: Any) -> AbstractAsyncContextManager[Driving]:
    """Open a stream of commands while the body runs."""
    return reading(Driving(stub.ExecuteCommands(**options)))
