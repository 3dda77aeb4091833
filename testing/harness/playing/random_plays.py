"""Random plays of sessions of every kind, as their events: what is told about them must hold for all."""

from itertools import count
from typing import Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.commands import AddParticipant, Caller
from synckairos.domain.creation import create
from synckairos.domain.events import Author, Event
from synckairos.domain.model import Mode
from synckairos.domain.recovery import RecoveryPolicy, recover
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import decide
from testing.harness.builders import ORIGIN, SESSION_ID
from testing.harness.playing import session_drawing as drawing
from testing.harness.playing.playable_controls import controlled_command, controlled_specs, soft_closing_specs

LIFETIMES: Final = Lifetimes()
UMPIRE: Final = Author("umpire", "at random")

SPECS: Final[dict[str, SearchStrategy[SessionSpec]]] = {
    **{mode.name: drawing.specs(mode) for mode in Mode},
    "controls": controlled_specs(Mode.PER_PARTICIPANT),
    "controls of groups": controlled_specs(Mode.PER_GROUP),
    "soft close": soft_closing_specs(),
}


@st.composite
def plays(draw: DrawFn, specs: SearchStrategy[SessionSpec]) -> list[Event]:
    """Draw a session's events: random commands at random times, and now and then a recovery."""
    ids = (str(UUID(int=number)) for number in count(1))
    events = [create(SESSION_ID, draw(specs), Caller(UMPIRE), ORIGIN * 1_000, ids.__next__)]
    now = ORIGIN
    for _ in range(draw(st.integers(1, 25))):
        session = events[-1].session
        now += drawing.jump(draw, session, now, LIFETIMES)
        if drawing.chance(draw, 16) and not session.is_terminal and not session.deleted:
            policy = drawing.pick(draw, tuple(RecoveryPolicy))
            events += recover(session, policy, UMPIRE, now * 1_000, ids.__next__, LIFETIMES).events
            continue
        command = controlled_command(draw, session)
        if isinstance(command, AddParticipant) and session.rules.time_control is not None:
            spec = command.participant
            command = AddParticipant(ParticipantSpec(spec.participant_id, group_id=spec.group_id))
        events += decide(session, command, Caller(UMPIRE), now, ids.__next__, LIFETIMES).events
        if events[-1].session.deleted:
            break
    return events


def holders_of(events: list[Event]) -> list[Holder]:
    """Return everybody who ever held a clock in the session."""
    mode = events[0].session.rules.mode
    if mode is Mode.PER_GROUP:
        return [Holder(group_id=group.group_id) for group in events[0].session.groups]
    if mode is not Mode.PER_PARTICIPANT:
        return [Holder()]
    names = {one.participant_id: None for event in events for one in event.session.participants}
    return [Holder(participant_id=name) for name in names]
