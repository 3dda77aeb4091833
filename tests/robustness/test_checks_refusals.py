"""The checks of refusals on histories made by hand."""

from copy import copy

import pytest

from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history_builder import HistoryBuilder
from testing.robustness.promises import Promise
from testing.robustness.verdict import broken, judge


@pytest.fixture
def built() -> HistoryBuilder:
    """A session that was started, and is paused: version 3."""
    return HistoryBuilder.paused()


def test_a_refusal_that_was_applied_is_found_by_its_replay(built: HistoryBuilder) -> None:
    """Refused, and then replayed: by no other attempt, unless one has an unknown outcome."""
    done = built.history.calls[2]
    refused = copy(done)
    refused.outcome, refused.reason, refused.version, refused.view = "refused", "STORE_UNAVAILABLE", 0, ""
    refused.invoked, refused.returned = 0.8, 0.9
    built.history.calls.insert(2, refused)
    assert judge(built.finish()) == []

    done.replayed = True
    assert broken(built.finish()) == {Promise.ERROR_CHANGES_NOTHING}

    refused.outcome, refused.reason = "unknown", "DEADLINE_EXCEEDED"
    assert judge(built.finish()) == []


def test_a_session_that_is_there_is_found(built: HistoryBuilder) -> None:
    """It is not there before it is created, and not when it may have been deleted."""
    early = built.refuse(0, "SwitchCycle", pb.SwitchCycleRequest(), "SESSION_NOT_FOUND")
    assert judge(built.finish()) == []

    early.invoked, early.returned = 1.5, 1.6
    assert broken(built.finish()) == {Promise.LINEARIZABLE}

    built.refuse(1_550, "DeleteSession", pb.DeleteSessionRequest(), "DEADLINE_EXCEEDED", outcome="unknown")
    assert judge(built.finish()) == []


def test_an_id_that_nobody_took_is_free(built: HistoryBuilder) -> None:
    """The first creation is refused for its own sake; a second one is for the first one's."""
    built.refuse(1_500, "CreateSession", pb.CreateSessionRequest(), "SESSION_ALREADY_EXISTS")
    assert judge(built.finish()) == []

    built.history.calls[-1].invoked, built.history.calls[-1].returned = -1.0, -0.9
    assert broken(built.finish()) == {Promise.LINEARIZABLE}


@pytest.mark.parametrize(("at", "expected", "is_right"), [(1_500, 3, False), (1_500, 2, True), (1_005, 2, True)])
def test_a_conflict_has_another_version_to_it(built: HistoryBuilder, at: int, expected: int, is_right: bool) -> None:
    """The session stood at version 3 from 1,010 ms on, and perhaps from 1,000 ms."""
    request = pb.SwitchCycleRequest(expected_version=expected)
    built.refuse(at, "SwitchCycle", request, "VERSION_CONFLICT")

    assert broken(built.finish()) == (set() if is_right else {Promise.LINEARIZABLE})


def test_a_conflict_before_the_next_version_was_asked_for_is_none(built: HistoryBuilder) -> None:
    """The session stood at version 2 all the time."""
    built.refuse(500, "SwitchCycle", pb.SwitchCycleRequest(expected_version=2), "VERSION_CONFLICT")

    assert broken(built.finish()) == {Promise.LINEARIZABLE}
