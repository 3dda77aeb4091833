"""One stream of commands to a server, whose answers are handed to those who asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from google.protobuf.message import Message

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub
from testing.harness.command_client import command, refusal_of

Answer = asyncio.Future[pb.ExecuteCommandsResponse]
ENDED: Final = "the stream of commands has ended"


class Refused(Exception):
    """The server refused a command, for this reason."""


class Commands:
    """Sends commands; those of one session are applied in the order sent."""

    def __init__(self, stub: Stub) -> None:
        self._requests: asyncio.Queue[pb.ExecuteCommandsRequest | None] = asyncio.Queue()
        self._waiting: dict[str, Answer] = {}
        self._sent = 0
        self._call = stub.ExecuteCommands(self._sending())

    def send(self, request: Message) -> Answer:
        """Send a request; its answer can be awaited."""
        self._sent += 1
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting[str(self._sent)] = answer
        self._requests.put_nowait(command(str(self._sent), request))
        return answer

    async def ask(self, *requests: Message) -> session_pb2.Session:
        """Send requests and return the session as the last of them left it; raises Refused if any was refused."""
        answers = [await sent for sent in [self.send(request) for request in requests]]
        for answer in answers:
            if answer.WhichOneof("outcome") == "status":
                raise Refused(refusal_of(answer).reason)
        return answers[-1].result.session

    async def read(self) -> None:
        """Hand out the answers until the stream ends."""
        try:
            async for answer in self._call:
                self._waiting.pop(answer.command_id).set_result(answer)
        finally:
            for waiting in self._waiting.values():
                waiting.set_exception(ConnectionError(ENDED))

    def close(self) -> None:
        """Send no more; the stream ends once everything is answered."""
        self._requests.put_nowait(None)

    async def _sending(self) -> AsyncIterator[pb.ExecuteCommandsRequest]:
        while (request := await self._requests.get()) is not None:
            yield request


@asynccontextmanager
async def commanding(stub: Stub) -> AsyncIterator[Commands]:
    """Yield a stream of commands; it ends with the body."""
    commands = Commands(stub)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(commands.read())
        yield commands
        commands.close()
