"""Random commands for a session, and random times for them, drawn from the session and the time alone.

Budgets are a few seconds and jumps often land on a boundary or a millisecond beside it, so that clocks run out often.
"""

from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

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


@st.composite
def specs(draw: DrawFn, mode: Mode) -> SessionSpec:
    """Draw a description of a session of this mode."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(_fewest(mode), 5))]
    indexes = draw(st.sampled_from([range(len(names)), range(len(names), 0, -1), [None] * len(names)]))
    banks = mode is Mode.PER_PARTICIPANT
    participants = [
        ParticipantSpec(name, index, draw(budgets) if banks else 0) for name, index in zip(names, indexes, strict=True)
    ]
    spec = SessionSpec(
        mode,
        tuple(participants),
        on_expire=draw(st.sampled_from(ON_EXPIRE[mode])),
        warning_thresholds_ms=tuple(draw(st.lists(budgets, max_size=3, unique=True))),
        first_participant_id=draw(st.sampled_from(("", *names))),
    )
    return draw(_with_time(spec, mode))


@st.composite
def _with_time(draw: DrawFn, spec: SessionSpec, mode: Mode) -> SessionSpec:
    """Return the description with the time fields its mode needs."""
    if mode is Mode.PER_CYCLE:
        cycle_ms = draw(st.one_of(budgets, budgets, st.just(3 * DAY_MS)))
        return spec._replace(time_per_cycle_ms=cycle_ms, max_cycles=draw(st.sampled_from((0, 1, 3, 5, 120))))
    if mode is Mode.GLOBAL:
        return spec._replace(total_time_ms=draw(budgets))
    if mode is Mode.COUNT_UP:
        limit_ms = draw(st.one_of(st.just(0), budgets))
        if limit_ms:
            return spec._replace(max_time_ms=limit_ms)
        return spec._replace(on_expire=None, warning_thresholds_ms=())
    spec = spec._replace(
        increment_ms=draw(st.one_of(st.just(0), st.integers(1, 4_000))),
        max_time_ms=draw(st.one_of(st.just(0), budgets)),
    )
    return draw(_with_teams(spec)) if mode is Mode.PER_GROUP else spec


@st.composite
def _with_teams(draw: DrawFn, spec: SessionSpec) -> SessionSpec:
    """Return the description with its participants in teams, at least one in each."""
    teams = TEAMS[: draw(st.integers(1, min(3, len(spec.participants))))]
    placed = [
        one._replace(group_id=teams[place] if place < len(teams) else draw(st.sampled_from(teams)))
        for place, one in enumerate(spec.participants)
    ]
    groups = tuple(GroupSpec(team, draw(budgets)) for team in draw(st.permutations(teams)))
    return spec._replace(participants=tuple(placed), groups=groups)


def _fewest(mode: Mode) -> int:
    return 1 if mode in {Mode.PER_PARTICIPANT, Mode.PER_GROUP} else 0


def _chance(of: int) -> SearchStrategy[bool]:
    """Draw True once in `of` times."""
    return st.integers(1, of).map(lambda number: number == of)


@st.composite
def commands(draw: DrawFn, session: Session) -> Command:
    """Draw a command for this session, possible or not."""
    likely = LIKELY.get(session.status, ANYTHING)
    match draw(st.sampled_from(ANYTHING if draw(_chance(15)) else likely)):
        case "switch":
            return draw(_switches(session))
        case "adjust":
            return draw(_adjustments(session))
        case "add":
            return AddParticipant(draw(_newcomers(session)))
        case "remove":
            return RemoveParticipant(draw(_somebody(session)))
        case "update":
            return Update(labels=(("round", str(draw(st.integers(0, 9)))),))
        case "complete":
            return draw(_completions(session))
        case verb:
            plain: dict[str, Command] = {
                "start": Start(),
                "pause": Pause(),
                "resume": Resume(),
                "cancel": Cancel(),
                "delete": Delete(),
            }
            return plain[verb]


@st.composite
def _somebody(draw: DrawFn, session: Session) -> str:
    present = [one.participant_id for one in session.participants]
    return draw(st.sampled_from(present)) if present and not draw(_chance(10)) else STRANGER


@st.composite
def _switches(draw: DrawFn, session: Session) -> Switch:
    active = session.active_participant
    right = active.participant_id if active else ""
    expected = STRANGER if draw(_chance(20)) else draw(st.sampled_from(("", right)))
    cycle = session.cycle_number + 1 if draw(_chance(20)) else draw(st.sampled_from((0, session.cycle_number)))
    return Switch(draw(_somebody(session)) if draw(_chance(4)) else "", expected, cycle)


@st.composite
def _adjustments(draw: DrawFn, session: Session) -> AdjustTime:
    mode = session.rules.mode
    participant_id = draw(_somebody(session)) if mode is Mode.PER_PARTICIPANT else ""
    group_id = draw(_teams(session)) if mode is Mode.PER_GROUP else ""
    kind = draw(st.sampled_from(("delta", "at least", "set")))
    if kind == "delta":
        return AdjustTime(participant_id, group_id, delta_ms=draw(st.integers(-9_000, 9_000)))
    if kind == "at least":
        return AdjustTime(participant_id, group_id, at_least_ms=draw(st.integers(1, 9_000)))
    return AdjustTime(participant_id, group_id, set_ms=draw(st.one_of(st.just(0), st.integers(0, 9_000))))


@st.composite
def _completions(draw: DrawFn, session: Session) -> Complete:
    match draw(st.sampled_from(("nobody", "participant", "group"))):
        case "participant":
            return Complete(winner_participant_id=draw(_somebody(session)))
        case "group":
            return Complete(winner_group_id=draw(_teams(session)))
        case _:
            return Complete()


@st.composite
def _newcomers(draw: DrawFn, session: Session) -> ParticipantSpec:
    bank = draw(budgets) if session.rules.mode is Mode.PER_PARTICIPANT else 0
    team = draw(_teams(session)) if session.rules.mode is Mode.PER_GROUP else ""
    return ParticipantSpec(draw(st.sampled_from(NAMES)), None, bank, team)


def _teams(session: Session) -> SearchStrategy[str]:
    return st.sampled_from([*(group.group_id for group in session.groups), *TEAMS])


@st.composite
def callers(draw: DrawFn, session: Session) -> Caller:
    """Draw a caller: without a condition or with the right version, seldom with a wrong one."""
    version = session.version + 1 if draw(_chance(20)) else draw(st.sampled_from((0, session.version)))
    return Caller(Author("player", "at random"), version)


@st.composite
def jumps(draw: DrawFn, session: Session, now: int, lifetimes: Lifetimes) -> int:
    """Draw the ms by which time moves: none, a bit, a bit back, far, or to a boundary or beside it."""
    kind = draw(st.sampled_from(("bit",) * 6 + ("none", "back", "boundary", "boundary", "far", "long")))
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
        case "long" if draw(_chance(3)):
            return draw(_long_jumps(session))
        case _:
            return 0


def _long_jumps(session: Session) -> SearchStrategy[int]:
    """Draw a jump of days; in a chain of short cycles, one over more cycles than a transaction holds."""
    period = session.rules.time_per_cycle_ms or 0
    if session.rules.on_expire is OnExpire.ADVANCE and period < DAY_MS:
        return st.integers(90, 230).map(lambda cycles: cycles * period)
    return st.integers(1, 40 * DAY_MS)
