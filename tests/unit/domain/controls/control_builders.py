"""Sessions with time controls, beside the builders of the other sessions."""

from typing import Final, TypedDict, Unpack

from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.time_control import LagCompensation, Progress, Settled, Stage, TimeControl
from synckairos.domain.families import (
    ABSOLUTE,
    Bronstein,
    ByoYomi,
    Canadian,
    Fischer,
    Hourglass,
    Penalty,
    PerTurn,
    SimpleDelay,
)
from synckairos.domain.families.family import Family, Standing
from synckairos.domain.model import Clock, Mode, OnExpire, Session
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from testing.harness.builders import ANN, BLUE, BOB, CLEO, DAN, EVE, RED, Game, clock_of

NAMES: Final = (ANN, BOB, CLEO, DAN, EVE)

FISCHER: Final = Fischer(2_000)
DELAY: Final = SimpleDelay(5_000)
BRONSTEIN: Final = Bronstein(5_000)
BYO_YOMI: Final = ByoYomi(5, 30_000)
CANADIAN: Final = Canadian(20, 300_000)
PER_TURN: Final = PerTurn(30_000)
HOURGLASS: Final = Hourglass()
PENALTY: Final = Penalty(600_000, 60_000, 10)
EVERY_FAMILY: Final = {
    family.name: family
    for family in (ABSOLUTE, FISCHER, DELAY, BRONSTEIN, BYO_YOMI, CANADIAN, PER_TURN, HOURGLASS, PENALTY)
}


class Around(TypedDict, total=False):
    """What is composed around the stages of a control."""

    turn_limit_ms: int
    free_turns: int
    free_turn_limit_ms: int
    lag_compensation: LagCompensation | None


class Beside(TypedDict, total=False):
    """The fields of a session beside its time controls."""

    on_expire: OnExpire | None
    warning_thresholds_ms: tuple[int, ...]
    session_limit_ms: int
    close_at: int | None
    manual_clock: bool
    idle_ttl_ms: int


def one_stage(base_ms: int, family: Family = ABSOLUTE, **around: Unpack[Around]) -> TimeControl:
    """Return a control of one stage."""
    return TimeControl((Stage(base_ms, 0, family),))._replace(**around)


def players(*controls: TimeControl, **fields: Unpack[Beside]) -> SessionSpec:
    """Describe ANN, BOB, CLEO, ... with these controls; with a single one, ANN and BOB both have it."""
    own = controls * 2 if len(controls) == 1 else controls
    participants = tuple(ParticipantSpec(name, time_control=one) for name, one in zip(NAMES, own, strict=False))
    return SessionSpec(Mode.PER_PARTICIPANT, participants)._replace(**fields)


def teams(control: TimeControl, **fields: Unpack[Beside]) -> SessionSpec:
    """Describe RED with ANN and CLEO against BLUE with BOB and DAN, each team with this control."""
    members = tuple(
        ParticipantSpec(name, group_id=group) for name, group in ((ANN, RED), (BOB, BLUE), (CLEO, RED), (DAN, BLUE))
    )
    spec = SessionSpec(Mode.PER_GROUP, members, (GroupSpec(RED), GroupSpec(BLUE)), time_control=control)
    return spec._replace(**fields)


def progress_of(clock: Clock) -> Progress:
    """Return where a clock stands in its control."""
    assert clock.progress is not None
    return clock.progress


def standing(game: Game, ms: int, holder_id: str = ANN) -> Standing:
    """Return the parts of a holder's clock as they look at this time."""
    clock = game.clock(ms, holder_id)
    return controlled_clock.standing(clock, progress_of(clock), 0)


def left(game: Game, ms: int, holder_id: str = ANN) -> int | None:
    """Return what a holder has left before the flag, of all parts together, at this time."""
    clock = game.clock(ms, holder_id)
    return controlled_clock.remaining(clock, progress_of(clock), 0)


def bank(session: Session, holder_id: str = ANN) -> int | None:
    """Return a stored bank."""
    return clock_of(session, holder_id).bank_ms


def last_turn(game: Game) -> Settled:
    """Return what the last event says about the turn that it ended."""
    turn = game.events[-1].turn
    assert turn is not None
    return turn
