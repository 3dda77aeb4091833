"""One stream of commands: a bounded number read ahead, each session's judged in order, answered as they are decided."""

import asyncio
import time
from collections import deque
from collections.abc import Hashable
from math import inf
from typing import Final, NamedTuple

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2

from synckairos.application.errors import Draining
from synckairos.application.sessions import Answer
from synckairos.domain.errors import FieldViolation
from synckairos.domain.tenancy import DEFAULT_TENANT
from synckairos.rpc import requests
from synckairos.rpc.admission import access
from synckairos.rpc.admission.turnstile import Turnstile
from synckairos.rpc.fields import Fields
from synckairos.rpc.interceptor import (
    DEFAULT_DEADLINE_S,
    UNREADABLE,
    CallJournal,
    Context,
    MalformedRequest,
    call_facts,
)
from synckairos.rpc.session_commands import SessionCommands, fill_result
from synckairos.rpc.streams.writing import MAX_BATCH_BYTES, StreamWriter, open_stream, repeated
from synckairos.rpc.traced import traced_command
from synckairos.v1 import session_service_pb2 as pb

MAX_UNDER_WAY: Final = 256
"""The most commands that are read while their results are not written yet; the message read last may exceed it."""
MAX_BYTES_UNDER_WAY: Final = 4 << 20
"""The most bytes of those commands and results. One command is always read, and each result kept, however large."""
MAX_COMMAND_ID_BYTES: Final = 64
MAX_COMMANDS: Final = 256
"""The most commands in one message."""

_OUTCOMES: Final = pb.ExecuteCommandsResponse.OUTCOMES_FIELD_NUMBER
_SERVICE: Final = pb.DESCRIPTOR.services_by_name["SessionService"]
_STREAM: Final = f"/{_SERVICE.full_name}/ExecuteCommands"
_CALL_OF: Final[dict[object, str]] = {
    method.input_type: f"/{_SERVICE.full_name}/{method.name}" for method in _SERVICE.methods
}
_METHODS: Final[dict[str, str]] = {
    field.name: _CALL_OF[field.message_type]
    for field in pb.ExecuteCommandsRequest.DESCRIPTOR.oneofs_by_name["command"].fields
}
"""The unary call of each kind of command; commands are logged and measured under its name."""


class _Work(NamedTuple):
    """A command: when it was read (monotonic s), its violations so far, its size in bytes, if it was one of several."""

    command_id: str
    method: str
    request: Message
    fields: Fields
    read_at: float
    size: int
    is_batched: bool


class _Result(NamedTuple):
    """The encoded answer to a command; CommandOutcome is the same on the wire as an answer by itself."""

    encoded: bytes
    is_batched: bool


class _Line(NamedTuple):
    """The commands of a session that wait for the one being judged, and the task that judges them."""

    waiting: deque[_Work]
    task: asyncio.Task[None]


class CommandStream:
    """Reads, judges and answers concurrently; while a client does not take answers, its commands are not read."""

    def __init__(
        self,
        commands: SessionCommands,
        journal: CallJournal,
        context: Context,
        request_id: str,
        stall_s: float,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._commands = commands
        self._journal = journal
        self._context = context
        self._request_id = request_id
        self._stall_s = stall_s
        self._turnstile = turnstile
        self._sender = requests.sender(context)
        left: float | None = context.time_remaining()
        self._until = inf if left is None else time.monotonic() + left
        self._lines: dict[Hashable, _Line] = {}
        self._results: deque[_Result] = deque()
        self._under_way = self._bytes = 0
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._failure: Exception | None = None
        self._is_draining = False
        self._loss: Exception | None = None
        self._reader = asyncio.create_task(self._read())
        self._reader.add_done_callback(lambda _: self._news.set())
        self._standing = access.standing()
        if self._standing is not None:
            self._standing.on_loss(self._lose)

    async def run(self) -> None:
        """Return once the client has sent its last command and every command is answered.

        Raises SlowConsumer, Draining, the reason why credentials are lost, and whatever ends the call itself. Commands
        still being judged are then cancelled without waiting; a commit under way protects itself.
        """
        try:
            await open_stream(self._context)
            async with StreamWriter(self._context, self._stall_s) as writer:
                await self._write_all(writer)
            if self._loss is not None and self._reader.cancelled():
                raise self._loss
            if self._is_draining and self._reader.cancelled():
                raise Draining("this server is shutting down")
        finally:
            self._reader.cancel()
            for line in self._lines.values():
                line.task.cancel()

    def drain(self) -> None:
        """Stop reading, finish the commands being judged, and refuse those that wait behind them."""
        self._is_draining = True
        self._reader.cancel()

    def _lose(self, why: Exception) -> None:
        """Stop reading, and answer what was read while the credentials counted."""
        self._loss = why
        self._reader.cancel()

    @property
    def _is_full(self) -> bool:
        return self._under_way >= MAX_UNDER_WAY or self._bytes >= MAX_BYTES_UNDER_WAY

    async def _read(self) -> None:
        try:
            while (message := await self._context.read()) is not grpc.aio.EOF:
                for work in _works(message):
                    self._take(work)
                while self._is_full:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:
            # Any error of reading ends the call.
            self._failure = error

    def _take(self, work: _Work) -> None:
        self._under_way += 1
        self._bytes += work.size
        # A command without a session id waits for no other.
        key: Hashable = getattr(work.request, "session_id", "").lower() or object()
        line = self._lines.get(key)
        if line is not None:
            line.waiting.append(work)
            return
        waiting = deque((work,))
        self._lines[key] = _Line(waiting, asyncio.create_task(self._judge_all(key, waiting)))

    async def _judge_all(self, key: Hashable, waiting: deque[_Work]) -> None:
        try:
            while waiting:
                work = waiting.popleft()
                judged = self._judge(work)
                tracing = self._journal.tracing
                result = await (judged if tracing is None else traced_command(tracing, work.method, judged))
                self._bytes += len(result) - work.size
                self._results.append(_Result(result, work.is_batched))
                self._news.set()
                self._room.set()
        except Exception as error:
            # The result is missing, and the client must not wait for it.
            self._failure = error
            self._news.set()
        finally:
            del self._lines[key]

    async def _judge(self, work: _Work) -> bytes:
        """Return the encoded response to a command, a result or a refusal; log and measure it like its unary call."""
        failure: BaseException | None = None
        try:
            return _result(work.command_id, await self._answer_to(work))
        except Exception as error:
            failure = error
            command_id = work.command_id[:MAX_COMMAND_ID_BYTES]
            _, status = self._journal.refusal(work.method, error, self._request_id, command_id=command_id)
            return _refusal(work.command_id, status)
        except BaseException as error:
            failure = error
            raise
        finally:
            seconds = time.monotonic() - work.read_at
            self._journal.ended(work.method, failure, seconds)
            if self._journal.may_tell(seconds):
                self._journal.tell(work.method, failure, seconds, self._facts(work))

    def _facts(self, work: _Work) -> dict[str, str]:
        return call_facts(self._request_id, self._tenant, getattr(work.request, "session_id", ""))

    @property
    def _tenant(self) -> str:
        return DEFAULT_TENANT if self._standing is None else self._standing.identity.tenant

    async def _answer_to(self, work: _Work) -> Answer:
        if self._is_draining:
            raise Draining("this server is shutting down")
        if self._standing is not None:
            self._standing.require(work.method)
        work.fields.check()
        until = min(work.read_at + DEFAULT_DEADLINE_S, self._until)
        if self._turnstile is None:
            return await self._commands.judge(work.request, self._sender, until)
        tenant = self._tenant
        async with self._turnstile.command(work.method, until - time.monotonic(), tenant):
            return await self._commands.judge(work.request, self._sender, until)

    async def _write_all(self, writer: StreamWriter) -> None:
        """Write results as they come, until no more can come."""
        while True:
            while self._results:
                results = self._ready()
                await writer.write(_message(results))
                self._under_way -= len(results)
                self._bytes -= sum([len(result.encoded) for result in results])
                self._room.set()
            if self._failure is not None:
                raise self._failure
            if self._reader.done() and not self._under_way:
                return
            self._news.clear()
            await self._news.wait()

    def _ready(self) -> list[_Result]:
        """Take the first result, with those behind it that may be written in one message with it."""
        results = [self._results.popleft()]
        size = len(results[0].encoded)
        while results[0].is_batched and self._results and self._results[0].is_batched:
            size += len(self._results[0].encoded)
            if size > MAX_BATCH_BYTES:
                break
            results.append(self._results.popleft())
        return results


def _works(message: pb.ExecuteCommandsRequest | MalformedRequest) -> list[_Work]:
    """Return the commands of a message, what is wrong with each noted."""
    if isinstance(message, MalformedRequest):
        return [_refused(UNREADABLE, size=0)]
    if not message.commands:
        return [_work(message)]
    if len(message.commands) > MAX_COMMANDS:
        many = FieldViolation("commands", f"takes at most {MAX_COMMANDS}, not {len(message.commands)}")
        return [_refused(many, size=message.ByteSize(), is_batched=True)]
    works = [_work(command, f"commands[{place}].") for place, command in enumerate(message.commands)]
    if message.command_id or message.WhichOneof("command") is not None:
        works.insert(0, _work(message))
        for work in works:
            work.fields.refuse("commands", "must be empty beside command_id or command")
    return works


def _work(message: pb.ExecuteCommandsRequest | pb.Command, path: str = "") -> _Work:
    """Return a command; `path` leads to it in its message, if it is one of several."""
    now, fields, size = time.monotonic(), Fields(), message.ByteSize()
    if not message.command_id:
        fields.refuse(f"{path}command_id", "is required")
    fields.text(f"{path}command_id", message.command_id, MAX_COMMAND_ID_BYTES)
    kind = message.WhichOneof("command")
    if kind is None:
        fields.refuse(f"{path}command", "is required")
        return _Work(message.command_id, _STREAM, message, fields, now, size, bool(path))
    return _Work(message.command_id, _METHODS[kind], getattr(message, kind), fields, now, size, bool(path))


def _refused(violation: FieldViolation, size: int, *, is_batched: bool = False) -> _Work:
    """Return what stands for a message none of whose commands is judged."""
    fields = Fields()
    fields.refuse(*violation)
    return _Work("", _STREAM, pb.ExecuteCommandsRequest(), fields, time.monotonic(), size, is_batched)


def _message(results: list[_Result]) -> bytes:
    encoded = [result.encoded for result in results]
    return repeated(_OUTCOMES, encoded) if results[0].is_batched else encoded[0]


def _result(command_id: str, answer: Answer) -> bytes:
    response = pb.ExecuteCommandsResponse(command_id=command_id)
    # Filled in place: messages given to a constructor are copied at every level.
    response.result.replayed = answer.replayed
    fill_result(response.result, answer)
    return response.SerializeToString()


def _refusal(command_id: str, status: status_pb2.Status) -> bytes:
    return pb.ExecuteCommandsResponse(command_id=command_id, status=status).SerializeToString()
