"""A lean way from gRPC's core to the handlers of unary calls.

grpc.aio takes calls one at a time: for each it makes a task, waits for whichever method comes next, and keeps one more
task to hear that the client has gone. Here the core knows the unary methods by name (registered methods), and tasks
that live as long as the server accept their calls. From there on everything is grpcio's own code: contexts, errors,
deadlines, done callbacks, logs. Streams, health and reflection go through grpc.aio as ever.

This needs names that grpcio does not promise. `lacking` says which of them are not as they were.
"""

import asyncio
import contextlib
import functools
import inspect
import pkgutil
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import grpc
import structlog

from synckairos.application.admission.overload import Kind
from synckairos.rpc.admission.turnstile import Tell, Turnstile
from synckairos.rpc.stepping import advance

if TYPE_CHECKING:
    from synckairos.rpc.interceptor import Handler

FIRST_ACCEPTING: Final = 4
"""Tasks that accept calls of one method at first; each adds another one when it gets its first call."""
ACCEPTING: Final = 32
"""The same of a method that is called: that many calls can arrive between two looks of the event loop at gRPC."""
MOST_ACCEPTING: Final = 512
"""The same of a method whose calls had to be refused, for then more arrive."""

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
    "grpc._cython.cygrpc:_ServicerContext": None,
    "grpc._cython.cygrpc:execute_batch": ("grpc_call_wrapper", "operations", "loop"),
    "grpc._cython.cygrpc:ReceiveCloseOnServerOperation": None,
    "grpc._cython.cygrpc:SendInitialMetadataOperation": None,
    "grpc._cython.cygrpc:SendStatusFromServerOperation": None,
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
_Context: Any = _found("grpc._cython.cygrpc:_ServicerContext")
_execute: Any = _found("grpc._cython.cygrpc:execute_batch")
_Close: Any = _found("grpc._cython.cygrpc:ReceiveCloseOnServerOperation")
_Headers: Any = _found("grpc._cython.cygrpc:SendInitialMetadataOperation")
_Status: Any = _found("grpc._cython.cygrpc:SendStatusFromServerOperation")
_NoCall: Any = _found("grpc._cython.cygrpc:_RequestCallError") or Exception


class Entry(NamedTuple):
    """The turnstile that calls pass, and what is told to those it does not let in."""

    turnstile: Turnstile
    tell: Tell


def lean_server(
    handlers: Mapping[str, "Handler"],
    interceptors: Sequence[grpc.aio.ServerInterceptor],
    options: Sequence[tuple[str, int]],
    entry: "Entry | None" = None,
) -> grpc.aio.Server | None:
    """Return a server that serves these unary methods (by full name) the lean way; None if this grpcio cannot.

    The handlers are called as they are, if the entry lets a call in: the interceptors are for everything else.
    """
    missing = lacking()
    try:
        if not missing:
            # TypeError if they take anything else: they do not say what they take.
            _Context(None, None, None, None)
            _refusing(grpc.StatusCode.UNAVAILABLE, "", ())
            return LeanServer(handlers, interceptors, options, entry)
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
        entry: Entry | None = None,
    ) -> None:
        # Not super().__init__: it makes a core of its own.
        self._loop = _working_loop()
        self._server = _Core(self._loop, None, (), tuple(interceptors), tuple(options), None)
        self._server.serve(handlers, entry)


class _Core(_AioServer):  # type: ignore[misc] # grpcio's class has no types
    """Accepts the calls of registered methods by tasks that live as long as the server."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *rest: object) -> None:
        super().__init__(loop, *rest)
        self.loop = loop
        self.accepting: set[asyncio.Task[None]] = set()
        self.accepting_of: Counter[bytes] = Counter()
        self.handlers: dict[bytes, Handler] = {}
        self.entry: Entry | None = None
        self.broken: asyncio.Future[None] = loop.create_future()

    def serve(self, handlers: Mapping[str, "Handler"], entry: Entry | None) -> None:
        """Register the methods of these handlers; to be called before the start."""
        self.entry = entry
        self.add_registered_method_handlers(dict(handlers))
        self.handlers = {method.encode(): handler for method, handler in handlers.items()}

    def _make_request_call_future(self, method_bytes: bytes | None) -> Any:  # noqa: ANN401 - as grpcio has it
        # The loop of grpc.aio waits for the next call of each method by what this returns. For ours it gets, once, a
        # future that never has one; it cancels it when the server stops.
        if method_bytes is None or method_bytes not in self.handlers:
            return super()._make_request_call_future(method_bytes)
        for _ in range(FIRST_ACCEPTING):
            self._start_accepting(method_bytes)
        return self.broken

    def _start_accepting(self, method: bytes) -> None:
        self.accepting_of[method] += 1
        task = self.loop.create_task(self._accept(method))
        self.accepting.add(task)
        task.add_done_callback(self._ended)

    async def _accept(self, method: bytes) -> None:
        handler, name = self.handlers[method], method.decode()
        begin = self._begin
        kind = None if self.entry is None else self.entry.turnstile.kind_of(name)
        if self.entry is not None:
            begin = functools.partial(self._enter, *self.entry, kind)
        is_unused = True
        while self.is_running():
            try:
                # The state of a call is kept by nothing here: it goes when the call is over.
                begin(await self._request_registered_call(method), handler, name)
            except _NoCall:
                continue  # the server stops, or the client went before its call was accepted
            if is_unused:
                is_unused = False
                self._accept_more(method, ACCEPTING)

    def _begin(self, state: object, handler: "Handler", name: str) -> None:
        """Let grpcio run the call: it makes a task for the handler, and hears of the client's going away."""
        advance(_attend(_handle(handler, state, self.loop), state, self.loop, name), self.loop)

    def _enter(
        self, turnstile: Turnstile, tell: Tell, kind: Kind | None, state: object, handler: "Handler", name: str
    ) -> None:
        """As `_begin`, if the turnstile lets the call in: a refused one's request is not even received.

        It counts once its request is here and it is known whose it is: what never sends one, and what a stranger sends,
        must not have others refused.
        """
        overload, loop = turnstile.overload, self.loop
        if overload.under_way >= overload.free or overload.strangers >= overload.most_strangers:
            context = _Context(state, None, None, loop)
            error = turnstile.refusal(kind, context)
            if error is not None:
                advance(_refuse(state, _refusing(*tell(name, context, error)), loop), loop)
                self._accept_more(name.encode(), MOST_ACCEPTING)
                return
        self._begin(state, handler, name)

    def _accept_more(self, method: bytes, most: int) -> None:
        """Have one more task accept calls of a method: those that wait for one are queued where nobody sees them."""
        if self.accepting_of[method] < most:
            self._start_accepting(method)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.accepting.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.broken.done():
            # grpc.aio's own loop raises it, and the server goes down as it would for itself.
            self.broken.set_exception(error)


def _refusing(code: grpc.StatusCode, text: str, trailers: tuple[Any, ...]) -> tuple[object, ...]:
    """Return what ends a call at once, as grpc's server of threads has it."""
    number, _name = code.value
    return _Headers((), 0), _Status(trailers, number, text, 0), _Close(0)


async def _refuse(state: object, operations: tuple[object, ...], loop: asyncio.AbstractEventLoop) -> None:
    """End a call of which nothing has been received, in one go: without a task, or an error to be caught."""
    with contextlib.suppress(grpc.aio.InternalError):  # the client has gone
        await _execute(state, operations, loop)
