"""A session looks the same at an instant, whether its message is written anew or taken from an earlier reader's."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from synckairos.domain import timing
from synckairos.domain.commands import Caller
from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.time_control import MAX_STAGES, Stage, TimeControl
from synckairos.domain.creation import create
from synckairos.domain.model import Mode, Session
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import decide
from synckairos.rpc import mapping
from synckairos.rpc.fields import MAX_INSTANT_MS
from synckairos.rpc.mapping import session_message
from testing.harness.builders import SESSION_ID, UMPIRE, change_ids
from testing.harness.playing import session_drawing as drawing
from testing.harness.playing.plays import BORN, played

LIFETIMES = Lifetimes()


def _drawn(data: DataObject, mode: Mode) -> Session:
    """Draw a session after a few commands."""
    ids, now = change_ids(), BORN
    session = create(SESSION_ID, data.draw(drawing.specs(mode)), Caller(UMPIRE), now * 1_000, ids.__next__).session
    for _ in range(data.draw(st.integers(1, 8), "commands")):
        now += data.draw(drawing.jumps(session, now, LIFETIMES))
        command = data.draw(drawing.commands(session))
        session = decide(session, command, Caller(UMPIRE), now, ids.__next__, LIFETIMES).session
    return session


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(data=st.data())
def test_every_reader_sees_the_clocks_of_its_instant(mode: Mode, data: DataObject) -> None:
    """Readers of one version, one after another, are each shown what the clocks charged up to then hold."""
    session = _drawn(data, mode)

    for after in data.draw(st.lists(st.integers(0, 20_000), min_size=1, max_size=4), "ms after the change"):
        # What is due is settled before anybody looks.
        now = min(session.updated_at + after, (timing.deadline_at(session) or MAX_INSTANT_MS) - 1)

        shown = session_message(session, now)

        # Of a session charged up to the instant, all is stored and nothing is left to add.
        assert shown == session_message(timing.charge(session, now), now)
        assert shown.elapsed_ms == timing.elapsed(session, now)


def test_a_reader_cannot_change_what_the_next_one_sees() -> None:
    """Each gets a message of its own."""
    session = played("participant", "RUNNING")
    first = session_message(session, session.updated_at + 1_000)

    first.participants[0].time_used_ms = 77
    first.participants.add().participant_id = "somebody"

    assert session_message(session, session.updated_at + 1_000) != first
    assert len(session_message(session, session.updated_at + 1_000).participants) == len(session.participants)


def test_versions_with_one_change_id_are_told_apart() -> None:
    """What is kept belongs to the very session that was read, not to whatever bears its ids."""
    session = played("participant", "RUNNING")
    other = session._replace(cycle_number=session.cycle_number + 7)
    now = session.updated_at + 1_000

    shown = [session_message(one, now).cycle_number for one in (session, other, session)]

    assert shown == [session.cycle_number, other.cycle_number, session.cycle_number]


def test_few_messages_are_kept() -> None:
    """However many sessions are read."""
    session = played("participant", "RUNNING")
    now = session.updated_at + 1_000

    for number in range(mapping.MOST_KEPT + 10):
        session_message(session._replace(change_id=str(number)), now)

    assert len(mapping._kept) <= mapping.MOST_KEPT


STAGED = controlled_clock.begin(TimeControl(tuple(Stage(1_000, 1) for _ in range(MAX_STAGES))))
NOTE = Struct(fields={"note": Value(string_value="x" * 500)}).SerializeToString()


@pytest.mark.parametrize(
    "changes",
    [
        lambda session: {"participants": session.participants * 9},
        lambda _: {"metadata": NOTE},
        lambda session: {"participants": tuple(one._replace(metadata=NOTE) for one in session.participants)},
        lambda _: {"labels": tuple((f"label {number}", "x" * 100) for number in range(5))},
        lambda session: {"participants": tuple(one._replace(clock=STAGED) for one in session.participants * 2)},
    ],
    ids=["participants", "metadata", "metadata of participants", "labels", "time controls"],
)
def test_no_large_message_is_kept(changes: Callable[[Session], dict[str, Any]]) -> None:
    """Thousands of them would take a gigabyte: metadata of 8 KB take 120 KB as a message."""
    session = played("participant", "RUNNING")
    large = session._replace(change_id=str(uuid4()), **changes(session))
    session_message(large, large.updated_at + 1_000)

    assert large.change_id not in mapping._kept
