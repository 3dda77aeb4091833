"""Sessions with time controls under random play: as of any session, and by the books of their families."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from hypothesis.strategies import DataObject, SearchStrategy

from synckairos.domain import overdue, timing
from synckairos.domain.commands import Command
from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.phases import phases
from synckairos.domain.events import EventType
from synckairos.domain.families.family import PhaseKind
from synckairos.domain.model import Mode, Session, Status
from synckairos.domain.specification import SessionSpec
from testing.harness.playing import session_drawing as drawing
from tests.unit.domain.controls.control_builders import progress_of
from tests.unit.domain.controls.controlled_play import ControlBooks, commands, specs
from tests.unit.domain.session_machine import Accounting, is_live
from tests.unit.domain.test_machine import GAMES, DomainMachine, plays
from tests.unit.domain.test_recovery_play import RecoveryMachine


class ControlMachine(DomainMachine):
    """The machine on sessions in which every holder has a time control."""

    def specs(self) -> SearchStrategy[SessionSpec]:
        """Draw a session with time controls."""
        return specs(self.mode)

    def commands(self) -> SearchStrategy[Command]:
        """Draw a command for it."""
        return commands(self.audit.session)

    def make_books(self, created: Session) -> Accounting:
        """Keep the books of the families."""
        return ControlBooks(created)

    @precondition(lambda self: self.audit.session.status is Status.RUNNING and not self.audit.session.deleted)
    @rule(data=st.data())
    def draw_the_clock(self, data: DataObject) -> None:
        """What a client draws by the phases is what it would read, at the edges of each and in between."""
        now, session = self.host.now, self.would(self.audit.session, self.host.now).session
        drawn = list(phases(session, max(now, session.updated_at)))
        if session.status is not Status.RUNNING:
            assert not drawn
            return
        assert drawn[0].at == max(now, session.updated_at)
        assert [one.at for one in drawn] == sorted({one.at for one in drawn})
        ends = [one.at for one in drawn[1:]] + [drawn[-1].at + 5_000]
        for one, end in zip(drawn, ends, strict=True):
            if one.phase.kind is PhaseKind.FLAG:
                assert one == drawn[-1]
                assert one.at in {timing.deadline_at(session), timing.session_end_at(session)}
                return
            instants = {one.at, end - 1, data.draw(st.integers(one.at, end - 1), "instant")}
            for instant in sorted(instants):
                shown = one.phase.display_ms + one.phase.rate * (instant - one.at)
                assert shown == self.read(session, instant, one.phase.kind), (one, instant)

    @precondition(lambda self: is_live(self.audit.session))
    @rule(data=st.data())
    def count_what_is_behind(self, data: DataObject) -> None:
        """No more boundaries are due than are said to be; a victory comes with the last elimination."""
        session = self.audit.session
        now = self.host.now + data.draw(drawing.jumps(session, self.host.now, self.host.lifetimes), "ms")
        due = [one for one in self.would(session, now).events if one.type is not EventType.SESSION_COMPLETED]

        assert len(due) <= overdue.boundaries_behind(session, max(now, session.updated_at), self.host.lifetimes)

    def read(self, session: Session, now: int, kind: PhaseKind) -> int | None:
        """Return what a read shows of the running clock at `now`, of the part that runs in a phase of this kind."""
        seen = self.would(session, now).session
        if seen.cycle_number != session.cycle_number or seen.is_terminal:
            return None
        clock = timing.running_clock(timing.charge(seen, now))
        standing = controlled_clock.standing(clock, progress_of(clock), 0)
        match kind:
            case PhaseKind.PERIOD:
                return standing.period_remaining_ms
            case PhaseKind.OVERTIME:
                return clock.overtime_ms
            case PhaseKind.FREE:
                limit_at = timing.turn_limit_at(seen, progress_of(timing.running_clock(seen)))
                return standing.bank_ms if limit_at is None else limit_at - now
            case _:
                return standing.bank_ms


class ControlRecoveryMachine(ControlMachine, RecoveryMachine):
    """Loses a session with time controls now and then; none that closes, which may fall due while nothing runs."""

    def specs(self) -> SearchStrategy[SessionSpec]:
        """Draw a session that does not close."""
        return specs(self.mode).map(lambda spec: spec._replace(close_at=None))

    def later(self, data: DataObject) -> int:
        """Draw when it is brought back: not at the instant of a version, where a recovery counts as a call."""
        return max(super().later(data), self.audit.session.updated_at + 1)


@pytest.mark.random_play
@pytest.mark.parametrize("mode", [Mode.PER_PARTICIPANT, Mode.PER_GROUP], ids=lambda mode: mode.name)
def test_random_play_with_time_controls(mode: Mode) -> None:
    """Whatever is asked whenever: the books balance, nothing runs out unnoticed, looking changes nothing."""
    run_state_machine_as_test(type(f"{mode.name}Machine", (ControlMachine,), {"mode": mode}), settings=plays())


@pytest.mark.random_play
@pytest.mark.parametrize("mode", [Mode.PER_PARTICIPANT, Mode.PER_GROUP], ids=lambda mode: mode.name)
def test_random_losses_with_time_controls(mode: Mode) -> None:
    """What comes back is what would have been had nothing happened; half as many games, the rest is played above."""
    machine = type(f"{mode.name}Machine", (ControlRecoveryMachine,), {"mode": mode})
    run_state_machine_as_test(machine, settings=plays(GAMES // 2))
