"""Logging, metrics and error statuses for every call, and for every command of a stream."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from grpc.aio import ServicerContext
from grpc_status import rpc_status

from synckairos.application.admission.overload import Weight
from synckairos.application.errors import Overloaded
from synckairos.application.ports import NewId
from synckairos.application.tracing import Tracing
from synckairos.domain.errors import FieldViolation, InvalidField
from synckairos.domain.tenancy import DEFAULT_TENANT
from synckairos.rpc.admission.access import Access, standing
from synckairos.rpc.admission.allowing import allowed
from synckairos.rpc.admission.turnstile import Told, Turnstile, weight_of
from synckairos.rpc.request_ids import REQUEST_ID_HEADER, given_request_id, request_id_of
from synckairos.rpc.statuses import code_of, is_expected, pushback_of, reason_of, refusal_of, status_of
from synckairos.rpc.traced import traced

MAX_ID: Final = 36
"""Of a session, in a line of the log: what is longer is none, and comes from anybody."""
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


class MalformedRequest:
    """Stands for a request whose bytes could not be read."""


def reader(message: type[Message]) -> Callable[[bytes], Message | MalformedRequest]:
    """Return a deserializer that leaves the refusal of unreadable bytes to the call."""

    def read(encoded: bytes) -> Message | MalformedRequest:
        try:
            return message.FromString(encoded)
        except DecodeError:
            return MalformedRequest()

    return read


class CallJournal:
    """Logs and measures calls, and the commands of a stream as if they were calls."""

    def __init__(self, observer: CallObserver, tracing: Tracing | None = None, *, tells_all: bool = False) -> None:
        """`tells_all`: whether every call has a line of the log, at the level debug."""
        self.tracing = tracing
        self._tells_all = tells_all
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

    def ended(self, method: str, failure: BaseException | None, seconds: float) -> None:
        """Measure a finished call, successful or not; its span hears of it first."""
        code, reason = _outcome(failure)
        if self.tracing is not None:
            self.tracing.ended(code, reason)
        self._observer.call(method, code, reason, seconds)

    def may_tell(self, seconds: float) -> bool:
        """Whether a call that took so long may have a line of the log."""
        return self._tells_all or seconds >= SLOW_S

    def tell(
        self,
        method: str,
        failure: BaseException | None,
        seconds: float,
        facts: Mapping[str, str],
        *,
        is_stream: bool = False,
    ) -> None:
        """Give a finished call its line, if it has one: where all have, or it was slow; streams never are.

        To be asked only where `may_tell`: what is gathered for a line costs more than the measurement.
        """
        code, reason = _outcome(failure)
        is_slow = seconds >= SLOW_S and code != "CANCELLED" and not is_stream
        if is_slow or self._tells_all:
            tell, event = (_log.info, "call_slow") if is_slow else (_log.debug, "call_ended")
            tell(event, method=method, code=code, reason=reason, ms=round(seconds * 1_000, 1), **facts)


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Logs and measures every call, unary or streaming, and answers its errors under a request id."""

    def __init__(
        self,
        observer: CallObserver,
        new_id: NewId,
        access: Access | None = None,
        turnstile: Turnstile | None = None,
        tracing: Tracing | None = None,
        *,
        tells_all: bool = False,
    ) -> None:
        """Without `access` everybody may make every call, without a turnstile as many as they like."""
        self._journal = CallJournal(observer, tracing, tells_all=tells_all)
        self.turnstile = turnstile
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
            wrapped = self._wrapped[key] = self.behind_turnstile(handler_call_details.method, handler)
        return wrapped

    def behind_turnstile(self, method: str, handler: Any) -> Handler:  # noqa: ANN401 - grpcio's handlers are untyped tuples
        """Return the handler of a method (full name) with all of this around it, behind the turnstile."""
        wrapped = self.wrap(method, handler)
        return wrapped if self.turnstile is None else self.turnstile.around(method, wrapped, self.told)

    def told(self, method: str, context: Context, error: Overloaded) -> Told:
        """Take note of a call that may not begin, and return what it is told; cheap, for there is no time."""
        self._journal.ended(method, error, 0.0)
        if self._journal.may_tell(0.0):
            self._journal.tell(method, error, 0.0, {})
        code, text, trailers = refusal_of(error)
        return code, text, (*trailers, (REQUEST_ID_HEADER, request_id_of(context, self._new_id)))

    def wrap(self, method: str, handler: Any) -> Handler:  # noqa: ANN401 - grpcio's handlers are untyped tuples
        """Return the handler of a method (full name) with all of this around it, once it may begin."""
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
        journal, counted = self._journal, int(not method.startswith("/grpc."))
        begin = self._beginning(method, inner, is_stream=is_stream)
        guarded: Behaviour | None = None
        if self._access is not None and self._access.guards(method):
            guarded = self._access.guarded(method, begin, is_stream=is_stream)

        def facts(request: Any, context: Context) -> dict[str, str]:  # noqa: ANN401 - any message
            known = standing()
            # A call whose credentials do not count is nobody's.
            tenant = DEFAULT_TENANT if guarded is None else "" if known is None else known.identity.tenant
            return call_facts(given_request_id(context), tenant, getattr(request, "session_id", ""))

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
                return await (begin if guarded is None else guarded)(request, context)
            except (grpc.aio.AbortError, GeneratorExit):
                raise
            except Exception as error:
                failure = error
                return await self._answer(method, context, error)
            except BaseException as error:
                failure = error
                raise
            finally:
                seconds = time.perf_counter() - started
                journal.ended(method, failure, seconds)
                if journal.may_tell(seconds):
                    journal.tell(method, failure, seconds, facts(request, context), is_stream=is_stream)

        tracing = journal.tracing
        return call if tracing is None or not counted else traced(tracing, method, call)

    def _beginning(self, method: str, inner: Behaviour, *, is_stream: bool) -> Behaviour:
        """Return what is done once it is known whose a call is."""
        turnstile = self.turnstile
        if turnstile is not None and turnstile.allowances is not None and weight_of(method) is not Weight.ALWAYS:
            inner = allowed(turnstile.allowances, inner, is_stream=is_stream)
        kind = None if is_stream or turnstile is None else turnstile.kind_of(method)
        if turnstile is None or kind is None:
            return lambda request, context: inner(_readable(request), context)

        def begin(request: Any, context: Context) -> Awaitable[Any]:  # noqa: ANN401 - any message
            turnstile.enter(kind, context)
            return inner(_readable(request), context)

        return begin

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


def call_facts(request_id: str, tenant: str, session_id: str) -> dict[str, str]:
    """Return what a line of the log says about a call, without what is not known of it."""
    told = {"request_id": request_id, "tenant": tenant, "session_id": session_id[:MAX_ID]}
    return {name: text for name, text in told.items() if text}


def _outcome(failure: BaseException | None) -> tuple[str, str]:
    """Return the code and the reason under which a call is measured."""
    if failure is None:
        return "OK", ""
    if isinstance(failure, Exception) and not isinstance(failure, grpc.aio.InternalError):
        return code_of(failure).name, reason_of(failure)
    return "CANCELLED", ""


def _readable(request: Any) -> Any:  # noqa: ANN401 - any message
    if isinstance(request, MalformedRequest):
        raise InvalidField([UNREADABLE])
    return request


def deadline_of(context: Context) -> float:
    """Return the deadline of a call (monotonic seconds); 10 s from now if the client sets none."""
    left: float | None = context.time_remaining()
    return time.monotonic() + (DEFAULT_DEADLINE_S if left is None else min(left, MAX_DEADLINE_S))
