"""The messages to watchers: all subscribers share a frame object, so that it is encoded once."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from synckairos.domain.controls.controlled_clock import stages_of
from synckairos.domain.events import Event
from synckairos.domain.families.family import Phase
from synckairos.domain.model import Session

SMALL_BYTES: Final = 1_000
HOLDER_BYTES: Final = 600
"""Measured: what a participant or a group takes, decoded and encoded, without its metadata and its time control."""
STAGE_BYTES: Final = 100
"""Measured: what each stage of a holder's time control adds."""


class FrameKind(Enum):
    """The kinds of frames; the contract's payloads."""

    SNAPSHOT = auto()
    EVENT = auto()
    TICK = auto()
    WARNING = auto()
    PHASE = auto()
    PROGRESS = auto()
    GAP = auto()
    END = auto()


class GapReason(Enum):
    """Why events are missing; the numbers are the contract's."""

    WINDOW_PASSED = 1
    EPOCH_CHANGED = 2
    FORKED = 3
    SLOW_READER = 4


class EndReason(Enum):
    """Why nothing more follows; the numbers are the contract's."""

    TERMINAL = 1
    DELETED = 2
    DRAINING = 3
    NOT_FOUND = 4
    UNAVAILABLE = 5
    CREDENTIALS_EXPIRED = 6


@dataclass(slots=True)
class Frame:
    """One message of a stream.

    `session` is the state it was made from (None only for an unknown session), `at` the instant in ms its values
    hold at, `value` the threshold of a warning, the oldest version after a gap, the pause in ms before coming back
    after an end; `phase` is the one that starts. The first writer of the frame fills in `encoded`.
    """

    kind: FrameKind
    session_id: str
    session: Session | None
    at: int
    event: Event | None = None
    reason: GapReason | EndReason | None = None
    value: int = 0
    phase: Phase | None = None
    encoded: Any = None
    waiting: int = 0
    """The streams it waits for."""
    _size: int = 0

    @property
    def is_moment(self) -> bool:
        """Whether it tells what the clock of one version passes."""
        return self.kind is FrameKind.WARNING or self.kind is FrameKind.PHASE

    @property
    def size(self) -> int:
        """About how many bytes it keeps in memory while it waits: its session's, and its own once they are made."""
        if not self._size:
            holds_session = self.kind in (FrameKind.EVENT, FrameKind.SNAPSHOT)
            self._size = _size_of(self.session) if holds_session and self.session is not None else SMALL_BYTES
        return self._size


def _size_of(session: Session) -> int:
    holders = len(session.participants) + len(session.groups)
    metadata = sum([len(one.metadata) for one in session.participants if one.metadata], len(session.metadata or b""))
    labels = sum([len(key) + len(value) for key, value in session.labels])
    return SMALL_BYTES + HOLDER_BYTES * holders + STAGE_BYTES * stages_of(session) + 2 * (metadata + labels)


def snapshot(session: Session, at: int) -> Frame:
    """Return the whole session as it looks at an instant of its own time."""
    return Frame(FrameKind.SNAPSHOT, session.session_id, session, max(at, session.updated_at))


def of_event(event: Event) -> Frame:
    """Return the frame of an event."""
    session = event.session
    return Frame(FrameKind.EVENT, session.session_id, session, session.updated_at, event=event)


def moment(session: Session, at: int, passed: int | Phase) -> Frame:
    """Return the frame of a threshold (ms left) crossed at an instant, or of a phase that starts there."""
    if isinstance(passed, Phase):
        return Frame(FrameKind.PHASE, session.session_id, session, at, phase=passed)
    return Frame(FrameKind.WARNING, session.session_id, session, at, value=passed)


def end(session_id: str, session: Session | None, at: int, reason: EndReason, retry_after_ms: int = 0) -> Frame:
    """Return the last frame about a session."""
    at = at if session is None or session.manual_at is None else session.manual_at
    return Frame(FrameKind.END, session_id, session, at, reason=reason, value=retry_after_ms)


def gap(session: Session, at: int, reason: GapReason, min_version: int) -> Frame:
    """Return the frame of a gap at an instant of the session's own time: events are missing."""
    at = max(at, session.updated_at)
    return Frame(FrameKind.GAP, session.session_id, session, at, reason=reason, value=min_version)
