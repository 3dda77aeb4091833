"""Random sessions with time controls, random commands for them, and the books that are kept beside them."""

from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from synckairos.domain import timing
from synckairos.domain.commands import AddParticipant, AdjustTime, Command, Switch
from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.events import Event, EventType
from synckairos.domain.families.hourglass import Hourglass
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import Clock, Mode, OnExpire, Session, Status
from synckairos.domain.specification import GroupSpec, SessionSpec
from testing.harness.builders import at
from testing.harness.playing import session_drawing as drawing
from tests.unit.domain.controls.control_builders import progress_of
from tests.unit.domain.controls.small_controls import composed, controls

SECOND: Final = 1_000
PLAYABLE: Final = controls(SECOND).filter(lambda control: not list(control_violations("", control)))
ENDS_A_TURN: Final = frozenset({EventType.CYCLE_SWITCHED, EventType.PARTICIPANT_EXPIRED})


@st.composite
def _sand(draw: DrawFn) -> TimeControl:
    return composed(draw, (Stage(draw(st.integers(1, 12)) * SECOND, 0, Hourglass()),), SECOND)


@st.composite
def _turns(draw: DrawFn) -> TimeControl:
    stage = Stage(draw(st.integers(0, 12)) * SECOND, 0, PerTurn(draw(st.integers(1, 5)) * SECOND))
    return composed(draw, (stage,), SECOND)


SAND, TURNS = _sand(), _turns()


@st.composite
def specs(draw: DrawFn, mode: Mode) -> SessionSpec:
    """Draw a description of a session of this mode, in which every holder has a time control."""
    kind = drawing.pick(draw, ("any", "any", "any", "sand", "turns"))
    own = {"any": PLAYABLE, "sand": SAND, "turns": TURNS}[kind]
    spec = draw(drawing.specs(mode).filter(lambda one: kind != "sand" or len(one.groups or one.participants) > 1))
    participants = tuple(one._replace(total_time_ms=0, time_control=_own(draw, mode, own)) for one in spec.participants)
    groups = tuple(GroupSpec(group.group_id, 0, draw(own)) for group in spec.groups)
    chain = drawing.pick(draw, (OnExpire.ADVANCE, spec.on_expire)) if kind == "turns" else spec.on_expire
    return spec._replace(
        participants=participants,
        groups=groups,
        increment_ms=0,
        max_time_ms=0,
        on_expire=chain,
        session_limit_ms=drawing.pick(draw, (0, 0, 0, 17_000, 60_000)),
        close_at=drawing.pick(draw, (None, None, None, at(23_000), at(90_000))),
    )


def _own(draw: DrawFn, mode: Mode, own: st.SearchStrategy[TimeControl]) -> TimeControl | None:
    return draw(own) if mode is Mode.PER_PARTICIPANT else None


def command(draw: DrawFn, session: Session) -> Command:
    """Draw a command as for any session; who joins has a control, a switch may say its lag, periods may be set."""
    asked = drawing.command(draw, session)
    match asked:
        case AddParticipant(participant=newcomer) if session.rules.mode is Mode.PER_PARTICIPANT:
            own = [progress_of(one.clock).control for one in session.participants]
            return AddParticipant(newcomer._replace(total_time_ms=0, time_control=drawing.pick(draw, own)))
        case AdjustTime() if drawing.chance(draw, 4):
            return AdjustTime(asked.participant_id, asked.group_id, set_periods=draw(st.integers(1, 5)))
        case Switch() if drawing.chance(draw, 3):
            return Switch(
                asked.next_participant_id,
                asked.expected_active_participant_id,
                asked.expected_cycle_number,
                draw(st.integers(0, 3_000)) if _has_lag(session) else 0,
            )
        case _:
            return asked


commands: Final = st.composite(command)
"""The same as a strategy."""


def _has_lag(session: Session) -> bool:
    progress = timing.running_clock(session).progress
    return progress is not None and progress.control.lag_compensation is not None


def clocks_of(session: Session) -> dict[str, Clock]:
    """Return the clocks of all holders."""
    if session.groups:
        return {one.group_id: one.clock for one in session.groups}
    return {one.participant_id: one.clock for one in session.participants}


def balance(clock: Clock) -> int:
    """Return what a clock has left, of all parts."""
    return controlled_clock.balance(clock, progress_of(clock))


@dataclass
class ControlBooks:
    """What the holders of a session were given, as its events say, against what their clocks have used and left."""

    session: Session
    given_ms: dict[str, int] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    sand_ms: int = 0
    ran_ms: int = 0

    def __post_init__(self) -> None:
        """Open the books of a new session."""
        for holder, clock in clocks_of(self.session).items():
            self._welcome(holder, clock)

    @property
    def flows(self) -> bool:
        """Whether time goes from one holder to the others."""
        first = next(iter(clocks_of(self.session).values()))
        return isinstance(progress_of(first).control.stages[0].family, Hourglass)

    def post(self, event: Event, command: Command | None) -> None:
        """Enter a committed event."""
        del command
        before, after = self.session, event.session
        self.ran_ms += after.updated_at - before.updated_at if before.status is Status.RUNNING else 0
        running = self._running(before)
        stood = clocks_of(timing.charge(before, after.updated_at))
        if event.turn is not None:
            assert running is not None
            self.given_ms[running] += event.turn.granted_ms + event.turn.credited_ms
            self._check_turn(event, stood[running])
            self.turns[running] += 1
        now = clocks_of(timing.charge(after, after.updated_at))
        for holder in now.keys() - stood.keys():
            self._welcome(holder, clocks_of(after)[holder])
        for holder in stood.keys() - now.keys():
            # Who does not move leaves without a share of the turn that runs.
            rest = stood[holder] if holder == running else clocks_of(before)[holder]
            self.sand_ms -= rest.bank_ms or 0
        if event.type is EventType.TIME_ADJUSTED:
            for holder, clock in now.items():
                self.given_ms[holder] += balance(clock) - balance(stood[holder])
                self.sand_ms += (clock.bank_ms or 0) - (stood[holder].bank_ms or 0)
        self._check_order(stood, now)
        self.session = after
        self._check_balances(now)

    def check(self, now: int) -> None:
        """Compare every clock of the session, as it looks at `now`, with what its holder was given."""
        view = clocks_of(timing.charge(self.session, now))
        self._check_balances(view)
        self._check_limits(now, view)

    def _check_balances(self, view: dict[str, Clock]) -> None:
        # Of one who is left alone, the turn that ran goes to nobody: the other took its share along.
        if self.flows and sum(not clock.is_expired for clock in view.values()) > 1:
            assert sum(clock.bank_ms or 0 for clock in view.values()) == self.sand_ms
        for holder, clock in view.items():
            if not self.flows:
                assert clock.used_ms + balance(clock) == self.given_ms[holder]
            assert progress_of(clock).turns_made == self.turns[holder]
            assert not clock.overtime_ms or self.session.rules.on_expire is OnExpire.NOTIFY

    def _check_limits(self, now: int, view: dict[str, Clock]) -> None:
        """Nothing that runs has run out at `now` without anything happening."""
        session, rules = self.session, self.session.rules
        if session.deleted or session.is_terminal:
            return
        assert rules.close_at is None or now < rules.close_at
        running = self._running(session)
        if session.status is not Status.RUNNING or running is None:
            return
        ran = self.ran_ms + max(0, now - session.updated_at)
        assert rules.session_limit_ms is None or ran < rules.session_limit_ms
        clock, progress = view[running], progress_of(view[running])
        limit = progress.control.limit_of(progress.turns_made)
        assert limit is None or session.limit_passed or timing.elapsed(session, now) < limit
        left = controlled_clock.remaining(clock, progress, 0)
        assert left != 0 or clock.in_overtime or controlled_clock.is_free(progress), (
            "a clock ran out and nothing happened"
        )

    def _check_turn(self, event: Event, clock: Clock) -> None:
        """A turn that ran out, was free, or passed its limit gains nothing but the turn that follows."""
        turn, progress = event.turn, progress_of(clock)
        assert turn is not None
        assert turn.spent_ms == timing.elapsed(self.session, event.session.updated_at)
        family = controlled_clock.stage_of(progress).family
        if clock.in_overtime:
            assert turn.credited_ms == 0
            assert turn.granted_ms == (family.turn_ms if isinstance(family, PerTurn) else 0)
        if self.session.limit_passed or controlled_clock.is_free(progress):
            assert turn.credited_ms == 0

    def _check_order(self, stood: dict[str, Clock], now: dict[str, Clock]) -> None:
        """What is used stays used, and who is out stays out."""
        for holder in stood.keys() & now.keys():
            before, after = stood[holder], now[holder]
            assert (before.used_ms, before.overtime_ms) <= (after.used_ms, after.overtime_ms)
            assert not before.is_expired or after == before or self.flows

    def _welcome(self, holder: str, clock: Clock) -> None:
        self.given_ms[holder], self.turns[holder] = balance(clock), 0
        self.sand_ms += clock.bank_ms or 0

    def _running(self, session: Session) -> str | None:
        active = session.active_participant
        if active is None:
            return None
        return active.group_id if session.rules.mode is Mode.PER_GROUP else active.participant_id
