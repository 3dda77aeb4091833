"""Recovery under random play: a session that was away is what it would have been had nothing happened."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from hypothesis.strategies import DataObject

from synckairos.domain import timing
from synckairos.domain.events import Author, EventType
from synckairos.domain.model import Mode, Session, Status
from synckairos.domain.recovery import RecoveryPolicy, recover
from synckairos.domain.transitions import Outcome
from testing.harness.builders import change_ids
from testing.harness.playing import session_drawing as drawing
from tests.unit.domain.session_machine import NOBODY, check_shape, is_live
from tests.unit.domain.test_machine import GAMES, DomainMachine, decide_fully, plays

OPERATOR = Author("operator", "the store was lost")


def facts(session: Session) -> Session:
    """Return the session without what a recovery is meant to change."""
    return session._replace(epoch=0, version=0, change_id="", updated_at=0, recovered=False, ended_at=None)


def clocks_of(session: Session) -> tuple[object, ...]:
    """Return every clock of the session, and whose turn it is."""
    return session.participants, session.groups, session.clock, session.active


class RecoveryMachine(DomainMachine):
    """Loses the session now and then, and compares what comes back with what was never away."""

    def brought_back(self, policy: RecoveryPolicy, now: int) -> Outcome:
        """Bring back what is stored, all that is due settled."""
        ids, lifetimes = change_ids(), self.host.lifetimes
        outcome = recover(self.audit.session, policy, OPERATOR, now * 1_000, ids.__next__, lifetimes)
        rest = decide_fully(outcome.session, None, NOBODY, now, ids, lifetimes)
        return Outcome(rest.session, rest.now, outcome.events + rest.events)

    def later(self, data: DataObject) -> int:
        """Draw when it is brought back."""
        jump = drawing.jumps(self.audit.session, self.host.now, self.host.lifetimes)
        return self.host.now + data.draw(jump, "ms away")

    @precondition(lambda self: is_live(self.audit.session))
    @rule(data=st.data())
    def lose_and_continue(self, data: DataObject) -> None:
        """The state, its next change and what fell due are those of a session that was never away."""
        last, now = self.audit.session, self.later(data)

        outcome, undisturbed = self.brought_back(RecoveryPolicy.CONTINUE, now), self.would(self.audit.session, now)

        self.check_versions(outcome, last)
        if last.status is not Status.RUNNING:
            assert facts(outcome.session) == facts(last)
            return
        assert facts(outcome.session) == facts(undisturbed.session)
        happened = [(event.type, event.session.updated_at, event.fired_at) for event in outcome.events[1:]]
        assert happened == [(one.type, one.session.updated_at, one.fired_at) for one in undisturbed.events]
        if is_live(outcome.session):
            command = data.draw(drawing.commands(outcome.session), "command")
            ours, theirs = (self.would(one.session, now, command) for one in (outcome, undisturbed))
            assert (facts(ours.session), type(ours.refusal)) == (facts(theirs.session), type(theirs.refusal))

    @precondition(lambda self: is_live(self.audit.session))
    @rule(data=st.data())
    def lose_and_pause(self, data: DataObject) -> None:
        """No clock has lost a millisecond after the last event."""
        last, now = self.audit.session, self.later(data)

        outcome = self.brought_back(RecoveryPolicy.PAUSED, now)

        self.check_versions(outcome, last)
        assert len(outcome.events) == 1
        assert outcome.session.status is (Status.PENDING if last.status is Status.PENDING else Status.PAUSED)
        then = last.updated_at
        assert clocks_of(timing.charge(outcome.session, now)) == clocks_of(timing.charge(last, then))
        assert timing.elapsed(outcome.session, now) == timing.elapsed(last, then)

    def check_versions(self, outcome: Outcome, last: Session) -> None:
        """Check that the new life follows the old one, version by version and never back in time."""
        assert outcome.events[0].type is EventType.SESSION_RECOVERED
        before = last
        for event in outcome.events:
            after = event.session
            check_shape(after)
            assert after.version == before.version + 1
            assert after.epoch > last.epoch
            assert before.updated_at <= after.updated_at <= outcome.now == event.fired_at
            before = after


@pytest.mark.random_play
@pytest.mark.timeout(600)  # a failure takes a while to be shrunk to the shortest game
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_random_losses(mode: Mode) -> None:
    """Whatever has been played: the next life is the old one, only later; half as many games as without losses."""
    machine = type(f"{mode.name}RecoveryMachine", (RecoveryMachine,), {"mode": mode})

    run_state_machine_as_test(machine, settings=plays(GAMES // 2))
