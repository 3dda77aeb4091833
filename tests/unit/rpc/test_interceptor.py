"""Around every call: a request id, an answer to every error, a measurement, and a log line where one helps."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.rpc import error_details_pb2, status_pb2
from structlog.testing import capture_logs

from synckairos.domain.errors import SessionNotFound
from synckairos.rpc import interceptor
from synckairos.rpc.interceptor import CallInterceptor, CallJournal, MalformedRequest, deadline_of, reader
from synckairos.rpc.statuses import INTERNAL_TEXT
from synckairos.v1 import session_service_pb2 as pb
from tests.unit.rpc.use_cases import Observed

METHOD = "/synckairos.v1.SessionService/GetSession"
MADE = "made-by-the-server"
SECRET = "password=hunter2"
SESSION = "11111111-1111-4111-8111-111111111111"


class Context:
    """A call's context that remembers how it was aborted."""

    def __init__(self, *metadata: tuple[str, str], left: float | None = None) -> None:
        self._metadata = metadata
        self._left = left
        self.aborted: list[tuple[grpc.StatusCode, str, dict[str, Any]]] = []

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def time_remaining(self) -> float | None:
        return self._left

    async def abort(self, code: grpc.StatusCode, details: str, trailers: Any) -> None:
        self.aborted.append((code, details, dict(trailers)))
        raise grpc.aio.AbortError

    @property
    def answer(self) -> tuple[grpc.StatusCode, str, dict[str, Any]]:
        (answer,) = self.aborted
        return answer


def raising(error: BaseException) -> Callable[[Any, Any], Any]:
    """Return a behaviour that raises."""

    async def behaviour(_request: Any, _context: Any) -> Any:
        raise error

    return behaviour


async def answering(_request: Any, _context: Any) -> Any:
    """Answer."""
    return Empty()


async def intercepted(interceptor: CallInterceptor, handler: Any, method: str = METHOD) -> Any:
    """Return the handler with everything around it."""

    async def continuation(_details: Any) -> Any:
        return handler

    details: Any = SimpleNamespace(method=method, invocation_metadata=())
    return await interceptor.intercept_service(continuation, details)


async def run(behaviour: Any, context: Context, *, stream: bool = False, observed: Observed | None = None) -> Any:
    """Run a behaviour as the server would; an abort ends it."""
    interceptor = CallInterceptor(observed or Observed(), lambda: MADE)
    make = grpc.unary_stream_rpc_method_handler if stream else grpc.unary_unary_rpc_method_handler
    handler = await intercepted(interceptor, make(behaviour))
    return await (handler.unary_stream if stream else handler.unary_unary)(Empty(), context)


def info_of(trailers: dict[str, Any]) -> error_details_pb2.ErrorInfo:
    """Return the ErrorInfo in trailers."""
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


KINDS = pytest.mark.parametrize("stream", [pytest.param(False, id="unary"), pytest.param(True, id="stream")])


@KINDS
@pytest.mark.parametrize("ending", [answering, raising(RuntimeError(SECRET)), raising(asyncio.CancelledError())])
@pytest.mark.parametrize(("method", "counted"), [(METHOD, 1), ("/grpc.health.v1.Health/Watch", 0)])
async def test_a_call_is_under_way_until_its_answer_is_sent(
    stream: bool, ending: Any, method: str, counted: int
) -> None:
    """Until its task is over, in which gRPC also sends the answer; calls of gRPC's own services do not count."""
    interceptor, counts = CallInterceptor(Observed(), lambda: MADE), []

    async def counting(request: Any, context: Any) -> Any:
        counts.append(interceptor.under_way)
        return await ending(request, context)

    make = grpc.unary_stream_rpc_method_handler if stream else grpc.unary_unary_rpc_method_handler
    handler = await intercepted(interceptor, make(counting), method)

    async def called_by_grpc() -> None:
        with contextlib.suppress(grpc.aio.AbortError, asyncio.CancelledError):
            await (handler.unary_stream if stream else handler.unary_unary)(Empty(), Context())
        counts.append(interceptor.under_way)  # the answer is being sent

    await asyncio.wait([asyncio.create_task(called_by_grpc())])

    assert [*counts, interceptor.under_way] == [counted, counted, 0]


@KINDS
async def test_a_bug_is_answered_with_a_fixed_text(stream: bool) -> None:
    """An unexpected exception reveals nothing to the client; the log has it under the request id."""
    context = Context(("x-request-id", "r-1"))

    with capture_logs() as logs, pytest.raises(grpc.aio.AbortError):
        await run(raising(RuntimeError(SECRET)), context, stream=stream)

    code, text, trailers = context.answer
    assert (code, text) == (grpc.StatusCode.INTERNAL, INTERNAL_TEXT)
    assert SECRET.encode() not in trailers["grpc-status-details-bin"]
    info = info_of(trailers)
    assert (info.reason, info.domain, dict(info.metadata)) == ("INTERNAL", "synckairos.dev", {"request_id": "r-1"})
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert (line["event"], line["request_id"], str(line["exc_info"])) == ("call_broke", "r-1", SECRET)


@KINDS
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(grpc.aio.AbortError(), id="abort"),
        pytest.param(asyncio.CancelledError(), id="cancelled"),
        pytest.param(grpc.aio.InternalError("write after the end"), id="peer gone"),
    ],
)
async def test_a_call_that_has_ended_is_not_answered_again(stream: bool, error: BaseException) -> None:
    """An abort, a cancellation and a write to a peer that has gone pass through untouched."""
    context = Context()

    with pytest.raises(type(error)) as raised:
        await run(raising(error), context, stream=stream)

    assert raised.value is error
    assert not context.aborted


@KINDS
@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        pytest.param("abc-1", "abc-1", id="the client's own"),
        pytest.param("r" * 64, "r" * 64, id="the longest"),
        pytest.param("r" * 65, MADE, id="too long"),
        pytest.param("", MADE, id="empty"),
        pytest.param(None, MADE, id="none"),
    ],
)
async def test_the_request_id_comes_back_with_an_error(stream: bool, sent: str | None, echoed: str) -> None:
    """An error's trailers carry x-request-id beside the status: the client's, or one made here."""
    context = Context(("x-other", "y"), *((("x-request-id", sent),) if sent is not None else ()))

    with pytest.raises(grpc.aio.AbortError):
        await run(raising(SessionNotFound("s")), context, stream=stream)

    code, _, trailers = context.answer
    assert code is grpc.StatusCode.NOT_FOUND
    assert trailers["x-request-id"] == echoed
    assert info_of(trailers).reason == "SESSION_NOT_FOUND"


@pytest.mark.parametrize(
    ("behaviour", "code", "reason"),
    [
        pytest.param(answering, "OK", "", id="answered"),
        pytest.param(raising(SessionNotFound("s")), "NOT_FOUND", "SESSION_NOT_FOUND", id="refused"),
        pytest.param(raising(RuntimeError()), "INTERNAL", "INTERNAL", id="broke"),
        pytest.param(raising(asyncio.CancelledError()), "CANCELLED", "", id="cancelled"),
        pytest.param(raising(grpc.aio.InternalError("gone")), "CANCELLED", "", id="peer gone"),
    ],
)
async def test_every_call_is_measured_once(behaviour: Any, code: str, reason: str) -> None:
    """The observer hears of each call once, under the code and reason it ended with."""
    observed = Observed()

    await asyncio.gather(run(behaviour, Context(), observed=observed), return_exceptions=True)

    assert observed.calls == [("GetSession", code, reason)]


@pytest.mark.parametrize(
    ("stream", "slow_after_s", "lines"),
    [
        pytest.param(False, 0.0, 1, id="slow unary call"),
        pytest.param(False, 60.0, 0, id="quick unary call"),
        pytest.param(True, 0.0, 0, id="stream of any length"),
    ],
)
async def test_only_slow_unary_calls_are_logged(
    monkeypatch: pytest.MonkeyPatch, stream: bool, slow_after_s: float, lines: int
) -> None:
    """A stream lasts as long as its reader likes: its length is no reason for a log line."""
    monkeypatch.setattr(interceptor, "SLOW_S", slow_after_s)

    with capture_logs() as logs:
        await run(answering, Context(), stream=stream)

    assert [line["event"] for line in logs] == ["call_slow"] * lines


@KINDS
@pytest.mark.parametrize("slow_after_s", [pytest.param(0.0, id="slow"), pytest.param(60.0, id="quick")])
async def test_a_call_has_one_line_that_says_whose_it_was(
    monkeypatch: pytest.MonkeyPatch, stream: bool, slow_after_s: float
) -> None:
    """By its request id, tenant and session; at the level debug unless it was slow."""
    monkeypatch.setattr(interceptor, "SLOW_S", slow_after_s)
    call = CallInterceptor(Observed(), lambda: MADE, tells_all=True)
    make = grpc.unary_stream_rpc_method_handler if stream else grpc.unary_unary_rpc_method_handler
    handler = await intercepted(call, make(answering))

    with capture_logs() as logs:
        await (handler.unary_stream if stream else handler.unary_unary)(
            pb.GetSessionRequest(session_id=SESSION), Context(("x-request-id", "mine"))
        )

    (line,) = logs
    is_slow = slow_after_s == 0.0 and not stream
    assert (line["event"], line["log_level"]) == (("call_slow", "info") if is_slow else ("call_ended", "debug"))
    said = {name: line[name] for name in ("method", "code", "request_id", "tenant", "session_id")}
    assert said == {
        "method": METHOD, "code": "OK", "request_id": "mine", "tenant": "default", "session_id": SESSION,
    }  # fmt: skip
    assert line["ms"] >= 0


@KINDS
async def test_a_quick_call_costs_no_line_where_nobody_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """Nor is anything gathered for it."""
    monkeypatch.setattr(interceptor, "call_facts", lambda *_: pytest.fail("gathered what no line says"))
    monkeypatch.setattr(interceptor, "given_request_id", lambda *_: pytest.fail("looked at metadata for no line"))
    monkeypatch.setattr(CallJournal, "tell", lambda *_, **__: pytest.fail("came to tell"))

    with capture_logs() as logs:
        await run(answering, Context(), stream=stream)

    assert logs == []


async def test_what_is_done_for_a_call_holds_no_closure_of_it() -> None:
    """A closure for each call would be made whether or not its line is written."""
    handler = await intercepted(
        CallInterceptor(Observed(), lambda: MADE), grpc.unary_unary_rpc_method_handler(answering)
    )
    call = handler.unary_unary

    assert [const for const in call.__code__.co_consts if hasattr(const, "co_code")] == []


@KINDS
async def test_a_request_that_cannot_be_read_is_refused(stream: bool) -> None:
    """Bytes that are no message of the method are the client's mistake, not the server's."""
    request = reader(pb.GetSessionRequest)(b"\x0a\x02\xff\xfe")
    assert isinstance(request, MalformedRequest)
    context = Context()
    interceptor = CallInterceptor(Observed(), lambda: MADE)
    make = grpc.unary_stream_rpc_method_handler if stream else grpc.unary_unary_rpc_method_handler
    handler = await intercepted(interceptor, make(answering))

    with pytest.raises(grpc.aio.AbortError):
        await (handler.unary_stream if stream else handler.unary_unary)(request, context)

    code, _, trailers = context.answer
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(trailers).reason == "INVALID_FIELD"


@pytest.mark.parametrize("make", [grpc.unary_stream_rpc_method_handler, grpc.stream_stream_rpc_method_handler])
async def test_the_librarys_own_streams_pass_untouched(make: Any) -> None:
    """Health and reflection stream by generators and answer for themselves; a missing method stays missing."""

    async def generator(_request: Any, _context: Any) -> AsyncIterator[Empty]:
        yield Empty()

    interceptor = CallInterceptor(Observed(), lambda: MADE)
    handler = make(generator)

    assert await intercepted(interceptor, handler) is handler
    assert await intercepted(interceptor, None) is None


async def test_a_stream_of_both_ways_is_answered_and_measured_like_any_other() -> None:
    """Its handler gets the context, its errors become statuses, and it counts once."""
    observed, context = Observed(), Context()
    handler: Any = grpc.stream_stream_rpc_method_handler(raising(SessionNotFound("s")))
    wrapped = await intercepted(CallInterceptor(observed, lambda: MADE), handler)

    with pytest.raises(grpc.aio.AbortError):
        await wrapped.stream_stream(None, context)

    code, _, trailers = context.answer
    assert (code, info_of(trailers).reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    assert observed.calls == [("GetSession", "NOT_FOUND", "SESSION_NOT_FOUND")]


async def test_a_method_is_wrapped_once() -> None:
    """The second call of a method takes the handler made for the first."""
    interceptor = CallInterceptor(Observed(), lambda: MADE)

    first = await intercepted(interceptor, grpc.unary_unary_rpc_method_handler(answering))
    second = await intercepted(interceptor, grpc.unary_unary_rpc_method_handler(answering))

    assert first is second


@pytest.mark.parametrize(
    ("left", "budget"),
    [
        pytest.param(None, 10.0, id="the client does not say"),
        pytest.param(2.5, 2.5, id="the client says"),
        pytest.param(1e9, 3_600.0, id="for ever is an hour"),
    ],
)
def test_a_call_has_until_its_clients_deadline(left: float | None, budget: float) -> None:
    """Retries inside end at the client's deadline, by default after 10 s."""
    context: Any = Context(left=left)

    assert deadline_of(context) - time.monotonic() == pytest.approx(budget, abs=1.0)
