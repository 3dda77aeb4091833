"""A backend that drives sessions over ExecuteCommands: commands sent, answers recorded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Problem, Stub, problem_of

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


@dataclass(slots=True)
class Driving:
    """A stream of commands, everything it answered kept."""

    call: Any
    answers: list[pb.ExecuteCommandsResponse] = field(default_factory=list)
    error: grpc.RpcError | None = None
    ended: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        """Read until the stream ends."""
        try:
            async for answer in self.call:
                self.answers.append(answer)
                self._news.set()
        except grpc.RpcError as error:
            self.error = error
        finally:
            self.ended = True
            self._news.set()

    async def send(self, command_id: str, request: Message) -> None:
        """Send a request as a command."""
        await self.call.write(command(command_id, request))

    async def ask(self, command_id: str, request: Message) -> pb.ExecuteCommandsResponse:
        """Send a request and wait for the answer under its id, which must be a new one."""
        await self.send(command_id, request)
        await self.until(lambda: command_id in self.ids)
        return self.of(command_id)

    def of(self, command_id: str) -> pb.ExecuteCommandsResponse:
        """Return the answer to a command."""
        (answer,) = [answer for answer in self.answers if answer.command_id == command_id]
        return answer

    @property
    def ids(self) -> list[str]:
        """The ids of the answers, in order."""
        return [answer.command_id for answer in self.answers]

    async def answered(self, count: int, seconds: float = 20.0) -> list[pb.ExecuteCommandsResponse]:
        """Wait for so many answers."""
        await self.until(lambda: len(self.answers) >= count, seconds)
        return self.answers

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Wait until the condition holds; fails if the stream ends before."""
        async with asyncio.timeout(seconds):
            while not condition():
                assert not self.ended, f"the stream has ended: {self.error}"
                self._news.clear()
                await self._news.wait()

    async def until_end(self, seconds: float = 20.0) -> None:
        """Wait until the stream ends."""
        async with asyncio.timeout(seconds):
            while not self.ended:
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def driving(stub: Stub, **options: Any) -> AsyncIterator[Driving]:
    """Open a stream of commands while the body runs."""
    drive = Driving(stub.ExecuteCommands(**options))
    task = asyncio.create_task(drive.read())
    try:
        yield drive
    finally:
        drive.call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
