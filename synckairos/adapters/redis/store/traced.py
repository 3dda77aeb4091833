"""The span of a transaction, shared by the calls that go with it."""

from collections.abc import Awaitable, Callable

from synckairos.adapters.redis.store.queues import Attempt
from synckairos.application.tracing import Attributes, Tracing


def traced(run: Callable[[Attempt], Awaitable[None]], tracing: Tracing) -> Callable[[Attempt], Awaitable[None]]:
    """Return what carries out attempts, each within a span if one of its calls has one."""

    async def run_traced(attempt: Attempt) -> None:
        calls = [call for queue in attempt.queues for call in queue.calls]
        traces = [call.request.trace for call in calls if call.request.trace]
        if not traces:
            # The task of a batch begins in the context of whichever call has closed it.
            tracing.leave()
            await run(attempt)
            return
        told: Attributes = {
            "db.system.name": "redis",
            "synckairos.calls": len(calls),
            "synckairos.sessions": len(attempt.queues),
        }
        with tracing.shared("transaction", traces, told):
            await run(attempt)

    return run_traced
