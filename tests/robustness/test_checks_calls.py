"""What the checks of calls say to histories made by hand."""

import pytest

from synckairos.rpc.mapping import session_message
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.history import Call, digest
from testing.robustness.promises import Promise
from testing.robustness.tale import BORN_MS, SESSION, Tale
from testing.robustness.verdict import broken, judge


@pytest.fixture
def tale() -> Tale:
    """A session that was started, switched twice and paused."""
    tale = Tale()
    tale.ask(100, "StartSession", pb.StartSessionRequest())
    tale.ask(1_000, "SwitchCycle", pb.SwitchCycleRequest())
    tale.ask(2_000, "SwitchCycle", pb.SwitchCycleRequest())
    tale.ask(3_000, "PauseSession", pb.PauseSessionRequest())
    return tale


def _read(tale: Tale, at: int, version: int) -> Call:
    session = tale.events[version - 1].session
    call = Call("read", SESSION, "GetSession", b"", 0, at / 1_000, at / 1_000 + 0.01, "ok")
    call.epoch, call.version, call.server_time = session.epoch, version, BORN_MS + at
    call.view = digest(session_message(session, call.server_time))
    tale.history.calls.append(call)
    return call


def test_a_flawless_history_breaks_nothing(tale: Tale) -> None:
    """Nothing is found where nothing is."""
    _read(tale, 1_500, 3)

    assert judge(tale.finish()) == []


def test_a_read_of_the_past_is_not_linearizable(tale: Tale) -> None:
    """Version 4 was answered before a read that still saw version 3."""
    _read(tale, 2_500, 3)

    assert broken(tale.finish()) == {Promise.LINEARIZABLE}


def test_a_read_of_the_future_is_not_linearizable(tale: Tale) -> None:
    """A read saw version 5 before anybody had asked for it."""
    read = _read(tale, 3_000, 5)
    read.invoked, read.returned = 0.5, 0.6

    assert broken(tale.finish()) == {Promise.LINEARIZABLE}


def test_versions_against_real_time_are_not_linearizable(tale: Tale) -> None:
    """What made version 3 was asked for only after version 4 had been answered."""
    earlier, later = tale.history.calls[2:4]
    earlier.invoked, earlier.returned = later.returned + 0.1, later.returned + 0.2

    assert Promise.LINEARIZABLE in broken(tale.finish())


def test_calls_at_the_same_time_may_come_in_any_order(tale: Tale) -> None:
    """Two calls overlap, and the one answered later has the lower version."""
    earlier, later = tale.history.calls[2:4]
    earlier.invoked, earlier.returned, later.invoked = 0.9, 2.5, 0.95

    assert judge(tale.finish()) == []


def test_a_version_made_twice_is_not_linearizable(tale: Tale) -> None:
    """Two changes of one version, and no power loss."""
    twin = tale.rows[2]
    tale.rows.append(type(twin)(**{name: getattr(twin, name) for name in twin.__struct_fields__}))
    tale.rows[-1].change_id = SESSION

    assert Promise.LINEARIZABLE in broken(tale.finish())


def test_what_nobody_asked_for_is_not_linearizable(tale: Tale) -> None:
    """A version made by a call that nobody made."""
    del tale.history.calls[2]

    assert Promise.LINEARIZABLE in broken(tale.finish())


def test_a_condition_that_did_not_hold_is_not_linearizable(tale: Tale) -> None:
    """Version 4 was made on the condition of version 2, although version 3 came between."""
    call = tale.history.calls[3]
    request = pb.SwitchCycleRequest.FromString(call.request)
    request.expected_version = 2
    call.request = request.SerializeToString()

    assert broken(tale.finish()) == {Promise.LINEARIZABLE}


def test_a_request_applied_twice_is_not_idempotent(tale: Tale) -> None:
    """Two versions are of one request id."""
    first, second = tale.history.calls[2:4]
    tale.rows[3].request_id = second.operation = first.operation
    second.request = first.request

    assert Promise.IDEMPOTENT in broken(tale.finish())


def test_a_replay_is_no_second_answer(tale: Tale) -> None:
    """The retry is told that it is one."""
    first = tale.history.calls[2]
    retry = Call(**{name: getattr(first, name) for name in first.__struct_fields__})
    retry.invoked, retry.returned, retry.replayed = 5.0, 5.1, True
    tale.history.calls.append(retry)

    assert judge(tale.finish()) == []
    retry.replayed = False
    assert broken(tale.finish()) == {Promise.IDEMPOTENT}


def test_a_refusal_that_changed_something_is_found(tale: Tale) -> None:
    """The caller was told that nothing had changed."""
    call = tale.history.calls[4]
    call.outcome, call.reason = "refused", "STORE_UNAVAILABLE"

    assert broken(tale.finish()) == {Promise.ERROR_CHANGES_NOTHING}


def test_an_unknown_outcome_may_have_changed_something_or_not(tale: Tale) -> None:
    """Nobody knows, so both are right."""
    call = tale.history.calls[4]
    call.outcome, call.reason = "unknown", "DEADLINE_EXCEEDED"
    assert judge(tale.finish()) == []

    del tale.rows[4:], tale.events[4:]
    assert judge(tale.finish()) == []


def test_an_answer_otherwise_than_stored_is_found(tale: Tale) -> None:
    """The reply showed something else than the version that was stored."""
    tale.history.calls[3].view = "0123456789abcdef"

    assert broken(tale.finish()) == {Promise.TRUTHFUL}


def test_an_answered_version_that_postgresql_lacks_is_found(tale: Tale) -> None:
    """The last version was answered OK, and is nowhere."""
    del tale.rows[4:], tale.events[4:]

    assert broken(tale.finish()) == {Promise.DURABLE, Promise.TRUTHFUL}


def test_only_the_last_second_may_be_lost_with_the_power(tale: Tale) -> None:
    """What was answered in it may be gone; what was answered before it may not."""
    del tale.rows[4:]
    tale.lose_power(3_500, version=4)
    assert judge(tale.finish()) == []

    del tale.rows[3:], tale.events[3:]
    assert Promise.DURABLE in broken(tale.finish())


def test_a_fork_has_to_say_so(tale: Tale) -> None:
    """After a power loss, version 5 is made a second time: both rows are marked, or it is a violation."""
    tale.lose_power(3_500, version=4)
    tale.ask(4_500, "SwitchCycle", pb.SwitchCycleRequest())
    for row in tale.rows[-2:]:
        row.is_fork = True
    assert judge(tale.finish()) == []

    tale.rows[-1].is_fork = False
    assert broken(tale.finish()) == {Promise.DURABLE}


def test_a_read_between_two_power_losses_sees_what_was_kept(tale: Tale) -> None:
    """Version 5 was lost; nothing was added until the next power loss, after which it is made again."""
    tale.lose_power(3_500, version=4)
    _read(tale, 3_600, 4)
    tale.lose_power(4_700, version=4)
    tale.ask(5_000, "SwitchCycle", pb.SwitchCycleRequest())
    for row in tale.rows[-2:]:
        row.is_fork = True

    assert judge(tale.finish()) == []


def test_a_server_that_does_not_come_back_is_found(tale: Tale) -> None:
    """Nothing is broken any more, and it still refuses."""
    for turn in range(20):
        call = Call(
            f"read {turn}", SESSION, "GetSession", b"", 1, 4.0 + turn, 4.1 + turn, "refused", "STORE_UNAVAILABLE"
        )
        tale.history.calls.append(call)

    assert broken(tale.finish()) == {Promise.AVAILABLE}
