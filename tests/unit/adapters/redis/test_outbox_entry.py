"""An entry holds the event, its request, and the names of the fields that it changed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.adapters.redis.values.outbox_entry import FIELDS, changes, names_of, read_entry
from synckairos.application.ports import Request
from synckairos.application.trail.audit import AuditRecord
from synckairos.application.trail.field_changes import UNNAMED
from synckairos.domain.commands import AddParticipant, AdjustTime, Command, Delete, Pause, Resume, Start, Switch, Update
from synckairos.domain.model import Session
from synckairos.domain.specification import ParticipantSpec
from testing.harness.builders import ANN, CLEO, Game, per_participant
from testing.harness.fakes.outbox_fields import fields_of


def test_every_field_of_a_session_has_its_bit() -> None:
    """A new field needs a place at the end of the table, or must be known not to be told."""
    assert set(FIELDS) | UNNAMED == set(Session._fields)
    assert not set(FIELDS) & UNNAMED


def test_bits_never_move() -> None:
    """Entries written by an older version are read by this one: the table may only grow at its end."""
    written_in_0_1 = (
        "participants active cycle_number cycle_started_at resumed_at carried_ms charged_ms groups clock status "
        "paused_at started_at completed_at expired_participant_id expired_group_id winner_participant_id "
        "winner_group_id first_participant_id metadata labels deleted recovered rules created_at epoch session_id"
    )
    assert FIELDS[:26] == tuple(written_in_0_1.split())


LIFE: list[tuple[Command, set[str]]] = [
    (Start(), {"status", "active", "cycle_number", "started_at", "cycle_started_at", "resumed_at"}),
    (Switch(), {"participants", "active", "cycle_number", "cycle_started_at", "resumed_at"}),
    (Pause(), {"status", "carried_ms", "resumed_at", "paused_at"}),
    (Update(metadata=b"{}"), {"metadata"}),
    (Update(labels=(("a", "b"),)), {"labels"}),
    (Resume(), {"status", "resumed_at", "paused_at"}),
    (AdjustTime(ANN, delta_ms=1_000), {"participants"}),
    (AddParticipant(ParticipantSpec(CLEO, total_time_ms=60_000)), {"participants"}),
    (Switch(), {"participants", "active", "cycle_number", "cycle_started_at", "resumed_at", "carried_ms"}),
    (Delete(), {"deleted"}),
]


def test_each_command_names_what_it_changes() -> None:
    """A life, event by event."""
    game = Game(per_participant())
    told = []
    for place, (command, _) in enumerate(LIFE, start=1):
        before = game.session
        game.ok(1_000 * place, command)
        told.append(set(names_of(changes(before, game.session))))

    assert told == [named for _, named in LIFE]


def test_a_creation_names_nothing() -> None:
    """There was nothing before: everything is new."""
    assert changes(None, Game(per_participant()).session) == 0


@given(st.sets(st.sampled_from(Session._fields)))
def test_exactly_the_differing_fields_are_named(differing: set[str]) -> None:
    """Any of them, but for those that every event changes."""
    after = Game(per_participant()).session

    assert set(names_of(changes(differing_in(differing, after), after))) == differing - UNNAMED


@given(st.sets(st.sampled_from(FIELDS)), st.text(), st.text(), st.text(), st.text())
def test_an_entry_brings_back_the_record(
    differing: set[str], request_id: str, peer: str, call_id: str, trace: str
) -> None:
    """Event, request id, peer, the call's id and trace, and the names of the changed fields survive the stream."""
    event = Game(per_participant()).events[0]
    fields = fields_of(event, differing_in(differing, event.session), Request(request_id, b"", peer, call_id, trace))

    entry = read_entry(7, (b"5-1", [part for pair in fields for part in pair]))

    changed = tuple(name for name in FIELDS if name in differing)
    assert entry.record == AuditRecord(event, request_id, peer, changed, call_id, trace)
    assert (entry.partition, entry.entry_id, entry.problem) == (7, "5-1", "")


def test_a_call_that_is_not_recorded_leaves_an_entry_as_it_was() -> None:
    """Without tracing nothing is stored for it."""
    event = Game(per_participant()).events[0]

    names = [name for name, _ in fields_of(event, event.session, Request("r", b"", "p", "c"))]

    assert names == [b"s", b"e", b"c", b"q", b"p", b"i"]


def differing_in(names: set[str], session: Session) -> Session:
    """Return a session that differs from this one in the named fields only."""
    return session._replace(**dict.fromkeys(names, object()))  # type: ignore[arg-type] # equal to nothing else


def without(name: bytes) -> list[tuple[bytes, bytes]]:
    """Return a usual entry's fields but one."""
    return [pair for pair in usual() if pair[0] != name]


def usual() -> list[tuple[bytes, bytes]]:
    """Return a usual entry's fields."""
    return fields_of(Game(per_participant()).events[0])


def test_an_entry_of_an_older_version_names_no_change() -> None:
    """Entries without `c` are from before it was written."""
    entry = read_entry(0, (b"1-0", [part for pair in without(b"c") for part in pair]))

    assert entry.record is not None
    assert entry.record.changed == ()


def test_a_bit_of_a_newer_version_is_left_out() -> None:
    """The reader does not know its name."""
    assert names_of(1 << len(FIELDS) | 1) == ("participants",)


BROKEN: dict[str, Any] = {
    "nothing that is known": [(b"hello", b"world")],
    "no session id": without(b"s"),
    "no event": without(b"e"),
    "an event that is none": [*without(b"e"), (b"e", b"\xff\xfe")],
    "a session id that is no text": [*without(b"s"), (b"s", b"\xff")],
    "changes that are no number": [*without(b"c"), (b"c", b"x")],
    "a peer that is no text": [*usual(), (b"p", b"\xff")],
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_entry_that_cannot_be_read_says_why(what: str) -> None:
    """It has a problem in the place of a record, and ends no reader."""
    entry = read_entry(3, (b"1-0", [part for pair in BROKEN[what] for part in pair]))

    assert entry.record is None
    assert entry.problem
