"""The ways to send a request: a call for each, or a stream of commands to each server, which several callers share."""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import count
from typing import Any, Final, NamedTuple, Protocol

import grpc

from testing.harness.client import Problem, Stub, problem_of
from testing.harness.command_client import command, refusal_of
from testing.robustness.history import Outcome

CALL_S: Final = 3.0
RETRIED: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})
UNKNOWN_REASONS: Final = frozenset({"OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL"})
BROKEN: Final = "STREAM_BROKEN"
"""The reason of a command without an answer when its stream ended."""
OF_THE_CLIENT: Final = "Internal error from Core"
"""What grpc.aio's client reports in place of the server's status when a write meets the end (grpc/grpc#36066)."""


class Answer(NamedTuple):
    """The outcome of a request; `reply` has its session, if it was answered OK."""

    outcome: Outcome
    reason: str = ""
    is_to_retry: bool = False
    reply: Any = None


class Sender(Protocol):
    """How requests are sent."""

    async def ask(self, server: int, request: Any) -> Answer:
        """Send a request to a server, and wait for its outcome."""


class CallSender:
    """Each request is a call of its own."""

    def __init__(self, stubs: Sequence[Stub]) -> None:
        self._stubs = stubs

    async def ask(self, server: int, request: Any) -> Answer:
        """Make one call."""
        method = type(request).__name__.removesuffix("Request")
        try:
            return Answer("ok", reply=await getattr(self._stubs[server], method)(request, timeout=CALL_S))
        except grpc.aio.AioRpcError as error:
            return _judged(error)


class CommandSender:
    """One stream of commands to each server, opened anew when it has ended."""

    def __init__(self, stubs: Sequence[Stub]) -> None:
        self._stubs = stubs
        self._ids = count(1)
        self._streams: dict[int, _CommandStream] = {}

    async def ask(self, server: int, request: Any) -> Answer:
        """Send one command."""
        stream = self._streams.get(server)
        if stream is None or stream.is_over:
            stream = self._streams[server] = _CommandStream(self._stubs[server].ExecuteCommands())
        try:
            async with asyncio.timeout(CALL_S):
                response = await stream.ask(str(next(self._ids)), request)
        except TimeoutError:
            return Answer("unknown", "DEADLINE_EXCEEDED", is_to_retry=True)
        except grpc.aio.AioRpcError as error:
            return _end_judged(error)
        except ConnectionError:
            return Answer("unknown", BROKEN, is_to_retry=True)
        if response.WhichOneof("outcome") == "status":
            return _told(refusal_of(response))
        return Answer("ok", reply=response.result)

    async def close(self) -> None:
        """End all streams."""
        for stream in self._streams.values():
            await stream.close()


class _CommandStream:
    """One stream: commands are written one after another, and each answer goes to the caller that waits for it."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._writing = asyncio.Lock()
        self._reader = asyncio.create_task(self._read())

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be answered."""
        return self._reader.done()

    async def ask(self, command_id: str, request: Any) -> Any:
        """Return the answer; raises AioRpcError or ConnectionError, by how the stream ended, if there was none."""
        answer = self._waiting[command_id] = asyncio.get_running_loop().create_future()
        try:
            async with self._writing:
                # A stream that has ended cannot be written to; its reader is told how it ended.
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await self._call.write(command(command_id, request))
            return await answer
        finally:
            del self._waiting[command_id]

    async def close(self) -> None:
        """End the stream."""
        self._call.cancel()
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        failure: Exception = ConnectionError("the stream of commands was left")
        try:
            async for response in self._call:
                answer = self._waiting.get(response.command_id)
                if answer is not None and not answer.done():
                    answer.set_result(response)
        except grpc.aio.AioRpcError as error:
            failure = error
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(failure)


def _judged(error: grpc.aio.AioRpcError) -> Answer:
    """Return whether an error says for sure that nothing was changed, and its reason."""
    try:
        return _told(problem_of(error))
    except AssertionError:
        # A channel without a server, or a deadline: no details.
        return Answer("unknown", error.code().name, is_to_retry=True)


def _told(problem: Problem) -> Answer:
    if problem.reason in UNKNOWN_REASONS or problem.code is grpc.StatusCode.INTERNAL:
        return Answer("unknown", problem.reason or "INTERNAL", is_to_retry=True)
    return Answer("refused", problem.reason, problem.code in RETRIED or problem.reason == "CONTENTION")


def _end_judged(error: grpc.aio.AioRpcError) -> Answer:
    """Only a server that goes down says that the commands it has not answered were not applied."""
    told = _judged(error)
    is_of_the_server = error.details() != OF_THE_CLIENT and told.reason in {"DRAINING", "INTERNAL", "UNKNOWN"}
    return told if is_of_the_server else Answer("unknown", BROKEN, is_to_retry=True)
