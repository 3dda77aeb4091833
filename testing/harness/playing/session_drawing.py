"""Random commands for a session, and random times for them, drawn from the session and the time alone.

Budgets are a few seconds and jumps often land on a boundary or a millisecond beside it, so that clocks run out often.
Parts are drawn by functions, from strategies that are made once: to make one takes longer than to draw from it.
"""

from collections.abc import Sequence
from itertools import permutations
from typing import Final, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from synckairos.domain import timing
from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    Caller,
    Cancel,
    Command,
    Complete,
    Delete,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
    Switch,
    Update,
)
from synckairos.domain.events import Author
from synckairos.domain.model import DAY_MS, Mode, OnExpire, Session, Status
from synckairos.domain.specification import ON_EXPIRE, GroupSpec, ParticipantSpec, SessionSpec
from synckairos.domain.timing import BoundaryKind, Lifetimes

NAMES: Final = tuple(f"00000000-0000-4000-8000-0000000000{number:02x}" for number in range(1, 8))
TEAMS: Final = tuple(f"00000000-0000-4000-9000-0000000000{number:02x}" for number in range(1, 4))
STRANGER: Final = "00000000-0000-4000-8000-000000000099"

ANYTHING: Final = (
    "switch",
    "adjust",
    "start",
    "pause",
    "resume",
    "add",
    "remove",
    "update",
    "complete",
    "cancel",
    "delete",
)
LIKELY: Final = {
    Status.PENDING: ("start",) * 8 + ("adjust", "add", "remove"),
    Status.RUNNING: ("switch",) * 12 + ("adjust", "pause") * 3 + ("add", "remove", "update"),
    Status.PAUSED: ("resume",) * 6 + ("adjust", "adjust", "add", "remove"),
}
"""Verbs, each as often as it is to be drawn: those that make sense in a state keep a game going."""

OWN_BOUNDARIES: Final = {BoundaryKind.EXPIRY, BoundaryKind.TURN_LIMIT, BoundaryKind.SESSION_LIMIT}
"""What a session's own time brings."""

budgets: Final = st.integers(1_000, 12_000)
_orders: Final = st.permutations(NAMES)
_thresholds: Final = st.lists(budgets, max_size=3, unique=True)
_JUMPS: Final = ("bit",) * 6 + ("none", "back", "boundary", "boundary", "far", "long")

AnyT = TypeVar("AnyT")


def pick(draw: DrawFn, values: Sequence[AnyT]) -> AnyT:
    """Draw one of these values, each as often as it is among them."""
    return values[draw(st.integers(0, len(values) - 1))]


def chance(draw: DrawFn, of: int) -> bool:
    """Draw True once in `of` times."""
    return draw(st.integers(1, of)) == of


@st.composite
def specs(draw: DrawFn, mode: Mode) -> SessionSpec:
    """Draw a description of a session of this mode."""
    names = draw(_orders)[: draw(st.integers(_fewest(mode), 5))]
    indexes = pick(draw, [range(len(names)), range(len(names), 0, -1), [None] * len(names)])
    banks = mode is Mode.PER_PARTICIPANT
    participants = [
        ParticipantSpec(name, index, draw(budgets) if banks else 0) for name, index in zip(names, indexes, strict=True)
    ]
    spec = SessionSpec(
        mode,
        tuple(participants),
        on_expire=pick(draw, ON_EXPIRE[mode]),
        warning_thresholds_ms=tuple(draw(_thresholds)),
        first_participant_id=pick(draw, ("", *names)),
    )
    return _with_time(draw, spec, mode)


def _with_time(draw: DrawFn, spec: SessionSpec, mode: Mode) -> SessionSpec:
    """Return the description with the time fields its mode needs."""
    if mode is Mode.PER_CYCLE:
        cycle_ms = 3 * DAY_MS if chance(draw, 3) else draw(budgets)
        return spec._replace(time_per_cycle_ms=cycle_ms, max_cycles=pick(draw, (0, 1, 3, 5, 120)))
    if mode is Mode.GLOBAL:
        return spec._replace(total_time_ms=draw(budgets))
    if mode is Mode.COUNT_UP:
        limit_ms = draw(budgets) if chance(draw, 2) else 0
        if limit_ms:
            return spec._replace(max_time_ms=limit_ms)
        return spec._replace(on_expire=None, warning_thresholds_ms=())
    spec = spec._replace(
        increment_ms=draw(st.integers(1, 4_000)) if chance(draw, 2) else 0,
        max_time_ms=draw(budgets) if chance(draw, 2) else 0,
    )
    return _with_teams(draw, spec) if mode is Mode.PER_GROUP else spec


def _with_teams(draw: DrawFn, spec: SessionSpec) -> SessionSpec:
    """Return the description with its participants in teams, at least one in each."""
    teams = TEAMS[: draw(st.integers(1, min(3, len(spec.participants))))]
    placed = [
        one._replace(group_id=teams[place] if place < len(teams) else pick(draw, teams))
        for place, one in enumerate(spec.participants)
    ]
    groups = tuple(GroupSpec(team, draw(budgets)) for team in pick(draw, tuple(permutations(teams))))
    return spec._replace(participants=tuple(placed), groups=groups)


def _fewest(mode: Mode) -> int:
    return 1 if mode in {Mode.PER_PARTICIPANT, Mode.PER_GROUP} else 0


def command(draw: DrawFn, session: Session) -> Command:
    """Draw a command for this session, possible or not."""
    likely = LIKELY.get(session.status, ANYTHING)
    match pick(draw, ANYTHING if chance(draw, 15) else likely):
        case "switch":
            return _switch(draw, session)
        case "adjust":
            return _adjustment(draw, session)
        case "add":
            return AddParticipant(_newcomer(draw, session))
        case "remove":
            return RemoveParticipant(_somebody(draw, session))
        case "update":
            return Update(labels=(("round", str(draw(st.integers(0, 9)))),))
        case "complete":
            return _completion(draw, session)
        case verb:
            plain: dict[str, Command] = {
                "start": Start(),
                "pause": Pause(),
                "resume": Resume(),
                "cancel": Cancel(),
                "delete": Delete(),
            }
            return plain[verb]


def _somebody(draw: DrawFn, session: Session) -> str:
    if not session.participants or chance(draw, 10):
        return STRANGER
    return pick(draw, session.participants).participant_id


def _switch(draw: DrawFn, session: Session) -> Switch:
    active = session.active_participant
    right = active.participant_id if active else ""
    expected = STRANGER if chance(draw, 20) else pick(draw, ("", right))
    cycle = session.cycle_number + 1 if chance(draw, 20) else pick(draw, (0, session.cycle_number))
    return Switch(_somebody(draw, session) if chance(draw, 4) else "", expected, cycle)


def _adjustment(draw: DrawFn, session: Session) -> AdjustTime:
    mode = session.rules.mode
    participant_id = _somebody(draw, session) if mode is Mode.PER_PARTICIPANT else ""
    group_id = _team(draw, session) if mode is Mode.PER_GROUP else ""
    kind = pick(draw, ("delta", "at least", "set"))
    if kind == "delta":
        return AdjustTime(participant_id, group_id, delta_ms=draw(st.integers(-9_000, 9_000)))
    if kind == "at least":
        return AdjustTime(participant_id, group_id, at_least_ms=draw(st.integers(1, 9_000)))
    return AdjustTime(participant_id, group_id, set_ms=draw(st.integers(0, 9_000)) if chance(draw, 2) else 0)


def _completion(draw: DrawFn, session: Session) -> Complete:
    match pick(draw, ("nobody", "participant", "group")):
        case "participant":
            return Complete(winner_participant_id=_somebody(draw, session))
        case "group":
            return Complete(winner_group_id=_team(draw, session))
        case _:
            return Complete()


def _newcomer(draw: DrawFn, session: Session) -> ParticipantSpec:
    bank = draw(budgets) if session.rules.mode is Mode.PER_PARTICIPANT else 0
    team = _team(draw, session) if session.rules.mode is Mode.PER_GROUP else ""
    return ParticipantSpec(pick(draw, NAMES), None, bank, team)


def _team(draw: DrawFn, session: Session) -> str:
    return pick(draw, [*(group.group_id for group in session.groups), *TEAMS])


def caller(draw: DrawFn, session: Session) -> Caller:
    """Draw a caller: without a condition or with the right version, seldom with a wrong one."""
    version = session.version + 1 if chance(draw, 20) else pick(draw, (0, session.version))
    return Caller(Author("player", "at random"), version)


def jump(draw: DrawFn, session: Session, now: int, lifetimes: Lifetimes) -> int:
    """Draw the ms by which time moves: none, a bit, a bit back, far, or to a boundary or beside it."""
    kind = pick(draw, _JUMPS)
    boundary = timing.next_boundary(session, lifetimes)
    match kind:
        case "bit":
            return draw(st.integers(1, 3_000))
        case "back":
            return draw(st.integers(-30, -1))
        case "boundary" if boundary and boundary.kind in OWN_BOUNDARIES:
            return max(0, boundary.at - now + draw(st.integers(-1, 1)))
        case "far":
            return draw(st.integers(1, 20)) * draw(st.integers(1, 15_000))
        case "long" if chance(draw, 3):
            return _long_jump(draw, session)
        case _:
            return 0


def _long_jump(draw: DrawFn, session: Session) -> int:
    """Draw a jump of days; in a chain of short cycles, one over more cycles than a transaction holds."""
    period = session.rules.time_per_cycle_ms or 0
    if session.rules.on_expire is OnExpire.ADVANCE and period < DAY_MS:
        return draw(st.integers(90, 230)) * period
    return draw(st.integers(1, 40 * DAY_MS))


commands: Final = st.composite(command)
callers: Final = st.composite(caller)
jumps: Final = st.composite(jump)
"""The same as strategies."""
