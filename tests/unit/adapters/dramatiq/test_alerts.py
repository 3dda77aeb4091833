"""Alerts to Sentry: only with a DSN, only if the package is there, and nothing of its own accord."""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import structlog

from synckairos.adapters.dramatiq.alerts import sentry_alerts

DSN = "https://key@sentry.example/1"


class FakeSentry(ModuleType):
    """The part of sentry_sdk that is used, as it was tried with version 2.75."""

    def __init__(self) -> None:
        super().__init__("sentry_sdk")
        self.options: dict[str, Any] = {}
        self.extras: dict[str, str] = {}
        self.sent: list[tuple[str, str, dict[str, str]]] = []

    def init(self, **options: Any) -> None:
        """Remember how it was set up."""
        self.options = options

    @contextlib.contextmanager
    def new_scope(self) -> Iterator["FakeSentry"]:
        """Give a scope."""
        self.extras = {}
        yield self

    def set_extra(self, name: str, value: str) -> None:
        """Be the scope."""
        self.extras[name] = value

    def capture_message(self, text: str, level: str) -> None:
        """Remember what was sent."""
        self.sent.append((text, level, dict(self.extras)))


def test_an_alert_is_sent_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fatal, with the problem beside it; no integration looks at requests or variables."""
    sentry = FakeSentry()
    monkeypatch.setitem(sys.modules, "sentry_sdk", sentry)

    sentry_alerts(DSN)("events do not arrive", "no database")

    assert sentry.sent == [("events do not arrive", "fatal", {"problem": "no database"})]
    assert sentry.options["dsn"] == DSN
    assert sentry.options["default_integrations"] is False
    assert sentry.options["include_local_variables"] is False


def test_without_the_package_it_is_told_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker goes on without; its log says what is missing."""
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    with structlog.testing.capture_logs() as logs:
        sentry_alerts(DSN)("events do not arrive", "no database")

    assert [log["event"] for log in logs] == ["sentry_missing"]
    assert DSN not in str(logs)


def test_without_a_dsn_the_package_is_not_even_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set up, nothing is said."""
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    with structlog.testing.capture_logs() as logs:
        sentry_alerts(None)("events do not arrive", "no database")

    assert logs == []
