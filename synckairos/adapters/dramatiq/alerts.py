"""Alerts to Sentry, for whoever has it: the package is an extra, and nothing happens without a DSN."""

from collections.abc import Callable
from typing import Any

import structlog

Alert = Callable[[str, str], None]

_log = structlog.get_logger(__name__)


def sentry_alerts(dsn: str | None) -> Alert:
    """Return what takes (what happened, why); without a DSN, or without the package, it does nothing."""
    if not dsn:
        return _nothing
    try:
        import sentry_sdk  # noqa: PLC0415 - an extra that may be missing
    except ImportError:
        _log.warning("sentry_missing", problem="SYNCKAIROS_SENTRY_DSN is set, the extra `sentry` is not installed")
        return _nothing
    # Nothing of its own accord: it would take along what requests and variables hold.
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
