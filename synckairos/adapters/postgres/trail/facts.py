"""The facts of a batch of audit records about each participant: its latest state, its removal, its turns.

Records come in any order, and some of them again: of two facts the later or the wider one stays.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from synckairos.application.trail.audit import AuditRecord
from synckairos.domain.events import EventType
from synckairos.domain.model import Participant, Session

Place: TypeAlias = tuple[int, int, int, str]
"""Where a version stands: epoch, version, instant, change id. The last two decide between forks."""
NOWHERE: Final[Place] = (0, 0, 0, "")
_NEVER: Final = (0, 0, 0)

_ENDS_A_TURN: Final = frozenset(
    {
        EventType.CYCLE_SWITCHED,
        EventType.SESSION_COMPLETED,
        EventType.SESSION_CANCELLED,
        EventType.SESSION_EXPIRED,
        EventType.PARTICIPANT_EXPIRED,
    }
)
"""Events whose subject had the turn up to their instant, and has it no more after it."""


@dataclass(slots=True)
class Facts:
    """Facts of a batch about one participant: its latest state, its latest removal, its instants."""

    state: Participant
    added_at: int
    place: Place = NOWHERE
    removed: tuple[int, int, int] = _NEVER
    first_active_at: int | None = None
    last_active_at: int | None = None

    def see_turn(self, first: int, last: int) -> None:
        """Note that it had the turn at both instants."""
        self.first_active_at = first if self.first_active_at is None else min(self.first_active_at, first)
        self.see_end(last)

    def see_end(self, at: int) -> None:
        """Note that it had the turn up to this instant."""
        self.last_active_at = at if self.last_active_at is None else max(self.last_active_at, at)


def place_of(session: Session) -> Place:
    """Return where a session's version stands."""
    return session.epoch, session.version, session.updated_at, session.change_id


def see_participants(seen: dict[tuple[str, str], Facts], record: AuditRecord) -> None:
    """Note what a record says of its session's participants, by session id and participant id."""
    event = record.event
    session, subject = event.session, event.subject
    session_id, at, place = session.session_id, session.updated_at, place_of(session)
    for participant in session.participants:
        facts = seen.get((session_id, participant.participant_id))
        if facts is None:
            facts = seen[session_id, participant.participant_id] = Facts(participant, at)
        if place > facts.place:
            facts.state, facts.place = participant, place
        facts.added_at = min(facts.added_at, at)
    active = session.active_participant
    if active is not None:
        began = at if session.cycle_started_at is None else session.cycle_started_at
        seen[session_id, active.participant_id].see_turn(began, at)
    if subject.participant_id is None:
        return
    key = session_id, subject.participant_id
    if event.type is EventType.PARTICIPANT_REMOVED:
        facts = seen.setdefault(key, Facts(Participant(subject.participant_id, 0), at))
        facts.added_at = min(facts.added_at, at)
        facts.removed = max(facts.removed, (session.epoch, session.version, at))
        if subject.elapsed_ms:
            # Only a participant that had the turn leaves with elapsed time.
            facts.see_end(at)
    elif event.type in _ENDS_A_TURN and key in seen:
        seen[key].see_end(at)
