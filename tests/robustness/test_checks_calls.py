"""The checks of calls on histories made by hand."""

from copy import copy

import pytest

from synckairos.rpc.mapping import session_message
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history import Call, digest
from testing.robustness.history_builder import BORN_MS, SESSION, HistoryBuilder
from testing.robustness.promises import Promise
from testing.robustness.verdict import broken, judge


@pytest.fixture
def built() -> HistoryBuilder:
    """A session that was started, switched twice and paused."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.ask(1_000, "SwitchCycle", pb.SwitchCycleRequest())
    built.ask(2_000, "SwitchCycle", pb.SwitchCycleRequest())
    built.ask(3_000, "PauseSession", pb.PauseSessionRequest())
    return built


def _read(built: HistoryBuilder, at: int, version: int) -> Call:
    session = built.events[version - 1].session
    call = Call("read", SESSION, "GetSession", b"", 0, at / 1_000, at / 1_000 + 0.01, "ok")
    call.epoch, call.version, call.server_time = session.epoch, version, BORN_MS + at
    call.view = digest(session_message(session, call.server_time))
    built.history.calls.append(call)
    return call


def test_a_flawless_history_breaks_nothing(built: HistoryBuilder) -> None:
    """Nothing is found where nothing is."""
    _read(built, 1_500, 3)

    assert judge(built.finish()) == []


def test_a_read_of_the_past_is_not_linearizable(built: HistoryBuilder) -> None:
    """Version 4 was answered before a read that still saw version 3."""
    _read(built, 2_500, 3)

    assert broken(built.finish()) == {Promise.LINEARIZABLE}


def test_a_read_of_the_future_is_not_linearizable(built: HistoryBuilder) -> None:
    """A read saw version 5 before anybody had asked for it."""
    read = _read(built, 3_000, 5)
    read.invoked, read.returned = 0.5, 0.6

    assert broken(built.finish()) == {Promise.LINEARIZABLE}


def test_versions_against_real_time_are_not_linearizable(built: HistoryBuilder) -> None:
    """The change that made version 3 was asked for only after version 4 had been answered."""
    earlier, later = built.history.calls[2:4]
    earlier.invoked, earlier.returned = later.returned + 0.1, later.returned + 0.2

    assert Promise.LINEARIZABLE in broken(built.finish())


def test_calls_at_the_same_time_may_come_in_any_order(built: HistoryBuilder) -> None:
    """Two calls overlap, and the one answered later has the lower version."""
    earlier, later = built.history.calls[2:4]
    earlier.invoked, earlier.returned, later.invoked = 0.9, 2.5, 0.95

    assert judge(built.finish()) == []


def test_a_version_made_twice_is_not_linearizable(built: HistoryBuilder) -> None:
    """Two changes of one version, and no power loss."""
    twin = built.rows[2]
    built.rows.append(copy(twin))
    built.rows[-1].change_id = SESSION

    assert Promise.LINEARIZABLE in broken(built.finish())


def test_a_change_without_a_request_is_not_linearizable(built: HistoryBuilder) -> None:
    """A version made by a call that was never made."""
    del built.history.calls[2]

    assert Promise.LINEARIZABLE in broken(built.finish())


def test_a_condition_that_did_not_hold_is_not_linearizable(built: HistoryBuilder) -> None:
    """Version 4 was made on the condition of version 2, although version 3 came between."""
    call = built.history.calls[3]
    request = pb.SwitchCycleRequest.FromString(call.request)
    request.expected_version = 2
    call.request = request.SerializeToString()

    assert broken(built.finish()) == {Promise.LINEARIZABLE}


def test_a_request_applied_twice_is_not_idempotent(built: HistoryBuilder) -> None:
    """Two versions are of one request id."""
    first, second = built.history.calls[2:4]
    built.rows[3].request_id = second.operation = first.operation
    second.request = first.request

    assert Promise.IDEMPOTENT in broken(built.finish())


def test_a_replay_is_no_second_answer(built: HistoryBuilder) -> None:
    """The retry is told that it is one."""
    first = built.history.calls[2]
    retry = copy(first)
    retry.invoked, retry.returned, retry.replayed = 5.0, 5.1, True
    built.history.calls.append(retry)

    assert judge(built.finish()) == []
    retry.replayed = False
    assert broken(built.finish()) == {Promise.IDEMPOTENT}


def test_a_refusal_that_changed_something_is_found(built: HistoryBuilder) -> None:
    """The caller was told that nothing had changed."""
    call = built.history.calls[4]
    call.outcome, call.reason = "refused", "STORE_UNAVAILABLE"

    assert broken(built.finish()) == {Promise.ERROR_CHANGES_NOTHING}


def test_an_unknown_outcome_may_have_changed_something_or_not(built: HistoryBuilder) -> None:
    """Either may be true."""
    call = built.history.calls[4]
    call.outcome, call.reason = "unknown", "DEADLINE_EXCEEDED"
    assert judge(built.finish()) == []

    del built.rows[4:], built.events[4:]
    assert judge(built.finish()) == []


def test_an_answer_otherwise_than_stored_is_found(built: HistoryBuilder) -> None:
    """The reply differed from the version that was stored."""
    built.history.calls[3].view = "0123456789abcdef"

    assert broken(built.finish()) == {Promise.TRUTHFUL}


def test_an_answered_version_that_postgresql_lacks_is_found(built: HistoryBuilder) -> None:
    """The last version was answered OK, and is nowhere."""
    del built.rows[4:], built.events[4:]

    assert broken(built.finish()) == {Promise.DURABLE, Promise.TRUTHFUL}


def test_only_the_last_second_may_be_lost_with_the_power(built: HistoryBuilder) -> None:
    """A change answered in it may be gone; one answered before it may not."""
    del built.rows[4:]
    built.lose_power(3_500, version=4)
    assert judge(built.finish()) == []

    del built.rows[3:], built.events[3:]
    assert Promise.DURABLE in broken(built.finish())


def test_a_fork_has_to_say_so(built: HistoryBuilder) -> None:
    """After a power loss, version 5 is made a second time: both rows are marked, or it is a violation."""
    built.lose_power(3_500, version=4)
    built.ask(4_500, "SwitchCycle", pb.SwitchCycleRequest())
    for row in built.rows[-2:]:
        row.is_fork = True
    assert judge(built.finish()) == []

    built.rows[-1].is_fork = False
    assert broken(built.finish()) == {Promise.DURABLE}


def test_a_read_between_two_power_losses_sees_what_was_kept(built: HistoryBuilder) -> None:
    """Version 5 was lost; nothing was added until the next power loss, after which it is made again."""
    built.lose_power(3_500, version=4)
    _read(built, 3_600, 4)
    built.lose_power(4_700, version=4)
    built.ask(5_000, "SwitchCycle", pb.SwitchCycleRequest())
    for row in built.rows[-2:]:
        row.is_fork = True

    assert judge(built.finish()) == []


def test_a_server_that_does_not_come_back_is_found(built: HistoryBuilder) -> None:
    """Nothing is broken any more, and it still refuses."""
    for turn in range(20):
        call = Call(
            f"read {turn}", SESSION, "GetSession", b"", 1, 4.0 + turn, 4.1 + turn, "refused", "STORE_UNAVAILABLE"
        )
        built.history.calls.append(call)

    assert broken(built.finish()) == {Promise.AVAILABLE}
