"""Playing turns with time controls: a session of its own goes through the very rules that every session follows.

Its time begins at 0, when the first turn begins, and ends at a flag.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from synckairos.domain import timing
from synckairos.domain.commands import Caller, Command, Pause, Resume, Start, Switch
from synckairos.domain.controls import phases
from synckairos.domain.controls.phases import StartingPhase
from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.creation import create
from synckairos.domain.errors import FieldViolation
from synckairos.domain.events import SYSTEM
from synckairos.domain.model import MAX_BUDGET_MS, Clock, Mode, Session
from synckairos.domain.specification import ParticipantSpec, SessionSpec, Violations, in_range
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import decide

MAX_HOLDERS: Final = 16
MAX_CLOCKS: Final = 20_000
"""The most clocks that a reply shows: turns times holders."""
MAX_PAUSES: Final = 100
"""The most pauses of a turn."""
MAX_ALL_PAUSES: Final = 20_000
"""Of all turns together; so no instant lies beyond the year 9999, even if all of them last 28 days."""
MAX_PHASES: Final = 100_000
"""The most phases that a reply shows."""
PHASES_A_STEP: Final = 50
MAX_LAG_MS: Final = 60_000

_FOREVER: Final = 2**53
_LIFETIMES: Final = Lifetimes(_FOREVER, _FOREVER, _FOREVER)


class PausePlan(NamedTuple):
    """A pause that begins when its turn has run for `start_ms`."""

    start_ms: int
    duration_ms: int


class TurnPlan(NamedTuple):
    """A turn that is to run for `spent_ms`, its pauses left out."""

    spent_ms: int
    pauses: tuple[PausePlan, ...] = ()
    lag_ms: int = 0


class PlayedTurn(NamedTuple):
    """A turn as it was played: by whom, when, and every holder's clock after it.

    `spent_ms` is what it ran, at a flag up to the flag; `phases` are those the running clock was in.
    """

    holder: int
    began_at: int
    ended_at: int
    spent_ms: int
    flagged: bool
    credited_ms: int
    clocks: tuple[Clock, ...]
    phases: tuple[StartingPhase, ...]


def turn_violations(path: str, turn: TurnPlan, control: TimeControl) -> Violations:
    """Yield what is wrong with a turn of a holder with this control."""
    yield from in_range(f"{path}.spent_ms", turn.spent_ms, (0, MAX_BUDGET_MS))
    yield from in_range(f"{path}.lag_ms", turn.lag_ms, (0, MAX_LAG_MS))
    if turn.lag_ms and control.lag_compensation is None:
        yield FieldViolation(f"{path}.lag_ms", "the holder's clock has no lag compensation")
    since = 0
    for place, pause in enumerate(turn.pauses):
        at = f"{path}.pauses[{place}]"
        yield from in_range(f"{at}.duration_ms", pause.duration_ms, (0, MAX_BUDGET_MS))
        wrong = list(in_range(f"{at}.start_ms", pause.start_ms, (since, max(since, turn.spent_ms))))
        yield from wrong
        since = since if wrong else pause.start_ms


def play(controls: Sequence[TimeControl], turns: Iterable[TurnPlan]) -> Iterator[PlayedTurn]:
    """Yield the turns of holders with these controls, each within its limits, one after the other up to a flag."""
    return (turn for turn in play_in_steps(controls, turns) if turn is not None)


def play_in_steps(controls: Sequence[TimeControl], turns: Iterable[TurnPlan]) -> Iterator[PlayedTurn | None]:
    """Yield what `play` yields, and None between the steps of a turn, where others may be let in."""
    game = _Game(controls)
    for turn in turns:
        yield from game.play(turn)
        if game.session.is_terminal:
            return


class _Game:
    def __init__(self, controls: Sequence[TimeControl]) -> None:
        participants = tuple(ParticipantSpec(str(place), place, time_control=one) for place, one in enumerate(controls))
        spec = SessionSpec(Mode.PER_PARTICIPANT, participants)
        self.session: Session = create("", spec, _CALLER, 0, str).session
        self._now = 0
        self._credited_ms = 0
        self._passed: list[StartingPhase] = []
        self._do(Start())

    def play(self, turn: TurnPlan) -> Iterator[PlayedTurn | None]:
        holder, began_at = self.session.active or 0, self._now
        self._passed, self._credited_ms = [], 0
        spent_ms = 0
        for pause in turn.pauses:
            yield from self._run(pause.start_ms - spent_ms)
            spent_ms = pause.start_ms
            if self._do(Pause()):
                self._now += pause.duration_ms
                self._do(Resume())
            yield None
        yield from self._run(turn.spent_ms - spent_ms)
        has_switched = self._do(Switch(lag_ms=turn.lag_ms))
        ended_at = began_at if self.session.completed_at is None else self.session.completed_at
        yield PlayedTurn(
            holder,
            began_at,
            self._now if has_switched else ended_at,
            turn.spent_ms if has_switched else timing.elapsed(self.session, self._now),
            not has_switched,
            self._credited_ms,
            tuple(participant.clock for participant in self.session.participants),
            tuple(self._passed),
        )

    def _run(self, duration_ms: int) -> Iterator[None]:
        """Let time pass, and note the phases that begin; one that went on after a pause is known already."""
        if self.session.is_terminal:
            return
        until = self._now + duration_ms
        for phase in phases.phases(self.session, self._now):
            if phase.at > until:
                break
            if not (phase.at == self._now and self._passed and _is_same(phase, self._passed[-1])):
                self._passed.append(phase)
                if len(self._passed) % PHASES_A_STEP == 0:
                    yield None
        self._now = until

    def _do(self, command: Command) -> bool:
        """Give a command; False if the clock has run out before."""
        if self.session.is_terminal:
            return False
        outcome = decide(self.session, command, _CALLER, self._now, str, _LIFETIMES)
        self.session = outcome.session
        if outcome.refusal is not None and not self.session.is_terminal:
            raise outcome.refusal
        if outcome.events and outcome.events[-1].turn is not None:
            self._credited_ms = outcome.events[-1].turn.credited_ms
        return outcome.refusal is None


_CALLER: Final = Caller(SYSTEM)


def _is_same(one: StartingPhase, other: StartingPhase) -> bool:
    return (one.phase.kind, one.phase.periods_left) == (other.phase.kind, other.phase.periods_left)
