"""What the checks say of streams that stand still, or end for a reason that is none."""

import pytest

from synckairos.application.frames import EndReason, FrameKind
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history import Call, Fault
from testing.robustness.promises import Promise
from testing.robustness.tale import SESSION, Tale
from testing.robustness.verdict import broken, judge


@pytest.fixture
def tale() -> Tale:
    """A session that was started, and is paused."""
    return Tale.of_a_pause()


def test_a_stream_that_says_nothing_is_not_reliable(tale: Tale) -> None:
    """It was open for long, and did not begin; while something is broken, that is right."""
    tale.watch()
    assert broken(tale.finish()) == {Promise.RELIABLE}

    tale.history.faults.append(Fault("redis frozen", 0, 0.0, 1.0, 999.0, 0, 0))
    assert judge(tale.finish()) == []


def test_marks_that_stop_are_not_reliable(tale: Tale) -> None:
    """Two came at their interval, then none any more."""
    marks = [tale.beat(FrameKind.PROGRESS, 3, at) for at in (1_500, 2_000)]
    tale.watch(tale.snapshot(3), *marks)
    tale.history.ends[-1].at = 5.0
    assert judge(tale.finish()) == []

    tale.history.streams[-1].progress_ms = 500
    assert judge(tale.finish()) == []
    tale.history.ends[-1].at = 6.0
    assert broken(tale.finish()) == {Promise.RELIABLE}


def test_a_stream_that_stands_still_is_not_prompt(tale: Tale) -> None:
    """One change was never heard of: no median tells."""
    tale.watch(tale.snapshot(2))
    tale.history.ends[-1].at = 6.0

    assert broken(tale.finish()) == {Promise.PROMPT}


@pytest.mark.parametrize("reason", [EndReason.TERMINAL, EndReason.DELETED, EndReason.NOT_FOUND])
def test_an_end_without_reason_is_not_reliable(tale: Tale, reason: EndReason) -> None:
    """The session is paused, and there."""
    end = tale.end(3)
    end.reason = reason
    tale.watch(tale.snapshot(3), end)
    tale.history.streams[-1].opened = 0.5

    assert broken(tale.finish()) == {Promise.RELIABLE}


def test_the_end_of_what_was_deleted_is_right(tale: Tale) -> None:
    """Whoever comes later finds nothing."""
    tale.ask(2_000, "DeleteSession", pb.DeleteSessionRequest())
    end = tale.end(4)
    end.reason = EndReason.DELETED
    tale.watch(tale.snapshot(3), tale.event(4), end)
    tale.watch()
    tale.history.ends[-1].at, tale.history.ends[-1].is_left, tale.history.ends[-1].reason = 3.0, False, "NOT_FOUND"

    assert judge(tale.finish()) == []


@pytest.mark.parametrize("reason", ["INTERNAL", "UNKNOWN", "NOT_FOUND"])
def test_a_stream_that_ends_with_a_wrong_code_is_not_reliable(tale: Tale, reason: str) -> None:
    """The session is there, and nobody has thought of this."""
    tale.watch(tale.snapshot(3))
    tale.history.streams[-1].opened = 0.5
    tale.history.ends[-1].at, tale.history.ends[-1].is_left, tale.history.ends[-1].reason = 3.0, False, reason

    assert broken(tale.finish()) == {Promise.RELIABLE}


@pytest.mark.parametrize("reason", ["INTERNAL", "UNKNOWN"])
def test_a_read_that_nobody_has_thought_of_is_found(tale: Tale, reason: str) -> None:
    """Reads too."""
    tale.history.calls.append(Call("read", SESSION, "GetSession", b"", 0, 2.0, 2.1, "unknown", reason))

    assert broken(tale.finish()) == {Promise.ERROR_CHANGES_NOTHING}
