"""The commands a caller may give to a session."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from synckairos.domain.events import Author
from synckairos.domain.specification import ParticipantSpec, SessionSpec


class Caller(NamedTuple):
    """The author of a command, and its condition: `expected_version` 0 means unconditional."""

    author: Author
    expected_version: int = 0


class Create(NamedTuple):
    """Create a session."""

    spec: SessionSpec


@dataclass(frozen=True, slots=True)
class Start:
    """Start the first cycle."""

    verb: ClassVar[str] = "start"


@dataclass(frozen=True, slots=True)
class Switch:
    """End the running turn and start the next one."""

    verb: ClassVar[str] = "switch"
    next_participant_id: str = ""
    expected_active_participant_id: str = ""
    expected_cycle_number: int = 0
    lag_ms: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop the clock for now."""

    verb: ClassVar[str] = "pause"


@dataclass(frozen=True, slots=True)
class Resume:
    """Let the clock run on."""

    verb: ClassVar[str] = "resume"


@dataclass(frozen=True, slots=True)
class Complete:
    """End the session as completed, with at most one of the two winners."""

    verb: ClassVar[str] = "complete"
    winner_participant_id: str = ""
    winner_group_id: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the session without a result."""

    verb: ClassVar[str] = "cancel"


@dataclass(frozen=True, slots=True)
class AddParticipant:
    """Add a participant, last in the rotation."""

    verb: ClassVar[str] = "add_participant"
    participant: ParticipantSpec


@dataclass(frozen=True, slots=True)
class RemoveParticipant:
    """Remove a participant."""

    verb: ClassVar[str] = "remove_participant"
    participant_id: str


@dataclass(frozen=True, slots=True)
class AdjustTime:
    """Change the time left on a clock, or its periods; exactly one of the last four is given."""

    verb: ClassVar[str] = "adjust_time"
    participant_id: str = ""
    group_id: str = ""
    delta_ms: int | None = None
    set_ms: int | None = None
    at_least_ms: int | None = None
    set_periods: int | None = None


@dataclass(frozen=True, slots=True)
class AdvanceClock:
    """Advance the session's manual clock."""

    verb: ClassVar[str] = "advance_clock"
    by_ms: int


@dataclass(frozen=True, slots=True)
class Update:
    """Replace metadata or labels; None leaves them alone, `remove_metadata` removes the metadata."""

    verb: ClassVar[str] = "update"
    metadata: bytes | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    remove_metadata: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the session."""

    verb: ClassVar[str] = "delete"


Command = (
    Start
    | Switch
    | Pause
    | Resume
    | Complete
    | Cancel
    | AddParticipant
    | RemoveParticipant
    | AdjustTime
    | AdvanceClock
    | Update
    | Delete
)
