"""How much a server takes on, put together from the settings."""

from synckairos.adapters.ids import new_change_id
from synckairos.adapters.limit_files import read_limits
from synckairos.adapters.redis.indexes import RedisSessionIndex
from synckairos.adapters.redis.limits import RedisBudgets, RedisHoldings
from synckairos.application.admission.allowances import Allowances
from synckairos.application.admission.overload import LoadObserver, Overload
from synckairos.application.background import Background
from synckairos.composition.redis import Redis
from synckairos.composition.reloading import Reloading
from synckairos.settings import Settings
from synckairos.telemetry import Metrics


def opened_allowances(
    settings: Settings, redis: Redis, reloading: Reloading, background: Background, metrics: Metrics
) -> Allowances | None:
    """Return the limits of tenants, kept up to date by `reloading` and `background`; None without any.

    Raises UnusableFilesError.
    """
    if not settings.limits:
        return None
    files = reloading.followed("limits", settings.limits, read_limits, metrics.reloaded)
    holdings = RedisHoldings(*redis, new_change_id())
    sessions_of = RedisSessionIndex(*redis).of_tenant
    allowances = Allowances(lambda: files.current, RedisBudgets(*redis), holdings, sessions_of, metrics)
    files.on_change(allowances.reloaded)
    background.run("limits", allowances.run)
    background.run("holdings", allowances.holding.run)
    return allowances


def opened_overload(settings: Settings, background: Background, observer: LoadObserver) -> Overload:
    """Return the bound of the calls under way, kept up to date by `background`."""
    overload = Overload(observer, target_s=settings.queue_target_ms / 1_000, most=settings.calls_max)
    background.run("load", overload.run)
    return overload
