"""The check of stopped servers on histories made by hand."""

import pytest

from synckairos.application.streams import frames
from synckairos.application.streams.frames import EndReason
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history import Fault
from testing.robustness.history_builder import BORN_MS, SESSION, HistoryBuilder
from testing.robustness.promises import Promise
from testing.robustness.verdict import broken, judge


@pytest.fixture
def built() -> HistoryBuilder:
    """A session that was started before its server was stopped, at 2 s, and that goes on elsewhere."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    stop = Fault("server stopped", 0, 2.0, 2.0, 4.0, BORN_MS + 2_000, BORN_MS + 4_000, exit_code=0)
    built.history.faults.append(stop)
    return built


def test_a_stream_that_is_told_breaks_nothing(built: HistoryBuilder) -> None:
    """Its last message is an end."""
    session = built.session
    built.watch(built.snapshot(2), frames.end(SESSION, session, BORN_MS + 2_100, EndReason.DRAINING, 500))
    built.history.ends[-1].at, built.history.ends[-1].is_left = 2.2, False

    assert judge(built.finish()) == []


@pytest.mark.parametrize(("at", "promises"), [(2.2, {Promise.ANNOUNCED}), (1.9, set()), (4.1, set())])
def test_a_stream_that_is_cut_off_was_not_announced(built: HistoryBuilder, at: float, promises: set[Promise]) -> None:
    """Without an end, while its server stopped; before or after it, the stop is not to blame."""
    built.watch(built.snapshot(2))
    built.history.ends[-1].at, built.history.ends[-1].is_left = at, False

    assert broken(built.finish()) == promises


def test_a_server_that_does_not_end_cleanly_is_found(built: HistoryBuilder) -> None:
    """It had to be killed."""
    built.history.faults[-1].exit_code = -9

    assert broken(built.finish()) == {Promise.ANNOUNCED}


def test_a_change_that_nobody_can_decide_is_found(built: HistoryBuilder) -> None:
    """Its caller asked until the end, and never learned what had become of it."""
    call = built.ask(2_500, "SwitchCycle", pb.SwitchCycleRequest(), outcome="unknown", reason="UNAVAILABLE")
    assert broken(built.finish()) == {Promise.ANNOUNCED}

    call.outcome = "ok"
    assert judge(built.finish()) == []
