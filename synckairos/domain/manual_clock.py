"""Manual clocks: a session whose time only its calls move, for the tests of those who build upon the service."""

from synckairos.domain import settlement, timing
from synckairos.domain.commands import AdvanceClock, Caller
from synckairos.domain.errors import FieldViolation, InvalidField
from synckairos.domain.events import Effect, EventType, Ledger, running_subject
from synckairos.domain.timing import Lifetimes


def advance(ledger: Ledger, command: AdvanceClock, caller: Caller, lifetimes: Lifetimes) -> None:
    """Advance the session's own time; what falls due on the way follows, each at its own instant.

    Raises InvalidField, with the largest step in its details, where more boundaries lie on the way than one
    transaction may hold.
    """
    session, began_at = ledger.session, ledger.now
    if session.manual_at is None:
        raise InvalidField([FieldViolation("by_ms", "the session has no manual clock")])
    trial = Ledger(session, began_at + command.by_ms, ledger.real_now, ledger.new_change_id)
    trial.record(
        EventType.CLOCK_ADVANCED,
        session,
        running_subject(session, began_at),
        author=caller.author,
        at=began_at,
        effect=Effect(advanced_ms=command.by_ms),
    )
    if settlement.settle(trial, lifetimes):
        following = timing.clock_boundary(trial.session)
        largest = command.by_ms if following is None else following.at - 1 - began_at
        problem = f"passes more than {settlement.MAX_BOUNDARIES} boundaries; {largest} is the largest step"
        raise InvalidField([FieldViolation("by_ms", problem)], largest_step_ms=largest)
    ledger.now, ledger.session = trial.now, trial.session
    ledger.events.extend(trial.events)
