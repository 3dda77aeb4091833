"""The checks of time on histories made by hand."""

from copy import copy

from synckairos.adapters.postgres.trail.snapshot import encode_session
from synckairos.domain.model import Session
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.branches import Branches
from testing.robustness.checks.sessions import check_sessions
from testing.robustness.history import Fault
from testing.robustness.history_builder import ANN, BANK_MS, BORN_MS, HistoryBuilder
from testing.robustness.load.operations import operations
from testing.robustness.promises import Promise
from testing.robustness.verdict import broken, judge


def _broken(built: HistoryBuilder) -> set[Promise]:
    return {one.promise for one in check_sessions(Branches(built.finish()), operations(built.history))}


def _expired() -> HistoryBuilder:
    """A session that ran out 100 ms after it was due."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.fire(100 + BANK_MS + 100)
    return built


def _rewrite(built: HistoryBuilder, version: int, session: Session) -> None:
    built.rows[version - 1].snapshot = encode_session(session)
    built.rows[version - 1].occurred_ms = session.updated_at


def test_an_expiry_on_its_instant_breaks_nothing() -> None:
    """It is stamped with the instant it was due, and fired later."""
    built = _expired()

    assert built.rows[-1].type == "session_expired"
    assert built.rows[-1].fired_ms == BORN_MS + 100 + BANK_MS + 100
    assert _broken(built) == set()


def test_an_adjustment_to_nothing_and_its_expiry_are_one_decision() -> None:
    """Between the two, a clock without time is right."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.ask(200, "AdjustTime", pb.AdjustTimeRequest(participant_id=ANN, set_ms=0, reason="a fine"))

    assert [row.type for row in built.rows[-2:]] == ["time_adjusted", "session_expired"]
    assert _broken(built) == set()


def test_fired_before_its_instant_is_early() -> None:
    """A server acted before the deadline."""
    built = _expired()
    built.rows[-1].fired_ms = BORN_MS + 100 + BANK_MS - 1

    assert Promise.NEVER_EARLY in _broken(built)


def test_a_deadline_that_nobody_fires_is_not_punctual() -> None:
    """A call settles it two seconds after it was due: right, but no server did."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.fire(100 + BANK_MS + 2_000)
    assert broken(built.finish()) == {Promise.PUNCTUAL}

    at_ms = BORN_MS + 100 + BANK_MS + 500
    built.history.faults.append(Fault("redis frozen", 0, 0.0, 5.6, 7.0, at_ms, at_ms + 1_400))
    assert judge(built.finish()) == []


def test_stamped_before_its_instant_is_early() -> None:
    """A deadline is stamped 1 ms too soon."""
    built = _expired()
    last = built.session
    _rewrite(built, 3, last._replace(updated_at=last.updated_at - 1))

    assert Promise.NEVER_EARLY in _broken(built)


def test_a_deadline_that_did_not_fire_is_found() -> None:
    """A switch is stamped after the deadline of the turn it ended."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.ask(1_000, "SwitchCycle", pb.SwitchCycleRequest())
    late = built.session._replace(updated_at=BORN_MS + 100 + BANK_MS)
    _rewrite(built, 3, late)

    assert Promise.FIRED_ONCE in _broken(built)


def test_a_deadline_that_fired_twice_is_found() -> None:
    """The expiry is there again, as the version after it."""
    built = _expired()
    built.events.append(built.events[-1]._replace(session=built.session._replace(version=4)))
    again = copy(built.rows[-1])
    again.version = 4
    built.rows.append(again)

    assert Promise.FIRED_ONCE in _broken(built)


def test_time_out_of_nothing_is_found() -> None:
    """A switch leaves the player that moved with 1 ms more than there was."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.ask(1_000, "SwitchCycle", pb.SwitchCycleRequest())
    session = built.session
    ann, bob = session.participants
    assert ann.clock.bank_ms is not None
    richer = ann._replace(clock=ann.clock._replace(bank_ms=ann.clock.bank_ms + 1))
    _rewrite(built, 3, session._replace(participants=(richer, bob)))

    assert _broken(built) == {Promise.LEGAL, Promise.CONSERVED}


def test_a_step_against_the_rules_is_found() -> None:
    """The turn did not change."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.ask(1_000, "SwitchCycle", pb.SwitchCycleRequest())
    _rewrite(built, 3, built.session._replace(active=0))

    assert Promise.LEGAL in _broken(built)
