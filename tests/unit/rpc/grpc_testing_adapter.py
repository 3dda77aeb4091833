"""grpcio-testing knows only synchronous servicers: this runs the asynchronous handlers on a loop in a thread."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, NamedTuple

import grpc
import grpc_testing
from google.protobuf.descriptor import ServiceDescriptor

from synckairos.rpc.server import method_handlers
from synckairos.v1.session_service_pb2 import WatchSessionResponse
from testing.harness.client import Problem, problem_of

PEER = "ipv4:192.0.2.7:50000"
PATIENCE_S = 10.0

Metadata = Sequence[tuple[str, str]]


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Start work and return its concurrent future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do work and return its result."""
        return self.submit(work).result(PATIENCE_S)

    def close(self) -> None:
        """Stop the loop, nothing left running on it."""
        left = self.run(_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
        assert not left, f"still running: {left}"


async def _others() -> list[str]:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [repr(task) for task in tasks]


class Finished(NamedTuple):
    """The outcome of a call, as a client sees it."""

    response: Any
    code: grpc.StatusCode
    trailers: dict[str, Any]
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class _Failed:
    trailers: Any
    status_code: grpc.StatusCode
    text: str

    def trailing_metadata(self) -> Any:
        return self.trailers

    def code(self) -> grpc.StatusCode:
        return self.status_code

    def details(self) -> str:
        return self.text


class _Context:
    """The context of grpc.aio, made of grpcio-testing's."""

    def __init__(self, context: Any, messages: "SimpleQueue[bytes | None] | None" = None) -> None:
        self._context = context
        self._messages = messages

    def invocation_metadata(self) -> Any:
        return self._context.invocation_metadata()

    def peer(self) -> str:
        return PEER

    def time_remaining(self) -> Any:
        return self._context.time_remaining()

    async def send_initial_metadata(self, metadata: Any) -> None:
        self._context.send_initial_metadata(metadata)

    async def write(self, message: bytes) -> None:
        assert isinstance(message, bytes), "streams write bytes that are encoded already"
        assert self._messages is not None
        self._messages.put(message)

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> None:
        self._context.set_code(code)
        self._context.set_details(details)
        self._context.set_trailing_metadata(trailing_metadata)
        raise grpc.aio.AbortError


class TestServer:
    """Servicers behind an interceptor, called through grpcio-testing."""

    __test__ = False

    def __init__(
        self,
        loop: Loop,
        interceptor: grpc.aio.ServerInterceptor,
        services: dict[ServiceDescriptor, Sequence[object]],
    ) -> None:
        self._loop = loop
        self._interceptor = interceptor
        self._methods = {method.name: method for service in services for method in service.methods}
        adapted = {service: self._adapt(service, servicers) for service, servicers in services.items()}
        self._server = grpc_testing.server_from_dictionary(adapted, grpc_testing.strict_real_time())

    def call(self, name: str, request: Any, metadata: Metadata = (), timeout: float | None = None) -> Finished:
        """Make a unary call."""
        rpc = self._server.invoke_unary_unary(self._methods[name], metadata, request, timeout)
        response, trailers, code, details = rpc.termination()
        return _finished(response, trailers, code, details)

    def ok(self, name: str, request: Any) -> Any:
        """Make a unary call that must succeed and return its reply."""
        finished = self.call(name, request)
        assert finished.code is grpc.StatusCode.OK, finished.problem
        return finished.response

    def refused(self, name: str, request: Any, metadata: Metadata = ()) -> Problem:
        """Make a unary call that must fail and return its error."""
        problem = self.call(name, request, metadata).problem
        assert problem is not None
        return problem

    def stream(self, name: str, request: Any, metadata: Metadata = (), timeout: float | None = None) -> Any:
        """Open a stream: `take_response()`, `cancel()`."""
        return self._server.invoke_unary_stream(self._methods[name], metadata, request, timeout)

    def end_of(self, rpc: Any) -> Finished:
        """Wait for the end of a stream."""
        return _finished(None, *rpc.termination())

    def _adapt(self, service: ServiceDescriptor, servicers: Sequence[object]) -> SimpleNamespace:
        adapted = SimpleNamespace()
        for name, handler in method_handlers(service, servicers).items():
            wrapped = self._loop.run(self._intercept(f"/{service.full_name}/{name}", handler))
            adapt = self._streaming if wrapped.response_streaming else self._unary
            setattr(adapted, name, adapt(wrapped))
        return adapted

    async def _intercept(self, method: str, handler: Any) -> Any:
        async def continuation(_: Any) -> Any:
            return handler

        details: Any = SimpleNamespace(method=method, invocation_metadata=())
        return await self._interceptor.intercept_service(continuation, details)

    def _unary(self, handler: Any) -> Callable[[Any, Any], Any]:
        def call(request: Any, context: Any) -> Any:
            future = self._loop.submit(handler.unary_unary(request, _Context(context)))
            context.add_callback(future.cancel)
            with contextlib.suppress(grpc.aio.AbortError):
                return future.result(PATIENCE_S)

        return call

    def _streaming(self, handler: Any) -> Callable[[Any, Any], Iterator[WatchSessionResponse]]:
        def call(request: Any, context: Any) -> Iterator[WatchSessionResponse]:
            messages: SimpleQueue[bytes | None] = SimpleQueue()
            future = self._loop.submit(handler.unary_stream(request, _Context(context, messages)))
            future.add_done_callback(lambda _: messages.put(None))
            context.add_callback(future.cancel)
            while (message := messages.get(timeout=PATIENCE_S)) is not None:
                yield WatchSessionResponse.FromString(message)
            with contextlib.suppress(grpc.aio.AbortError, asyncio.CancelledError):
                future.exception()

        return call


def _finished(response: Any, trailers: Any, code: grpc.StatusCode, details: str) -> Finished:
    failed: Any = _Failed(trailers, code, details)
    problem = None if code is grpc.StatusCode.OK else problem_of(failed)
    return Finished(response, code, {pair[0]: pair[1] for pair in trailers}, problem)
