"""What a commit writes: its limits, and what falls due after it."""

import pytest

from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.store.writes import MAX_SESSION_BYTES, Commit, CommitWriter
from synckairos.application.errors import SessionTooLarge
from synckairos.application.ports import Decision, Reading, Request
from synckairos.domain.commands import Pause, Start, Switch, Update
from synckairos.domain.events import Event, EventType
from synckairos.domain.timing import Lifetimes
from testing.harness.builders import SESSION_ID, Game, at, per_participant

HUGE = bytes(MAX_SESSION_BYTES)


@pytest.fixture
def writer() -> CommitWriter:
    """A process' writer."""
    return CommitWriter(Lifetimes(), event_window=16, request_ttl_ms=3_600_000)


def swollen(event: Event) -> Event:
    """Return the event of a session beyond the limit."""
    return event._replace(session=event.session._replace(metadata=HUGE))


def commit(writer: CommitWriter, event: Event, *, removes: bool = False) -> Commit:
    """Return what stores an event, or removes its session."""
    decision = Decision(None, [] if removes else [event], answers=True, remove=removes)
    return writer.commit(Keys().of(SESSION_ID), SESSION_ID, Request(), Reading(event.session, at(0) * 1_000), decision)


def commands(writer: CommitWriter, event: Event) -> list[str]:
    """Return the names of the commands that store an event."""
    return [str(command[0]) for command in commit(writer, event).commands]


def played() -> dict[EventType, Event]:
    """Return an event of several types."""
    game = Game(per_participant())
    for ms, command in ((0, Start()), (1_000, Switch()), (2_000, Pause()), (3_000, Update(metadata=b"{}"))):
        game.ok(ms, command)
    return {event.type: event for event in game.events}


@pytest.mark.parametrize("type_", [EventType.SESSION_CREATED, EventType.SESSION_UPDATED], ids=lambda one: one.name)
def test_a_session_may_not_grow_beyond_the_limit(writer: CommitWriter, type_: EventType) -> None:
    """What a caller adds is held to 256 KB, encoded."""
    with pytest.raises(SessionTooLarge, match=str(MAX_SESSION_BYTES)):
        commands(writer, swollen(played()[type_]))


@pytest.mark.parametrize(
    "type_",
    [EventType.SESSION_STARTED, EventType.CYCLE_SWITCHED, EventType.SESSION_PAUSED],
    ids=lambda one: one.name,
)
def test_a_session_at_the_limit_is_never_stuck(writer: CommitWriter, type_: EventType) -> None:
    """A few more digits in a clock are no reason to refuse a switch or an expiry."""
    assert "SET" in commands(writer, swollen(played()[type_]))


def test_a_commit_tells_the_next_boundary(writer: CommitWriter) -> None:
    """The boundary of the last version, and None once there is nothing to wait for."""
    started = played()[EventType.SESSION_STARTED]
    deleted = started._replace(session=started.session._replace(deleted=True))

    assert commit(writer, started).next_boundary == at(600_000)
    assert commit(writer, deleted).next_boundary is None
    assert commit(writer, started, removes=True).next_boundary is None
