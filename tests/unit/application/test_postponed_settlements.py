"""Sessions that could not be settled: how long each waits, and what lets it be tried again."""

from types import SimpleNamespace

import pytest

from synckairos.application import postponed_settlements
from synckairos.application.postponed_settlements import LONGEST_S, Postponed

ONE, OTHER = "one session", "another session"


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which pauses are measured."""
    clock = Clock()
    monkeypatch.setattr(postponed_settlements, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_every_failure_doubles_the_pause_up_to_a_minute(clock: Clock) -> None:
    """The first one is told of, and waits for a second."""
    sessions, pauses = Postponed(), []
    first = [sessions.note(ONE, 7)]
    for _ in range(9):
        began = clock.now
        while sessions.holds(ONE, 7):
            clock.now += 0.5
        pauses.append(clock.now - began)
        first.append(sessions.note(ONE, 7))

    assert first == [True, *[False] * 9]
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_S, LONGEST_S, LONGEST_S]


def test_what_has_changed_is_tried_at_once(clock: Clock) -> None:
    """Another boundary, a success, or nothing due any more: the pause is over, and the next failure is a first one."""
    sessions = Postponed()
    for session_id in (ONE, OTHER):
        sessions.note(session_id, 7)
    clock.now += 0.5

    assert not sessions.holds(ONE, 8)
    assert sessions.holds(ONE, 7)
    sessions.forget(ONE)
    sessions.keep({ONE})

    assert not sessions.holds(ONE, 7)
    assert len(sessions) == 0
    assert sessions.note(OTHER, 7)
