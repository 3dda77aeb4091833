"""The spans of calls, around everything else that is done with them."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from synckairos.application.tracing import Tracing

if TYPE_CHECKING:
    from synckairos.rpc.interceptor import Behaviour, Context

ResultT = TypeVar("ResultT")


def traced(tracing: Tracing, method: str, inner: "Behaviour") -> "Behaviour":
    """Return a behaviour within the span of its call, below the span that the caller names, if any."""

    async def call(request: Any, context: "Context") -> Any:  # noqa: ANN401 - any message
        span = tracing.call(method, context.invocation_metadata() or ())
        if span is None:
            return await inner(request, context)
        with span:
            return await inner(request, context)

    return call


async def traced_command(tracing: Tracing, method: str, judged: Awaitable[ResultT]) -> ResultT:
    """Return what judging a command of a stream comes to, within a span of its own."""
    span = tracing.call(method, ())
    if span is None:
        return await judged
    with span:
        return await judged
