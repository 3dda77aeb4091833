"""What a caller's tenant may ask for, held to before a call's handler sees it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from synckairos.application.admission.allowances import Allowances
from synckairos.application.errors import RateLimited
from synckairos.rpc.admission.access import standing, tenant
from synckairos.rpc.admission.peers import address_of
from synckairos.v1 import session_service_pb2 as pb

if TYPE_CHECKING:
    from synckairos.rpc.interceptor import Behaviour, Context


def allowed(allowances: Allowances, inner: Callable[[Any, Any], Awaitable[Any]], *, is_stream: bool) -> "Behaviour":
    """Return a behaviour that is preceded by the limits of the caller's tenant."""
    held = _held(allowances, inner) if is_stream else inner

    async def call(request: Any, context: "Context") -> Any:  # noqa: ANN401 - any message
        caller = tenant()
        try:
            budget = allowances.budget(caller)
            if budget is not None and not budget.take():
                await budget.wait()
            return await held(request, context)
        except RateLimited as error:
            allowances.note(caller, error)
            raise

    return call


def _held(allowances: Allowances, inner: Callable[[Any, Any], Awaitable[Any]]) -> "Behaviour":
    async def stream(request: Any, context: "Context") -> Any:  # noqa: ANN401 - any message
        known = standing()
        subject = address_of(context) if known is None else known.identity.subject
        async with allowances.holding.stream(tenant(), subject, _watched(request)):
            return await inner(request, context)

    return stream


def _watched(request: Any) -> int:  # noqa: ANN401 - any message
    """Return how many sessions a stream is to watch."""
    if isinstance(request, pb.WatchSessionsRequest):
        return len(request.watches)
    return int(isinstance(request, pb.WatchSessionRequest))
