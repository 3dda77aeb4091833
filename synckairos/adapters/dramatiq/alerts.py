"""Alerts to Sentry: the package is an extra, and nothing happens without a DSN."""

from collections.abc import Callable
from typing import Any

import structlog

Alert = Callable[[str, str], None]

_log = structlog.get_logger(__name__)


def sentry_alerts(dsn: str | None) -> Alert:
    """Return a function of (what happened, why) that alerts; it does nothing without a DSN or the package."""
    if not dsn:
        return _nothing
    try:
        import sentry_sdk  # noqa: PLC0415 - an extra that may be missing
    except ImportError:
        _log.warning("sentry_missing", problem="SYNCKAIROS_SENTRY_DSN is set, the extra `sentry` is not installed")
        return _nothing
    # No integrations: they would send the contents of requests and variables.
    sentry_sdk.init(
        dsn=dsn, default_integrations=False, auto_enabling_integrations=False, include_local_variables=False
    )

    def alert(what: str, why: str) -> None:
        scope: Any
        with sentry_sdk.new_scope() as scope:
            scope.set_extra("problem", why)
            sentry_sdk.capture_message(what, level="fatal")

    return alert


def _nothing(_what: str, _why: str) -> None:
    return None
