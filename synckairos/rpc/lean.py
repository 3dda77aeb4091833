"""A lean way from gRPC's core to the handlers of unary calls.

grpc.aio takes calls one at a time: for each it makes a task, waits for whichever method comes next, and keeps one more
task to hear that the client has gone. Here the core knows the unary methods by name (registered methods), and tasks
that live as long as the server accept their calls. From there on everything is grpcio's own code: contexts, errors,
deadlines, done callbacks, logs. Streams, health and reflection go through grpc.aio as ever.

This needs names that grpcio does not promise. `lacking` says which of them are not as they were.
"""

import asyncio
import functools
import inspect
import pkgutil
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import grpc
import structlog

if TYPE_CHECKING:
    from synckairos.rpc.interceptor import Handler

ACCEPTING: Final = 32
"""Tasks that accept calls of one method: that many calls can arrive between two looks of the event loop at gRPC."""

NEEDED: Final[dict[str, tuple[str, ...] | None]] = {
    "grpc.aio._server:Server": (
        "thread_pool", "generic_handlers", "interceptors", "options", "maximum_concurrent_rpcs", "compression",
    ),
    "grpc._cython.cygrpc:get_working_loop": (),
    "grpc._cython.cygrpc:AioServer.is_running": ("self",),
    "grpc._cython.cygrpc:AioServer.add_registered_method_handlers": ("self", "method_handlers"),
    "grpc._cython.cygrpc:AioServer._make_request_call_future": ("self", "method_bytes"),
    "grpc._cython.cygrpc:AioServer._request_registered_call": ("self", "method"),
    "grpc._cython.cygrpc:_handle_unary_unary_rpc": ("method_handler", "rpc_state", "loop"),
    "grpc._cython.cygrpc:_schedule_rpc_coro": ("rpc_coro", "rpc_state", "loop", "method_name"),
    "grpc._cython.cygrpc:_RequestCallError": None,
}  # fmt: skip
"""What is used here without grpcio's promise, and the parameters it has to have, where they matter."""

_log = structlog.get_logger(__name__)


def _found(name: str) -> Any:  # noqa: ANN401 - grpcio's inside has no types
    """Return what grpcio has under a name of NEEDED; None if it has nothing there."""
    try:
        return pkgutil.resolve_name(name)
    except (AttributeError, ImportError):
        return None


def lacking() -> list[str]:
    """Return what this grpcio lacks for the lean way, by name."""
    return [name for name, parameters in NEEDED.items() if not _is_there(_found(name), parameters)]


def _is_there(found: Any, parameters: tuple[str, ...] | None) -> bool:  # noqa: ANN401 - whatever grpcio has
    if found is None or parameters is None:
        return found is not None
    try:
        return tuple(inspect.signature(found).parameters) == parameters
    except (TypeError, ValueError):
        return False


_Server: Any = _found("grpc.aio._server:Server") or object
_AioServer: Any = _found("grpc._cython.cygrpc:AioServer") or object
_working_loop: Any = _found("grpc._cython.cygrpc:get_working_loop")
_handle: Any = _found("grpc._cython.cygrpc:_handle_unary_unary_rpc")
_attend: Any = _found("grpc._cython.cygrpc:_schedule_rpc_coro")
_NoCall: Any = _found("grpc._cython.cygrpc:_RequestCallError") or Exception


def lean_server(
    handlers: Mapping[str, "Handler"],
    interceptors: Sequence[grpc.aio.ServerInterceptor],
    options: Sequence[tuple[str, int]],
) -> grpc.aio.Server | None:
    """Return a server that serves these unary methods (by full name) the lean way; None if this grpcio cannot.

    The handlers are called as they are: the interceptors are for everything else.
    """
    missing = lacking()
    try:
        if not missing:
            return LeanServer(handlers, interceptors, options)
    except TypeError as error:
        missing = [str(error)]
    _log.warning("grpc_not_lean", problem="this grpcio is not as expected; grpc.aio serves all calls", lacking=missing)
    return None


class LeanServer(_Server):  # type: ignore[misc] # grpcio's class has no types
    """As grpc.aio's own server, around another core."""

    def __init__(
        self,
        handlers: Mapping[str, "Handler"],
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        options: Sequence[tuple[str, int]],
    ) -> None:
        # Not super().__init__: it makes a core of its own.
        self._loop = _working_loop()
        self._server = _Core(self._loop, None, (), tuple(interceptors), tuple(options), None)
        self._server.serve(handlers)


class _Core(_AioServer):  # type: ignore[misc] # grpcio's class has no types
    """Accepts the calls of registered methods by tasks that live as long as the server."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *rest: object) -> None:
        super().__init__(loop, *rest)
        self.loop = loop
        self.accepting: set[asyncio.Task[None]] = set()
        self.handlers: dict[bytes, Handler] = {}
        self.broken: asyncio.Future[None] = loop.create_future()

    def serve(self, handlers: Mapping[str, "Handler"]) -> None:
        """Register the methods of these handlers; to be called before the start."""
        self.add_registered_method_handlers(dict(handlers))
        self.handlers = {method.encode(): handler for method, handler in handlers.items()}

    def _make_request_call_future(self, method_bytes: bytes | None) -> Any:  # noqa: ANN401 - as grpcio has it
        # The loop of grpc.aio waits for the next call of each method by what this returns. For ours it gets, once, a
        # future that never has one; it cancels it when the server stops.
        if method_bytes is None or method_bytes not in self.handlers:
            return super()._make_request_call_future(method_bytes)
        for _ in range(ACCEPTING):
            task = self.loop.create_task(self._accept(method_bytes))
            self.accepting.add(task)
            task.add_done_callback(self._ended)
        return self.broken

    async def _accept(self, method: bytes) -> None:
        handler, name = self.handlers[method], method.decode()
        while self.is_running():
            try:
                # The state of a call is kept by nothing here: it goes when the call is over.
                self._begin(await self._request_registered_call(method), handler, name)
            except _NoCall:
                continue  # the server stops, or the client went before its call was accepted

    def _begin(self, state: object, handler: "Handler", name: str) -> None:
        """Let grpcio run the call: it makes a task for the handler, and hears of the client's going away."""
        _advance(_attend(_handle(handler, state, self.loop), state, self.loop, name), self.loop)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.accepting.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.broken.done():
            # grpc.aio's own loop raises it, and the server goes down as it would for itself.
            self.broken.set_exception(error)


def _advance(
    steps: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, _done: asyncio.Future[Any] | None = None
) -> None:
    """Run a coroutine to the next future it awaits, and on when that is done, as a task would for more."""
    try:
        awaited = steps.send(None)
    except StopIteration:
        return
    except Exception as error:
        loop.call_exception_handler({"message": "a call of gRPC could not be attended to", "exception": error})
        return
    awaited._asyncio_future_blocking = False  # noqa: SLF001 - how a future is told that its await has been noticed
    awaited.add_done_callback(functools.partial(_advance, steps, loop))
