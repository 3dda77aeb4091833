"""Logging, metrics and error statuses for every call, and for every command of a stream."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from grpc.aio import ServicerContext
from grpc_status import rpc_status

from synckairos.application.ports import NewId
from synckairos.domain.errors import FieldViolation, InvalidField
from synckairos.rpc.access import Access
from synckairos.rpc.statuses import is_expected, pushback_of, reason_of, status_of

REQUEST_ID_HEADER: Final = "x-request-id"
MAX_REQUEST_ID: Final = 64
SLOW_S: Final = 0.5
DEFAULT_DEADLINE_S: Final = 10.0
MAX_DEADLINE_S: Final = 3_600.0

UNREADABLE: Final = FieldViolation("request", "cannot be read as the method's request")

_log = structlog.get_logger("synckairos.access")

if TYPE_CHECKING:
    # grpcio's classes are generic in the stubs only.
    Context = ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Context = ServicerContext
    Handler = grpc.RpcMethodHandler

Behaviour = Callable[[Any, Context], Awaitable[Any]]


class CallObserver(Protocol):
    """Hears of every finished call."""

    def call(self, method: str, code: str, reason: str, seconds: float) -> None:
        """A call has ended."""


@dataclass(slots=True)
class MalformedRequest:
    """Stands for a request whose bytes could not be read."""

    why: str


def reader(message: type[Message]) -> Callable[[bytes], Message | MalformedRequest]:
    """Return a deserializer that leaves the refusal of unreadable bytes to the call."""

    def read(encoded: bytes) -> Message | MalformedRequest:
        try:
            return message.FromString(encoded)
        except DecodeError as error:
            return MalformedRequest(str(error))

    return read


class CallJournal:
    """Logs and measures calls, and the commands of a stream as if they were calls."""

    def __init__(self, observer: CallObserver) -> None:
        self._observer = observer

    def refusal(
        self, method: str, error: Exception, request_id: str, **more: str
    ) -> tuple[grpc.StatusCode, status_pb2.Status]:
        """Return the code and the status that answer an error; `more` is logged beside it."""
        code, status = status_of(error, request_id)
        if not is_expected(error):
            _log.error("call_broke", method=method, request_id=request_id, exc_info=error, **more)
        else:
            reason = reason_of(error)
            _log.debug("call_refused", method=method, request_id=request_id, code=code.name, reason=reason, **more)
        return code, status

    def ended(self, method: str, failure: BaseException | None, seconds: float, *, is_stream: bool = False) -> None:
        """Measure a finished call, successful or not; streams are never slow, however long."""
        code, reason = _outcome(failure)
        self._observer.call(method, code, reason, seconds)
        if seconds >= SLOW_S and code != "CANCELLED" and not is_stream:
            _log.info("call_slow", method=method, code=code, reason=reason, ms=round(seconds * 1_000, 1))


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Logs and measures every call, unary or streaming, and answers its errors under a request id."""

    def __init__(self, observer: CallObserver, new_id: NewId, access: Access | None = None) -> None:
        """Without `access` everybody may make every call."""
        self._journal = CallJournal(observer)
        self._new_id = new_id
        self._access = access
        self.under_way = 0
        """Calls begun whose answers are not sent yet; health and reflection, which clients end, do not count."""
        self._wrapped: dict[tuple[str, Any], Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the method's handler, wrapped."""
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return None
        key = (handler_call_details.method, handler.unary_unary or handler.unary_stream or handler.stream_stream)
        wrapped = self._wrapped.get(key)
        if wrapped is None:
            wrapped = self._wrapped[key] = self.wrap(handler_call_details.method, handler)
        return wrapped

    def wrap(self, method: str, handler: Any) -> Handler:  # noqa: ANN401 - grpcio's handlers are untyped tuples
        """Return the handler of a method (full name) with all of this around it."""
        if handler.unary_unary is not None:
            make, inner, is_stream = grpc.unary_unary_rpc_method_handler, handler.unary_unary, False
        elif handler.unary_stream is not None and not inspect.isasyncgenfunction(handler.unary_stream):
            make, inner, is_stream = grpc.unary_stream_rpc_method_handler, handler.unary_stream, True
        elif handler.stream_stream is not None and not inspect.isasyncgenfunction(handler.stream_stream):
            make, inner, is_stream = grpc.stream_stream_rpc_method_handler, handler.stream_stream, True
        else:
            # The library's own streams (reflection) are generators and answer their own errors.
            wrapped: Handler = self._admitted(method, handler)
            return wrapped
        around = self._around(method, inner, is_stream=is_stream)
        result: Handler = make(
            around,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return result

    def _around(self, method: str, inner: Behaviour, *, is_stream: bool) -> Behaviour:
        counted = int(not method.startswith("/grpc."))
        guarded: Behaviour | None = None
        if self._access is not None and self._access.guards(method):
            guarded = self._access.guarded(
                method, lambda *call: inner(_readable(call[0]), call[1]), is_stream=is_stream
            )

        def ended(_task: asyncio.Task[Any]) -> None:
            self.under_way -= counted

        async def call(request: Any, context: Context) -> Any:  # noqa: ANN401 - any message
            started = time.perf_counter()
            failure: BaseException | None = None
            self.under_way += counted
            # Not when the handler returns: the answer is sent after that, by the same task. The context's own callbacks
            # would do, but they hold the context, which holds them: every call would be left to the garbage collector.
            if (task := asyncio.current_task()) is not None:
                task.add_done_callback(ended)
            try:
                return await (inner(_readable(request), context) if guarded is None else guarded(request, context))
            except (grpc.aio.AbortError, GeneratorExit):
                raise
            except Exception as error:
                failure = error
                return await self._answer(method, context, error)
            except BaseException as error:
                failure = error
                raise
            finally:
                self._journal.ended(method, failure, time.perf_counter() - started, is_stream=is_stream)

        return call

    def _admitted(self, method: str, handler: Any) -> Any:  # noqa: ANN401 - grpcio's handlers are untyped tuples
        """Return the handler of a stream that is a generator, preceded by the admission."""
        access = self._access
        if access is None or handler.stream_stream is None or not access.guards(method):
            return handler

        async def call(requests: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401 - any messages
            try:
                await access.admit(method, context)
            except Exception as error:
                await self._answer(method, context, error)
            async for reply in handler.stream_stream(requests, context):
                yield reply

        return grpc.stream_stream_rpc_method_handler(
            call,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    async def _answer(self, method: str, context: Context, error: Exception) -> None:
        if isinstance(error, grpc.aio.InternalError):
            # The peer went away while a message was being written: no one is left to answer.
            raise error
        request_id = request_id_of(context, self._new_id)
        code, status = self._journal.refusal(method, error, request_id)
        # The trailers given here replace any set on the context.
        told = rpc_status.to_status(status).trailing_metadata
        trailers = (*told, (REQUEST_ID_HEADER, request_id), *pushback_of(error))
        await context.abort(code, status.message, trailers)


def request_id_of(context: Context, new_id: NewId) -> str:
    """Return the id a call has in the log: the client's, or a new one."""
    return given_request_id(context) or new_id()


def given_request_id(context: Context) -> str:
    """Return the id that the client gave a call; empty if it gave none that can be used."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_HEADER and 0 < len(value) <= MAX_REQUEST_ID:
            return str(value)
    return ""


def _outcome(failure: BaseException | None) -> tuple[str, str]:
    """Return the code and the reason under which a call is measured."""
    if failure is None:
        return "OK", ""
    if isinstance(failure, Exception) and not isinstance(failure, grpc.aio.InternalError):
        return status_of(failure, "")[0].name, reason_of(failure)
    return "CANCELLED", ""


def _readable(request: Any) -> Any:  # noqa: ANN401 - any message
    if isinstance(request, MalformedRequest):
        raise InvalidField([UNREADABLE])
    return request


def deadline_of(context: Context) -> float:
    """Return the deadline of a call (monotonic seconds); 10 s from now if the client sets none."""
    left: float | None = context.time_remaining()
    return time.monotonic() + (DEFAULT_DEADLINE_S if left is None else min(left, MAX_DEADLINE_S))
