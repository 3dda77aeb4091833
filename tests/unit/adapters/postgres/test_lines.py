"""The audit trail as JSON Lines: without loss both ways, and every edit that makes a line wrong is named."""

import json
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from synckairos.adapters.postgres.trail import lines as audit_lines
from synckairos.adapters.postgres.trail.session_json import MAX_INSTANT_MS
from synckairos.adapters.postgres.trail.snapshot import FieldError
from synckairos.application.trail.audit import AuditedEvent, AuditRecord
from synckairos.domain.controls.time_control import Settled
from synckairos.domain.events import Author, Event
from synckairos.domain.model import Mode, Session
from synckairos.domain.tenancy import DEFAULT_TENANT, TENANT, name_of, qualify
from testing.harness.playing.plays import ANN, KINDS, Play
from testing.harness.playing.session_drawing import pick
from tests.unit.adapters import drawing

TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)
STRUCTS = st.none() | TEXTS.map(lambda text: _struct(text).SerializeToString())


def _struct(text: str) -> Struct:
    struct = Struct()
    struct["text"] = text
    return struct


TENANTS = st.just(DEFAULT_TENANT) | st.from_regex(TENANT, fullmatch=True)
TRACES = st.just("") | st.from_regex(audit_lines.TRACEPARENT)
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=4).map(lambda labels: tuple(labels.items()))
CHANGED = st.lists(st.sampled_from(Session._fields), max_size=4).map(tuple)


@st.composite
def records(draw: DrawFn) -> AuditRecord:
    """Draw a record of any shape that the trail can hold."""
    event: Event = draw(drawing.events(pick(draw, tuple(Mode))))
    session = event.session
    session = session._replace(
        epoch=session.epoch % 2**63,
        metadata=draw(STRUCTS),
        participants=tuple(one._replace(metadata=draw(STRUCTS)) for one in session.participants),
        labels=draw(LABELS),
    )
    session = session._replace(session_id=qualify(draw(TENANTS), session.session_id))
    event = event._replace(author=Author(draw(TEXTS), draw(TEXTS), draw(TEXTS)), session=session)
    return AuditRecord(event, draw(TEXTS), draw(TEXTS), draw(CHANGED), draw(TEXTS), draw(TRACES))


@given(record=records())
def test_a_line_is_the_record_it_was_made_of(record: AuditRecord) -> None:
    """Every field comes back, and the same line is made of it again."""
    line = audit_lines.encode_record(record)

    again = audit_lines.decode_record(line)

    assert again == record
    assert audit_lines.encode_record(again) == line
    tenant, session_id = name_of(record.event.session.session_id)
    told = json.loads(line)
    assert (told["session_id"], told["session"]["session_id"]) == (session_id, session_id)
    assert told.get("tenant", DEFAULT_TENANT) == tenant
    assert line.count(b"\n") == 1


def a_record(kind: str = "group") -> AuditRecord:
    """Return the record of a creation."""
    return AuditRecord(Play(KINDS[kind]).events[-1], "r-1", "ipv4:192.0.2.1:5", ("status", "clock"))


def a_line(kind: str = "group") -> dict[str, Any]:
    """Return a good line."""
    line: dict[str, Any] = json.loads(audit_lines.encode_record(a_record(kind)))
    return line


def test_a_line_without_the_id_of_a_call_is_as_it_always_was() -> None:
    """Exports of versions that did not keep it are read, and theirs read what needs nothing new."""
    assert "call_id" not in a_line()
    assert audit_lines.decode_record(json.dumps(a_line()).encode()).call_id == ""


def test_a_line_says_what_its_event_did() -> None:
    """In fields of their own, absent where there is nothing to say."""
    record = a_record()
    told = record._replace(event=record.event._replace(turn=Settled(7, 5), extended_ms=3, advanced_ms=2))

    line = json.loads(audit_lines.encode_record(told))

    assert line["turn"] == {"spent_ms": 7, "granted_ms": 5}
    assert (line["extended_ms"], line["advanced_ms"]) == (3, 2)
    assert "effect" not in line["session"]
    assert not {"turn", "extended_ms", "advanced_ms"} & a_line().keys()


def test_what_the_trail_made_of_it_is_written_and_ignored_on_the_way_back() -> None:
    """Lines for readers say whether the event is a fork and when it was recorded."""
    line = audit_lines.encode_audited(AuditedEvent(a_record(), is_fork=True, recorded_at=12))

    told = json.loads(line)
    assert (told["is_fork"], told["recorded_at"]) == (True, 12)
    assert audit_lines.decode_record(line) == a_record()


def problem_of(line: Any) -> str:
    """Return the path a line is refused with."""
    with pytest.raises(FieldError) as refusal:
        audit_lines.decode_record(line if isinstance(line, bytes) else json.dumps(line).encode())
    assert refusal.value.problem
    return refusal.value.path


@pytest.mark.parametrize("line", [b"", b"x", b"[]", b"1", b"null", b"{", b"\xff\xfe", b'{"session_id": "1'], ids=repr)
def test_what_is_no_line_is_refused(line: bytes) -> None:
    """No part of it can be named."""
    assert problem_of(line) == ""


@pytest.mark.parametrize("name", sorted(a_line()))
def test_a_field_that_is_missing_or_of_another_type_is_named(name: str) -> None:
    """Every field is needed, and has one type."""
    without = a_line()
    del without[name]
    other = a_line() | {name: {"a": []}}

    assert problem_of(without) in (name, "")
    assert problem_of(other).startswith(name)


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"session_id": "no id"}, "session_id"),
        ({"session_id": "10000000-0000-4000-8000-000000000009"}, "session_id"),
        ({"session_id": "10000000-0000-4000-8000-00000000000A"}, "session_id"),
        ({"change_id": "10000000-0000-4000-8000-000000000009"}, "change_id"),
        ({"epoch": 2**63}, "epoch"),
        ({"epoch": 1}, "epoch"),
        ({"version": 0}, "version"),
        ({"version": 7}, "version"),
        ({"cycle_number": 3}, "cycle_number"),
        ({"occurred_at": 5}, "occurred_at"),
        ({"occurred_at": MAX_INSTANT_MS + 1}, "occurred_at"),
        ({"fired_at": -1}, "fired_at"),
        ({"type": "session_exploded"}, "type"),
        ({"cause": ""}, "cause"),
        ({"actor": "a\0"}, "actor"),
        ({"reason": "\0"}, "reason"),
        ({"peer": "\0"}, "peer"),
        ({"request_id": "\0"}, "request_id"),
        ({"changed_fields": ["a", "b\0"]}, "changed_fields[1]"),
        ({"changed_fields": ["a,b"]}, "changed_fields[0]"),
        ({"time_remaining_ms": -1}, "time_remaining_ms"),
        ({"time_elapsed_ms": 1.5}, "time_elapsed_ms"),
        ({"participant_id": ""}, "participant_id"),
        ({"group_id": "x"}, "group_id"),
        ({"colour": "red"}, ""),
    ],
)
def test_a_wrong_value_is_named(changed: dict[str, Any], path: str) -> None:
    """Bounds, names, ids, texts, and whatever the session says otherwise."""
    assert problem_of(a_line() | changed) == path


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"layout": 4}, "session.layout"),
        ({"status": "dead"}, "session.status"),
        ({"rules": {"mode": "chess"}}, "session.rules.mode"),
        ({"updated_at": "now"}, "session.updated_at"),
        ({"active": 2}, "session.active"),
        ({"clock": {"used_ms": -1}}, "session.clock.used_ms"),
        ({"labels": [["a", "b\0"]]}, "session.labels[0][1]"),
        ({"labels": [["a"]]}, "session.labels[0]"),
        ({"metadata_base64": "%%%"}, "session.metadata_base64"),
        ({"metadata_base64": "/w=="}, "session.metadata_base64"),
        ({"colour": "red"}, "session"),
    ],
)
def test_a_wrong_value_inside_the_session_is_named(changed: dict[str, Any], path: str) -> None:
    """With the way to it."""
    line = a_line()
    line["session"] |= changed

    assert problem_of(line) == path


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"participant_id": "x"}, "participant_id"),
        ({"participant_id": ANN}, "participant_id"),
        ({"participant_index": True}, "participant_index"),
        ({"group_id": "10000000-0000-4000-8000-000000000009"}, "group_id"),
        ({"metadata_base64": "/w=="}, "metadata_base64"),
        ({"clock": {"used_ms": 1, "bank_ms": "1"}}, "clock.bank_ms"),
    ],
)
def test_a_wrong_value_inside_a_participant_is_named(changed: dict[str, Any], path: str) -> None:
    """With its place."""
    line = a_line()
    line["session"]["participants"][1] |= changed

    assert problem_of(line) == f"session.participants[1].{path}"
