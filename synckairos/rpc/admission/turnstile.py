"""The turnstile that unary calls pass before anything else is done for them, while more come than the server can do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc

from synckairos.application.admission.allowances import Allowances
from synckairos.application.admission.overload import Kind, Overload, Weight
from synckairos.application.errors import Overloaded
from synckairos.application.identity import Scope
from synckairos.rpc.admission.scopes import OPEN, REFLECTION, scope_of
from synckairos.rpc.statuses import Metadata

if TYPE_CHECKING:
    from synckairos.rpc.interceptor import Context, Handler

ATTEMPTS: Final = "grpc-previous-rpc-attempts"
"""What gRPC says of a call that it retries by itself."""
READING: Final = frozenset({Scope.SESSIONS_READ, Scope.AUDIT_READ, None})

Told = tuple[grpc.StatusCode, str, Metadata]
Tell = Callable[[str, "Context", Overloaded], Told]
"""Takes note of a call, by its full name, that may not begin; returns the code, the text and the trailers for it."""


def weight_of(method: str) -> Weight:
    """Return what a call, by its full name, counts for."""
    if method.startswith((OPEN, REFLECTION)):
        return Weight.ALWAYS
    scope = scope_of(method)
    if scope is Scope.OPERATIONS:
        return Weight.ALWAYS
    return Weight.READ if scope in READING else Weight.CHANGE


class Turnstile:
    """Lets calls begin, or says why they may not."""

    def __init__(
        self,
        overload: Overload,
        allowances: Allowances | None = None,
        knows: "Callable[[Context], bool] | None" = None,
    ) -> None:
        """Without `allowances` tenants have no limits.

        `knows` returns whether it is known at once whose a call is; None where nothing authenticates.
        """
        self.overload = overload
        self.allowances = allowances
        self._knows = knows
        self._kinds: dict[str, Kind] = {}

    def kind_of(self, method: str) -> Kind | None:
        """Return what a call is counted as, by its full name; None if it is not counted, and may always begin."""
        weight = weight_of(method)
        if weight is Weight.ALWAYS:
            return None
        if method not in self._kinds:
            self._kinds[method] = self.overload.kind(weight)
        return self._kinds[method]

    @asynccontextmanager
    async def command(self, method: str, left_s: float, tenant: str) -> AsyncIterator[None]:
        """Count a command of a stream as the call (full name) it stands for while the body runs.

        Raises Overloaded, RateLimited.
        """
        kind, overload = self.kind_of(method), self.overload
        assert kind is not None  # noqa: S101 - commands are calls of sessions
        if overload.under_way >= overload.free and (error := overload.refusal(kind.weight, left_s)) is not None:
            raise error
        overload.under_way += 1
        try:
            if self.allowances is None:
                yield
            else:
                async with self.allowances.call(tenant):
                    yield
        finally:
            overload.leave()

    def refusal(self, kind: Kind | None, context: "Context") -> Overloaded | None:
        """Return why a call may not begin, None if it may; a kind of None may unless a stranger asks."""
        overload = self.overload
        is_stranger = (
            overload.strangers >= overload.most_strangers and self._knows is not None and not self._knows(context)
        )
        if is_stranger and (error := overload.refusal_of_stranger(was_tried=was_tried(context))) is not None:
            return error
        if kind is None or overload.under_way < overload.free:
            return None
        return overload.refusal(kind.weight, context.time_remaining(), was_tried=was_tried(context))

    def enter(self, kind: Kind, context: "Context") -> None:
        """Count a call of which it is known whose it is, until its answer is sent; raises Overloaded."""
        overload = self.overload
        if overload.under_way >= overload.free:
            # Another look: finding out whose it is may have taken a while.
            error = overload.refusal(kind.weight, context.time_remaining(), was_tried=was_tried(context))
            if error is not None:
                raise error
        overload.under_way += 1
        task, began = asyncio.current_task(), overload.now()
        assert task is not None  # noqa: S101 - gRPC and the HTTP port make one
        task.add_done_callback(lambda _: overload.end(kind, began))

    def around(self, method: str, handler: "Handler", tell: Tell) -> "Handler":
        """Return a wrapped handler behind the turnstile; a refused request is not even decoded.

        The handler counts the call, by `enter`.
        """
        kind = self.kind_of(method)
        if handler.unary_unary is None or kind is None:
            return handler
        overload, behaviour, read = self.overload, handler.unary_unary, handler.request_deserializer
        assert read is not None  # noqa: S101 - ours all have one

        async def call(encoded: bytes, context: Any) -> Any:  # noqa: ANN401 - any message
            is_tight = overload.under_way >= overload.free or overload.strangers >= overload.most_strangers
            if is_tight and (error := self.refusal(kind, context)) is not None:
                refused = context.abort(*tell(method, context, error))
                # What is raised keeps this frame, which must not keep the call: the collector would have to find it.
                del context, encoded, error
                return await refused
            return await behaviour(read(encoded), context)

        behind_turnstile: Handler = grpc.unary_unary_rpc_method_handler(
            call, request_deserializer=bytes, response_serializer=handler.response_serializer
        )
        return behind_turnstile


def was_tried(context: "Context") -> bool:
    """Return whether gRPC has tried a call before."""
    return any(name == ATTEMPTS and value not in {"0", b"0"} for name, value in context.invocation_metadata() or ())
