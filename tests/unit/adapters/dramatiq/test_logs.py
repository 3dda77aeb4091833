"""A worker without its broker says so, but not twice a second."""

import logging

from synckairos.adapters.dramatiq.logs import AGAIN_S, OnceAMinute


class Clock:
    """Time as the test wants it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def record(name: str, text: str, *values: object) -> logging.LogRecord:
    """Return a log record."""
    return logging.LogRecord(name, logging.CRITICAL, "", 0, text, values, None)


def test_each_kind_of_message_passes_once_a_minute() -> None:
    """The same text with other values is the same kind; other texts pass."""
    clock = Clock()
    once = OnceAMinute(clock)
    lost = [record("dramatiq.worker.ConsumerThread(audit)", "lost: %s", number) for number in range(3)]

    first = [once.filter(one) for one in lost]
    other = once.filter(record("dramatiq.worker", "something else"))
    clock.now = AGAIN_S
    later = [once.filter(one) for one in lost]

    assert first == later == [True, False, False]
    assert other


def test_other_libraries_are_left_alone() -> None:
    """Also those whose name begins alike."""
    once = OnceAMinute(Clock())

    assert [once.filter(record("dramatiqs.worker", "lost")) for _ in range(2)] == [True, True]
    assert [once.filter(record("asyncio", "lost")) for _ in range(2)] == [True, True]
