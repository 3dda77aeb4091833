"""The checks of streams that stand still, or end for a wrong reason."""

import pytest

from synckairos.application.streams.frames import EndReason, FrameKind
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history import Call, Fault
from testing.robustness.history_builder import SESSION, HistoryBuilder
from testing.robustness.promises import Promise
from testing.robustness.verdict import broken, judge


@pytest.fixture
def built() -> HistoryBuilder:
    """A session that was started, and is paused."""
    return HistoryBuilder.paused()


def test_a_stream_that_says_nothing_is_not_reliable(built: HistoryBuilder) -> None:
    """It was open for long, and did not begin; while something is broken, that is right."""
    built.watch()
    assert broken(built.finish()) == {Promise.RELIABLE}

    built.history.faults.append(Fault("redis frozen", 0, 0.0, 1.0, 999.0, 0, 0))
    assert judge(built.finish()) == []


def test_marks_that_stop_are_not_reliable(built: HistoryBuilder) -> None:
    """Two came at their interval, then none any more."""
    marks = [built.mark(FrameKind.PROGRESS, 3, at) for at in (1_500, 2_000)]
    built.watch(built.snapshot(3), *marks)
    built.history.ends[-1].at = 5.0
    assert judge(built.finish()) == []

    built.history.streams[-1].progress_ms = 500
    assert judge(built.finish()) == []
    built.history.ends[-1].at = 6.0
    assert broken(built.finish()) == {Promise.RELIABLE}


def test_a_stream_that_stands_still_is_not_prompt(built: HistoryBuilder) -> None:
    """One change was never heard of: no median tells."""
    built.watch(built.snapshot(2))
    built.history.ends[-1].at = 6.0

    assert broken(built.finish()) == {Promise.PROMPT}


@pytest.mark.parametrize("reason", [EndReason.TERMINAL, EndReason.DELETED, EndReason.NOT_FOUND])
def test_an_end_without_reason_is_not_reliable(built: HistoryBuilder, reason: EndReason) -> None:
    """The session is paused, and there."""
    end = built.end(3)
    end.reason = reason
    built.watch(built.snapshot(3), end)
    built.history.streams[-1].opened = 0.5

    assert broken(built.finish()) == {Promise.RELIABLE}


def test_the_end_of_what_was_deleted_is_right(built: HistoryBuilder) -> None:
    """A later watcher finds nothing."""
    built.ask(2_000, "DeleteSession", pb.DeleteSessionRequest())
    end = built.end(4)
    end.reason = EndReason.DELETED
    built.watch(built.snapshot(3), built.event(4), end)
    built.watch()
    built.history.ends[-1].at, built.history.ends[-1].is_left, built.history.ends[-1].reason = 3.0, False, "NOT_FOUND"

    assert judge(built.finish()) == []


@pytest.mark.parametrize("reason", ["INTERNAL", "UNKNOWN", "NOT_FOUND"])
def test_a_stream_that_ends_with_a_wrong_code_is_not_reliable(built: HistoryBuilder, reason: str) -> None:
    """The session is there, and the code is not foreseen."""
    built.watch(built.snapshot(3))
    built.history.streams[-1].opened = 0.5
    built.history.ends[-1].at, built.history.ends[-1].is_left, built.history.ends[-1].reason = 3.0, False, reason

    assert broken(built.finish()) == {Promise.RELIABLE}


@pytest.mark.parametrize("reason", ["INTERNAL", "UNKNOWN"])
def test_a_read_that_nobody_has_thought_of_is_found(built: HistoryBuilder, reason: str) -> None:
    """Reads too."""
    built.history.calls.append(Call("read", SESSION, "GetSession", b"", 0, 2.0, 2.1, "unknown", reason))

    assert broken(built.finish()) == {Promise.ERROR_CHANGES_NOTHING}
