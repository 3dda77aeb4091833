"""Dramatiq's log, thinned: it repeats itself with every attempt."""

import logging
import time
from collections.abc import Callable
from typing import Final

AGAIN_S: Final = 60.0


class OnceAMinute(logging.Filter):
    """Lets each kind of Dramatiq's messages through once a minute: a worker without its broker logs two a second."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__("dramatiq")
        self._monotonic = monotonic
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is to be logged."""
        if not super().filter(record):
            return True
        now, kind = self._monotonic(), str(record.msg)
        if now - self._last.get(kind, -AGAIN_S) < AGAIN_S:
            return False
        self._last[kind] = now
        return True


def quieten() -> None:
    """Thin Dramatiq's log in every handler of the root logger."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(OnceAMinute())
