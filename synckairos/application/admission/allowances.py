"""Everything that tenants may ask for, in one place for those who ask."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from synckairos.application.admission.budgets import Budget, Budgets
from synckairos.application.admission.holdings import Holding, Holdings
from synckairos.application.admission.limits import Limits, LimitTable
from synckairos.application.admission.overload import LoadObserver
from synckairos.application.admission.paces import Paces
from synckairos.application.admission.rooms import Rooms
from synckairos.application.errors import RateLimited

LAPSE_S: Final = 10.0
"""After that, calls that have been leased and not made are given up; also between two lines in the log."""

_log = structlog.get_logger(__name__)


class Allowances:
    """The limits of all tenants, as a table says that may change."""

    def __init__(
        self,
        table: Callable[[], LimitTable],
        budgets: Budgets,
        holdings: Holdings,
        count_sessions: Callable[[str], Awaitable[int]],
        observer: LoadObserver,
    ) -> None:
        """`table` returns the limits as they are now, `count_sessions` how many sessions a tenant has."""
        self._table = table
        self._store = budgets
        self._observer = observer
        self._budgets: dict[str, Budget | None] = {}
        self._refused: Counter[tuple[str, str]] = Counter()
        self.paces = Paces(self.limits_of)
        self.rooms = Rooms(count_sessions, self.limits_of)
        self.holding = Holding(holdings, self.limits_of)

    def limits_of(self, tenant: str) -> Limits:
        """Return a tenant's limits now."""
        return self._table().of(tenant)

    def budget(self, tenant: str) -> Budget | None:
        """Return what this server holds of a tenant's calls; None if it may make as many as it likes."""
        try:
            return self._budgets[tenant]
        except KeyError:
            rate = self.limits_of(tenant).calls_per_second
            budget = self._budgets[tenant] = Budget(tenant, rate, self._store) if rate else None
            return budget

    @asynccontextmanager
    async def call(self, tenant: str) -> AsyncIterator[None]:
        """Make a call of a tenant, the body; counts also what limits refuse there. Raises RateLimited."""
        try:
            budget = self.budget(tenant)
            if budget is not None and not budget.take():
                await budget.wait()
            yield
        except RateLimited as error:
            self.note(tenant, error)
            raise

    def reloaded(self) -> None:
        """Take note of a changed table."""
        self._budgets.clear()
        self.paces.reloaded()

    def note(self, tenant: str, error: RateLimited) -> None:
        """Count a refusal, and say so now and then."""
        name = error.details["name"]
        self._observer.refused(name)
        self._refused[tenant, name] += 1

    async def run(self) -> None:
        """Give up leased calls that nobody makes, and tell the log whom limits have refused, for ever."""
        while True:
            await asyncio.sleep(LAPSE_S)
            for tenant, budget in list(self._budgets.items()):
                if budget is None or not budget.lapse():
                    del self._budgets[tenant]
            refused, self._refused = self._refused, Counter()
            for (tenant, name), count in refused.items():
                _log.warning("rate_limited", tenant=tenant, limit=name, refused=count, seconds=LAPSE_S)
