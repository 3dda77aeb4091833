"""Events: one for every version, and the ledger that writes them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from synckairos.domain import clocks, timing
from synckairos.domain.controls.time_control import Settled
from synckairos.domain.model import Mode, Session


class EventType(IntEnum):
    """The kind of change; the numbers are the contract's."""

    SESSION_CREATED = 1
    SESSION_STARTED = 2
    CYCLE_SWITCHED = 3
    SESSION_PAUSED = 4
    SESSION_RESUMED = 5
    SESSION_COMPLETED = 6
    SESSION_CANCELLED = 7
    SESSION_EXPIRED = 8
    PARTICIPANT_EXPIRED = 9
    OVERTIME_STARTED = 10
    PARTICIPANT_ADDED = 11
    PARTICIPANT_REMOVED = 12
    TIME_ADJUSTED = 13
    SESSION_UPDATED = 14
    SESSION_DELETED = 15
    SESSION_RECOVERED = 16
    CLOCK_ADVANCED = 17


class Cause(IntEnum):
    """The cause of a change; the numbers are the contract's."""

    CALL = 1
    DEADLINE = 2
    IDLE = 3
    MAX_AGE = 4
    """Of older versions' events; nothing ends by its age any more."""
    RECOVERY = 5


class Author(NamedTuple):
    """The actor behind a change, the reason given, and for whom the actor says it acts; empty for itself."""

    actor: str
    reason: str = ""
    on_behalf_of: str = ""

    @property
    def who(self) -> str:
        """The actor, with whom it acts for."""
        return f"{self.actor} for {self.on_behalf_of}" if self.on_behalf_of else self.actor


SYSTEM: Final = Author("system")


class Subject(NamedTuple):
    """The participant or group an event is about, and the state of its clock, in ms."""

    participant_id: str | None = None
    group_id: str | None = None
    elapsed_ms: int = 0
    remaining_ms: int | None = None


class Effect(NamedTuple):
    """What a change did beside what the session after it shows.

    `turn` is what a completed turn did to a clock with a time control, `extended_ms` by how much a bid moved the end,
    `advanced_ms` by how much a manual clock was advanced.
    """

    turn: Settled | None = None
    extended_ms: int = 0
    advanced_ms: int = 0


NO_EFFECT: Final = Effect()


class Event(NamedTuple):
    """One committed version: the change, and the session right after it.

    The event occurred at `session.updated_at`; `fired_at` is when a server acted on a due boundary, None for a call.
    The last three are its `Effect`.
    """

    type: EventType
    cause: Cause
    author: Author
    subject: Subject
    fired_at: int | None
    session: Session
    turn: Settled | None = None
    extended_ms: int = 0
    advanced_ms: int = 0


def running_subject(session: Session, at: int) -> Subject:
    """Describe the clock that runs, or stands paused, at this instant."""
    active = session.active_participant
    return Subject(
        participant_id=active.participant_id if active else None,
        group_id=active.group_id if active else None,
        elapsed_ms=timing.elapsed(session, at),
        remaining_ms=clocks.remaining(timing.running_clock(session), timing.uncharged(session, at)),
    )


def left_subject(session: Session, settled: Session, at: int) -> Subject:
    """Describe the clock whose turn ends at this instant, with what it has left after that."""
    active = session.active_participant
    left = clocks.remaining(timing.running_clock(settled), 0)
    if active is None:
        return Subject(None, None, timing.elapsed(session, at), left)
    return Subject(active.participant_id, active.group_id, timing.elapsed(session, at), left)


def winner_of(session: Session, position: int | None) -> Session:
    """Return the session with the holder at this position (of groups or participants) as its winner."""
    if position is None:
        return session
    if session.rules.mode is Mode.PER_GROUP:
        return session._replace(winner_group_id=session.groups[position].group_id)
    return session._replace(winner_participant_id=session.participants[position].participant_id)


@dataclass(slots=True)
class Ledger:
    """The versions that one decision adds to a session, in order; nothing else counts versions.

    `now` is the session's own time, `real_now` the authority's; they differ where the session has a manual clock.
    """

    session: Session
    now: int
    real_now: int
    new_change_id: Callable[[], str]
    events: list[Event] = field(default_factory=list)

    def record(
        self,
        type_: EventType,
        session: Session,
        subject: Subject,
        *,
        author: Author,
        at: int | None = None,
        cause: Cause = Cause.CALL,
        effect: Effect = NO_EFFECT,
    ) -> None:
        """Add the next version: `session` as of `at` (default: now)."""
        # A recovery that lets a clock go on is stamped with the past, and is no call: nothing happened meanwhile.
        is_call = cause is Cause.CALL or (cause is Cause.RECOVERY and at is None)
        at = self.now if at is None else at
        called_at = at if is_call and at == self.now else timing.latest_call(self.session)
        is_manual = session.manual_at is not None
        self.session = session._replace(
            version=self.session.version + 1,
            change_id=self.new_change_id(),
            updated_at=at,
            called_at=called_at if called_at != at and not is_manual and timing.can_be_idle(session) else None,
            ended_at=self.now if at == session.completed_at != self.now and not is_manual else session.ended_at,
            manual_at=self.now if is_manual else None,
            real_at=max(self.real_now, self.session.real_at or 0) if is_manual else None,
        )
        fired_at = None if cause is Cause.CALL else self.now
        self.events.append(Event(type_, cause, author, subject, fired_at, self.session, *effect))
