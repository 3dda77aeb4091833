"""What bounds and limits add to a switch, each step timed by itself; `python -m bench.core` prints them."""

import functools
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from bench.seeding import life, spec_of
from synckairos.application.admission.allowances import Allowances
from synckairos.application.admission.limits import EVERYBODY, Limits, LimitTable
from synckairos.application.admission.overload import Overload, Weight
from synckairos.application.ports import Reading
from synckairos.domain.tenancy import DEFAULT_TENANT
from synckairos.rpc.admission.allowing import allowed
from synckairos.telemetry import Metrics

ALL: Final = LimitTable({EVERYBODY: Limits(1e6, 1e6, 10**9, 10**9, 10**9)})
PLENTY: Final = 10**9


async def _sessions(_tenant: str) -> int:
    return 0


async def _handler(_request: object, _context: object) -> None:
    return None


def _run(call: Any) -> None:
    try:
        call.send(None)
    except StopIteration:
        return


def admission_steps() -> dict[str, Callable[[], object]]:
    """Return what comes before and after a switch."""
    overload = Overload(Metrics(), target_s=1.0, most=2_000)
    kind = overload.kind(Weight.CHANGE)
    nobody: Any = None  # calls within their slice never ask the store
    allowances = Allowances(lambda: ALL, nobody, nobody, _sessions, Metrics())
    budget = allowances.budget(DEFAULT_TENANT)
    assert budget is not None  # noqa: S101 - the table has one
    budget._held = PLENTY  # noqa: SLF001 - a slice that is never used up
    limited = allowed(allowances, _handler, is_stream=False)
    *_, (_, event) = life(spec_of(2), 0, switches=3)
    session, instants = event.session, count(1_000_000, 1_000_000)

    def counted() -> None:
        if overload.under_way < overload.free:
            overload.under_way += 1
            functools.partial(overload.end, kind, overload.now())()

    return {
        "count a call, and its end": counted,
        "take from the tenant's calls": lambda: _run(limited(nobody, nobody)),
        "the same handler without limits": lambda: _run(_handler(None, None)),
        "judge how often it is switched": lambda: allowances.paces.judge(
            session.session_id, Reading(session, next(instants))
        ),
    }
