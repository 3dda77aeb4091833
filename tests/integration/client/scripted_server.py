"""A server that answers as a test says, and remembers what it was sent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_status import rpc_status

from synckairos.client import SyncKairos
from synckairos.rpc.statuses import pushback_of, status_of
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceServicer, add_SessionServiceServicer_to_server

Step = BaseException | Any
"""An error of the server to end a call with, the message to answer it with, or an event that keeps it waiting."""


@dataclass
class ScriptedServer(SessionServiceServicer):
    """Takes one step of `script` for every call; the last one stays."""

    script: list[Step]
    calls: list[Any] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    address: str = ""

    async def StartSession(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        """Answer a mutation."""
        return await self._answer(request, context)

    async def GetSession(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        """Answer a read."""
        return await self._answer(request, context)

    async def WatchSession(self, request: Any, context: Any) -> None:  # noqa: N802 - the name of the RPC
        """Send the messages of a step, a list, and end with the error that may stand at its end."""
        self._note(request, context)
        for message in self._step():
            if isinstance(message, BaseException):
                await self._fail(message, context)
            elif isinstance(message, asyncio.Event):
                await message.wait()
            else:
                await context.write(message)

    async def WatchSessions(self, request: Any, context: Any) -> None:  # noqa: N802 - the name of the RPC
        """Send the messages of a step, a list, and end with the error that may stand at its end."""
        await self.WatchSession(request, context)

    async def ExecuteCommands(self, requests: AsyncIterator[Any], context: Any) -> None:  # noqa: N802 - as above
        """Hand the commands to a step, a function that is given them and writes the answers."""
        self._note(None, context)
        await self._step()(self, requests, context)

    def _note(self, request: Any, context: Any) -> None:
        self.calls.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.times.append(asyncio.get_running_loop().time())

    def _step(self) -> Any:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    async def _answer(self, request: Any, context: Any) -> Any:
        self._note(request, context)
        step = self._step()
        if isinstance(step, asyncio.Event):
            await step.wait()
        if isinstance(step, BaseException):
            await self._fail(step, context)
        return step

    async def _fail(self, error: BaseException, context: Any) -> None:
        if isinstance(error, grpc.RpcError):
            await context.abort(error.code(), "as the test says")  # type: ignore[attr-defined] # a call as well
        _, status = status_of(error, "r")
        rich = rpc_status.to_status(status)
        await context.abort(rich.code, rich.details, (*rich.trailing_metadata, *pushback_of(error)))


@asynccontextmanager
async def scripted(*script: Step, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[ScriptedServer]:
    """Run a server with a script while the body runs, encrypted if it has credentials."""
    servicer = ScriptedServer(list(script))
    server = grpc.aio.server()
    add_SessionServiceServicer_to_server(servicer, server)
    port = (
        server.add_secure_port("127.0.0.1:0", credentials) if credentials else server.add_insecure_port("127.0.0.1:0")
    )
    servicer.address = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield servicer
    finally:
        await server.stop(None)


@asynccontextmanager
async def connected(*script: Step) -> AsyncIterator[tuple[ScriptedServer, SyncKairos]]:
    """Run a server with a script, and a client of it, while the body runs."""
    async with scripted(*script) as server, await SyncKairos.connect(server.address) as client:
        yield server, client


def answers(answer: Callable[[Any], Any]) -> Callable[[ScriptedServer, AsyncIterator[Any], Any], Any]:
    """Return a step for ExecuteCommands that writes what a function returns for each message it is given."""

    async def step(server: ScriptedServer, requests: AsyncIterator[Any], context: Any) -> None:
        async for request in requests:
            server.calls.append(request)
            for response in answer(request):
                await context.write(response)

    return step


def commands_of(message: pb.ExecuteCommandsRequest) -> list[Any]:
    """Return the commands of a message, one or several."""
    return list(message.commands) or [message]
