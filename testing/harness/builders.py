"""Sessions to test with, and a `Game` that plays one of them on a clock of its own.

Times in tests are ms from `ORIGIN`, an arbitrary instant far from zero; `at` turns them into instants.
"""

from collections.abc import Iterator
from itertools import count
from typing import Final, TypedDict, Unpack

from synckairos.domain import timing
from synckairos.domain.commands import Caller, Command, Start
from synckairos.domain.creation import create
from synckairos.domain.errors import Refusal
from synckairos.domain.events import Author, Cause, Event, EventType
from synckairos.domain.model import Clock, Group, Mode, OnExpire, Participant, Session
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import Before, Outcome, decide

ORIGIN: Final = 1_767_225_600_123
DAY: Final = 86_400_000

SESSION_ID: Final = "00000000-0000-4000-8000-0000000000ff"
ANN, BOB, CLEO, DAN, EVE, ZOE = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "abcdef")
RED, BLUE, GREEN = (f"00000000-0000-4000-8000-0000000000{digit}0" for digit in "abc")
"""Groups. ZOE takes part in no session unless a test adds her."""

UMPIRE: Final = Author("umpire", "said so")


class Fields(TypedDict, total=False):
    """The fields that the builders below leave to their callers."""

    participants: tuple[ParticipantSpec, ...]
    groups: tuple[GroupSpec, ...]
    increment_ms: int
    max_time_ms: int
    max_cycles: int
    on_expire: OnExpire | None
    warning_thresholds_ms: tuple[int, ...]
    first_participant_id: str
    metadata: bytes | None
    labels: tuple[tuple[str, str], ...]
    idle_ttl_ms: int


def at(ms: int) -> int:
    """Return the instant this many ms after the origin."""
    return ORIGIN + ms


def per_participant(*banks_ms: int, **fields: Unpack[Fields]) -> SessionSpec:
    """Describe ANN, BOB, CLEO, ... with these banks, by default two of 600 000 ms."""
    banks_ms = banks_ms or (600_000, 600_000)
    names = (ANN, BOB, CLEO, DAN, EVE)[: len(banks_ms)]
    participants = tuple(ParticipantSpec(name, total_time_ms=bank) for name, bank in zip(names, banks_ms, strict=True))
    return SessionSpec(Mode.PER_PARTICIPANT, participants)._replace(**fields)


def per_cycle(cycle_ms: int = 30_000, *names: str, **fields: Unpack[Fields]) -> SessionSpec:
    """Describe turns of `cycle_ms` for these participants, none by default."""
    participants = tuple(ParticipantSpec(name) for name in names)
    return SessionSpec(Mode.PER_CYCLE, participants, time_per_cycle_ms=cycle_ms)._replace(**fields)


def per_group(red_ms: int = 300_000, blue_ms: int = 300_000, **fields: Unpack[Fields]) -> SessionSpec:
    """Describe RED with ANN and CLEO against BLUE with BOB and DAN."""
    participants = tuple(
        ParticipantSpec(name, group_id=group) for name, group in ((ANN, RED), (BOB, BLUE), (CLEO, RED), (DAN, BLUE))
    )
    groups = (GroupSpec(RED, red_ms), GroupSpec(BLUE, blue_ms))
    return SessionSpec(Mode.PER_GROUP, participants, groups)._replace(**fields)


def countdown(total_ms: int = 600_000, *names: str, **fields: Unpack[Fields]) -> SessionSpec:
    """Describe one clock that counts down for everybody."""
    participants = tuple(ParticipantSpec(name) for name in names)
    return SessionSpec(Mode.GLOBAL, participants, total_time_ms=total_ms)._replace(**fields)


def stopwatch(limit_ms: int = 0, *names: str, **fields: Unpack[Fields]) -> SessionSpec:
    """Describe one clock that counts up; `limit_ms` 0 is no limit."""
    participants = tuple(ParticipantSpec(name) for name in names)
    return SessionSpec(Mode.COUNT_UP, participants, max_time_ms=limit_ms)._replace(**fields)


def one_of_each(end: OnExpire | None = None) -> dict[Mode, SessionSpec]:
    """Describe a session of every mode, with ANN, BOB and CLEO in it and a budget of 60 000 ms."""
    return {
        Mode.PER_PARTICIPANT: per_participant(60_000, 60_000, 60_000, on_expire=end),
        Mode.PER_CYCLE: per_cycle(60_000, ANN, BOB, CLEO, on_expire=end),
        Mode.PER_GROUP: per_group(60_000, 60_000, on_expire=end),
        Mode.GLOBAL: countdown(60_000, ANN, BOB, CLEO, on_expire=end),
        Mode.COUNT_UP: stopwatch(60_000, ANN, BOB, CLEO, on_expire=end),
    }


def change_ids() -> Iterator[str]:
    """Yield ids, none of them twice."""
    return (f"11111111-0000-4000-8000-{number:012}" for number in count(1))


class Game:
    """A session in play: it takes commands at given times and keeps the events."""

    def __init__(self, spec: SessionSpec, lifetimes: Lifetimes | None = None, created_ms: int = 0) -> None:
        self.lifetimes = lifetimes or Lifetimes()
        self.ids = change_ids()
        created = create(SESSION_ID, spec, Caller(UMPIRE), at(created_ms) * 1_000, self.ids.__next__)
        self.events: list[Event] = [created]
        self.session: Session = created.session

    def decide(
        self, ms: int, command: Command | None = None, *, expected_version: int = 0, before: Before | None = None
    ) -> Outcome:
        """Decide a command and commit the outcome, also if it is a refusal."""
        caller = Caller(UMPIRE, expected_version)
        outcome = decide(self.session, command, caller, at(ms), self.ids.__next__, self.lifetimes, before)
        self.events += outcome.events
        self.session = outcome.session
        return outcome

    def ok(self, ms: int, *commands: Command, expected_version: int = 0) -> Session:
        """Give commands that must succeed, one after another; without a command, only settle."""
        for command in commands or (None,):
            outcome = self.decide(ms, command, expected_version=expected_version)
            assert outcome.refusal is None, outcome.refusal
            assert outcome.unfinished is None
        return self.session

    def refused(self, ms: int, command: Command, *, expected_version: int = 0) -> Refusal:
        """Give a command that must be refused, with no version by a call, and return the refusal."""
        known = len(self.events)
        outcome = self.decide(ms, command, expected_version=expected_version)
        assert outcome.refusal is not None, "the command was not refused"
        assert all(event.cause is not Cause.CALL for event in self.events[known:])
        return outcome.refusal

    def view(self, ms: int) -> Session:
        """Return the view of the session at this time, without committing anything."""
        settled = decide(self.session, None, Caller(UMPIRE), at(ms), self.ids.__next__, self.lifetimes)
        return timing.charge(settled.session, settled.now)

    def clock(self, ms: int, holder_id: str = "") -> Clock:
        """Return a participant's, a group's or (without an id) the session's clock as it looks at this time."""
        return clock_of(self.view(ms), holder_id)

    @property
    def active_id(self) -> str | None:
        """The participant whose turn it is."""
        active = self.session.active_participant
        return active.participant_id if active else None

    @property
    def deadline_ms(self) -> int | None:
        """When the running budget reaches zero, in ms from the origin."""
        deadline = timing.deadline_at(self.session)
        return None if deadline is None else deadline - ORIGIN

    def types(self) -> list[EventType]:
        """Return the types of the events so far, in order."""
        return [event.type for event in self.events]


def started(spec: SessionSpec, lifetimes: Lifetimes | None = None) -> Game:
    """Return a game that started the instant it was created."""
    game = Game(spec, lifetimes)
    game.ok(0, Start())
    return game


def participant(session: Session, participant_id: str) -> Participant:
    """Return the participant with this id."""
    return next(one for one in session.participants if one.participant_id == participant_id)


def group(session: Session, group_id: str) -> Group:
    """Return the group with this id."""
    return next(one for one in session.groups if one.group_id == group_id)


def clock_of(session: Session, holder_id: str = "") -> Clock:
    """Return a stored clock: a group's, a participant's, or (without an id) the session's own."""
    if not holder_id:
        return session.clock
    holders = {one.group_id: one.clock for one in session.groups}
    return holders[holder_id] if holder_id in holders else participant(session, holder_id).clock


def stamps(event: Event) -> tuple[int, int | None]:
    """Return when an event took effect and when a server acted on it, in ms from the origin."""
    fired = None if event.fired_at is None else event.fired_at - ORIGIN
    return event.session.updated_at - ORIGIN, fired
