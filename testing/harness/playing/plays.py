"""Sessions of every kind in every state, made by the rules themselves; times are ms from the creation."""

from itertools import count
from typing import Any, Final
from uuid import UUID

from synckairos.domain import transitions
from synckairos.domain.commands import Caller, Cancel, Command, Complete, Delete, Pause, Start
from synckairos.domain.creation import create
from synckairos.domain.events import Author, Event
from synckairos.domain.model import Mode, OnExpire, Session
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from synckairos.domain.timing import Lifetimes

BORN: Final = 1_767_225_600_123
SID: Final = "10000000-0000-4000-8000-000000000001"
ANN, BOB = (f"20000000-0000-4000-8000-00000000000{digit}" for digit in "ab")
RED, BLUE = (f"40000000-0000-4000-8000-00000000000{digit}" for digit in "ab")
BUDGET: Final = 60_000


def _members(**fields: Any) -> tuple[ParticipantSpec, ...]:
    return ParticipantSpec(ANN, **fields), ParticipantSpec(BOB, **fields)


KINDS: Final[dict[str, SessionSpec]] = {
    "participant": SessionSpec(Mode.PER_PARTICIPANT, _members(total_time_ms=BUDGET), increment_ms=500),
    "participant capped": SessionSpec(Mode.PER_PARTICIPANT, _members(total_time_ms=BUDGET), max_time_ms=70_000),
    "cycle": SessionSpec(Mode.PER_CYCLE, _members(), time_per_cycle_ms=BUDGET, on_expire=OnExpire.END_SESSION),
    "cycle counted": SessionSpec(
        Mode.PER_CYCLE, _members(), time_per_cycle_ms=BUDGET, max_cycles=3, on_expire=OnExpire.END_SESSION
    ),
    "group": SessionSpec(
        Mode.PER_GROUP,
        (ParticipantSpec(ANN, group_id=RED), ParticipantSpec(BOB, group_id=BLUE)),
        (GroupSpec(RED, BUDGET), GroupSpec(BLUE, BUDGET)),
    ),
    "global": SessionSpec(Mode.GLOBAL, _members(), total_time_ms=BUDGET),
    "global alone": SessionSpec(Mode.GLOBAL, total_time_ms=BUDGET),
    "count up": SessionSpec(Mode.COUNT_UP, _members()),
    "count up limited": SessionSpec(Mode.COUNT_UP, _members(), max_time_ms=BUDGET),
}
"""Descriptions by name; every mode, with and without what it may have."""


class Play:
    """One session, driven by hand."""

    def __init__(self, spec: SessionSpec) -> None:
        self._ids = count(1)
        self.caller = Caller(Author("umpire", "because"))
        self.events: list[Event] = [create(SID, spec, self.caller, BORN * 1_000, self._new_id)]

    def _new_id(self) -> str:
        return str(UUID(int=next(self._ids)))

    @property
    def session(self) -> Session:
        """The session as it would be stored."""
        return self.events[-1].session

    def do(self, at: int, command: Command | None) -> Session:
        """Apply a command at an instant, or only what is due then."""
        outcome = transitions.decide(self.session, command, self.caller, BORN + at, self._new_id, Lifetimes())
        assert outcome.refusal is None
        self.events += outcome.events
        return self.session


def played(kind: str, state: str, *, notify: bool = False) -> Session:
    """Return a session of a kind in a state, reached 1 s after it was created; started at once."""
    spec = KINDS[kind]._replace(on_expire=OnExpire.NOTIFY) if notify else KINDS[kind]
    play = Play(spec)
    if state != "PENDING":
        play.do(0, Start())
    if state == "PAUSED":
        play.do(1_000, Pause())
    elif state == "COMPLETED":
        play.do(1_000, Complete())
    elif state == "CANCELLED":
        play.do(1_000, Cancel())
    elif state == "DELETED":
        play.do(1_000, Delete())
    elif state in ("EXPIRED", "OVERTIME"):
        play.do(BUDGET, None)
    return play.session
