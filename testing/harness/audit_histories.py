"""Histories of sessions as the audit trail gets them: what was played, renamed so that none meets another's rows."""

from collections.abc import Iterable, Iterator
from itertools import count
from uuid import UUID, uuid5

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from synckairos.application.trail.audit import AuditRecord
from synckairos.domain.commands import Caller
from synckairos.domain.creation import create
from synckairos.domain.events import Author, Event
from synckairos.domain.model import Mode, Session
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import decide
from testing.harness.playing.session_drawing import caller, command, jump, specs

BORN_MS = 1_767_225_600_123
LIFETIMES = Lifetimes()


def recorded(events: Iterable[Event], session_id: str, branch: str = "") -> list[AuditRecord]:
    """Return records of these events as those of another session; another `branch` has other change ids."""
    space = UUID(session_id)
    records = []
    for event in events:
        session = event.session
        change_id = str(uuid5(space, f"{branch} {session.epoch} {session.version}"))
        renamed = event._replace(session=session._replace(session_id=session_id, change_id=change_id))
        records.append(AuditRecord(renamed))
    return records


@st.composite
def histories(draw: DrawFn, mode: Mode) -> tuple[list[Event], list[Event]]:
    """Draw a session's events, and those of a fork of it (often none): another continuation from some version on."""
    spec = draw(specs(mode))
    ids = (str(UUID(int=number)) for number in count(1))
    born = create(str(UUID(int=0)), spec, Caller(Author("player")), BORN_MS * 1_000, ids.__next__)
    main = [born, *_continued(draw, born.session, ids)]
    if draw(st.integers(0, 2)):
        return main, []
    start = draw(st.integers(0, len(main) - 1))
    return main, list(_continued(draw, main[start].session, ids))


def _continued(draw: DrawFn, session: Session, ids: Iterator[str]) -> Iterator[Event]:
    now = session.updated_at
    for _ in range(draw(st.integers(0, 14))):
        now += jump(draw, session, now, LIFETIMES)
        asked, asker = command(draw, session), caller(draw, session)
        outcome = decide(session, asked, asker, now, ids.__next__, LIFETIMES, None)
        yield from outcome.events
        session = outcome.session
        if session.deleted:
            return
