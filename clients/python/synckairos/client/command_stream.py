"""The stream beneath the commands: a window of unanswered ones, sent in batches, and again when a stream breaks."""

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Final, Self

import grpc
from google.protobuf.message import Message

from synckairos.client.backoff import Backoff
from synckairos.client.connection import ClientClosed, Connection, cut_off, give_request_id, is_own_cancellation
from synckairos.client.errors import DeadlineExceeded, Draining, SyncKairosError, Unreachable
from synckairos.client.statuses import error_of, error_of_status, is_passing
from synckairos.v1 import session_service_pb2 as pb

WINDOW: Final = 128
"""Commands without an answer; a server reads no more than 256 ahead."""
PATIENCE_S: Final = 30.0
"""A server takes 10 s for a command; the rest is for finding another one."""
CLOSING_S: Final = 5.0
"""How long a stream without commands may take to end."""
MAX_BATCH: Final = 64
MAX_COMMAND_BYTES: Final = 1 << 20
MAX_BATCH_BYTES: Final = 1 << 18

FIELDS: Final = {
    field.message_type.full_name: field.name
    for field in pb.Command.DESCRIPTOR.oneofs_by_name["command"].fields
    if field.message_type is not None
}
"""The field of a command, by the request that it holds."""


class _Unanswered:
    """A command that was not answered yet, and whoever waits for it."""

    def __init__(self, command: pb.Command) -> None:
        self.command = command
        self.answer: asyncio.Future[pb.CommandResult] = asyncio.get_running_loop().create_future()


class CommandStream:
    """Sends requests as commands, and again over another stream those that a stream has left without an answer."""

    def __init__(self, connection: Connection, window: int = WINDOW, timeout_s: float = PATIENCE_S) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._room = asyncio.Semaphore(window)
        self._unanswered: dict[str, _Unanswered] = {}
        self._unsent: dict[str, _Unanswered] = {}
        self._news, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._count = 0
        self._waiting = 0
        """Commands that were given and have no outcome yet, also those that the window keeps back."""
        self._is_closing = False
        self._is_abandoned = False
        self._driver: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Return itself; the stream is opened by the first command."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for the answers and close the stream; after an error, without waiting."""
        if kind is not None:
            self._is_abandoned = True
            if self._driver is not None:
                self._driver.cancel()
        await self.aclose()

    async def aclose(self) -> None:
        """Wait for the answers that are missing, and close the stream."""
        self._is_closing = True
        self._news.set()
        await self._idle.wait()
        if self._driver is not None:
            await asyncio.wait({self._driver}, timeout=CLOSING_S)
            self._driver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._driver

    async def send(self, request: Message) -> pb.CommandResult:
        """Send a request of one of the calls above as a command and return its result; raises SyncKairosError.

        It waits while the window is full. DeadlineExceeded after `timeout_s` without an answer, and any cancellation,
        leave open whether it was applied.
        """
        if self._is_closing:
            raise RuntimeError("the stream of commands is closed")
        give_request_id(request)
        self._waiting += 1
        self._idle.clear()
        try:
            async with self._room:
                return await self._answer(request)
        finally:
            self._waiting -= 1
            self._news.set()
            if not self._waiting:
                self._idle.set()

    async def _answer(self, request: Message) -> pb.CommandResult:
        self._count += 1
        unanswered = _Unanswered(_command(str(self._count), request))
        self._add(unanswered)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await unanswered.answer
        except TimeoutError:
            text = f"no answer to a command within {self._timeout_s:g} s"
            raise DeadlineExceeded(grpc.StatusCode.DEADLINE_EXCEEDED, text) from None
        finally:
            self._unanswered.pop(unanswered.command.command_id, None)
            self._unsent.pop(unanswered.command.command_id, None)

    def _add(self, unanswered: _Unanswered) -> None:
        if self._is_abandoned:
            raise _closed()
        self._unanswered[unanswered.command.command_id] = unanswered
        self._unsent[unanswered.command.command_id] = unanswered
        self._news.set()
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())

    async def _drive(self) -> None:
        """Keep a stream open until the last command is answered."""
        backoff = Backoff()
        try:
            while not self._is_done():
                self._unsent = {name: one for name, one in self._unanswered.items() if not one.answer.done()}
                at_least_s = 0.0
                try:
                    await self._over_one_stream(backoff)
                except SyncKairosError as error:
                    if not is_passing(error):
                        raise
                    at_least_s = error.retry_after_s or 0.0
                if not self._is_done():
                    await asyncio.sleep(backoff.pause_s(at_least_s))
        except SyncKairosError as error:
            self._fail(error)
        except ClientClosed:
            self._fail(_closed())
        except BaseException:
            self._fail(_closed())
            raise

    def _is_done(self) -> bool:
        return self._is_closing and not self._waiting

    def _fail(self, error: SyncKairosError) -> None:
        for unanswered in self._unanswered.values():
            if not unanswered.answer.done():
                unanswered.answer.set_exception(error)

    async def _over_one_stream(self, backoff: Backoff) -> None:
        """Write and read until the stream ends; raises what it ends with."""
        call = await self._connection.command_stream()
        writer = asyncio.create_task(self._write(call))
        try:
            async for response in call:
                backoff.reset()
                self._take(response)
        except grpc.RpcError as error:
            raise error_of(error) from error
        except asyncio.CancelledError:
            if is_own_cancellation():
                raise
            raise cut_off() from None
        finally:
            writer.cancel()
            call.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self, call: Any) -> None:  # noqa: ANN401 - grpc's calls are generic only in its stubs
        """Write what was not sent yet, as many commands together as there are; how it ends, the reader is told."""
        while not self._is_done():
            self._news.clear()
            if self._unsent:
                await call.write(_message(self._next_batch()))
            else:
                await self._news.wait()
        await call.done_writing()

    def _next_batch(self) -> list[pb.Command]:
        """Return the commands of the next message: no more than a server takes, and at least one."""
        batch: list[pb.Command] = []
        size = 0
        while self._unsent and len(batch) < MAX_BATCH:
            command_id, unsent = next(iter(self._unsent.items()))
            size += unsent.command.ByteSize()
            if batch and size > MAX_BATCH_BYTES:
                break
            del self._unsent[command_id]
            batch.append(unsent.command)
        return batch

    def _take(self, response: pb.ExecuteCommandsResponse) -> None:
        outcomes = response.outcomes or (response,)
        for outcome in outcomes:
            error = error_of_status(outcome.status) if outcome.HasField("status") else None
            if not outcome.command_id and error is not None:
                raise error
            # A stopping server refuses, unjudged, what waits: it keeps its place in the order, and is sent again.
            found = None if isinstance(error, Draining) else self._unanswered.get(outcome.command_id)
            if found is None or found.answer.done():
                continue
            if error is None:
                found.answer.set_result(outcome.result)
            else:
                found.answer.set_exception(error)


def _closed() -> Unreachable:
    return Unreachable(grpc.StatusCode.CANCELLED, "the stream of commands was closed")


def _command(command_id: str, request: Message) -> pb.Command:
    command = pb.Command(command_id=command_id)
    getattr(command, FIELDS[request.DESCRIPTOR.full_name]).CopyFrom(request)
    if command.ByteSize() > MAX_COMMAND_BYTES:
        raise ValueError(f"a command takes at most {MAX_COMMAND_BYTES} bytes, this one {command.ByteSize()}")
    return command


def _message(batch: list[pb.Command]) -> pb.ExecuteCommandsRequest:
    """Return commands as one message; one by itself in the form that every server knows."""
    if len(batch) > 1:
        return pb.ExecuteCommandsRequest(commands=batch)
    return pb.ExecuteCommandsRequest.FromString(batch[0].SerializeToString())
