"""Sessions as JSON: nothing is lost, people can read it, and what another version wrote is not guessed at."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.adapters.postgres.trail.control_json import effect_of
from synckairos.adapters.postgres.trail.snapshot import (
    FieldError,
    UnreadableSnapshotError,
    check_snapshot,
    checked_session,
    decode_event,
    decode_session,
    encode_session,
)
from synckairos.domain.controls.time_control import LagCompensation, Settled, Stage, TimeControl
from synckairos.domain.events import Effect, Event
from synckairos.domain.families import ByoYomi, Fischer
from synckairos.domain.model import Mode
from synckairos.domain.specification import SessionSpec
from testing.harness.builders import ANN, BOB, Game, per_participant, started
from tests.unit.adapters.drawing import events

STORED: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("snapshots.json").read_text("utf-8"))
"""What version 1 wrote: of each session the JSON, and the value that it stands for."""
LATER_FIELDS = (
    ", idle_ttl_ms=0, called_at=None, ended_at=None, ran_ms=0, limit_passed=False, manual_at=None, real_at=None)"
)
LATER_RULES = "session_limit_ms=None, close_at=None, soft_close=None, time_control=None, durability=None"
"""The fields that version 1 did not have, as they are in what it wrote."""
PLAIN = Game(per_participant(60_000, 30_000)).session


CONTROL = TimeControl(
    (Stage(600_000, 40, Fischer(5_000)), Stage(0, 0, ByoYomi(5, 30_000))),
    turn_limit_ms=90_000,
    lag_compensation=LagCompensation(200, 100, 500),
)


def controlled_spec() -> SessionSpec:
    """Describe a session of two with a time control, which closes an hour after its creation."""
    spec = per_participant()
    holders = tuple(one._replace(total_time_ms=0) for one in spec.participants)
    return spec._replace(participants=holders, time_control=CONTROL, close_at=1_767_229_200_123)


def _meant(name: str) -> str:
    """Return the value of what version 1 wrote, with the fields that came later."""
    meant = re.sub(r"(in_overtime=\w+)\)", r"\1, progress=None)", STORED[name]["session"])
    meant = re.sub(r"(warning_thresholds_ms=\([^)]*\))\)", rf"\1, {LATER_RULES})", meant)
    return meant.removesuffix(")") + LATER_FIELDS


@given(st.sampled_from(Mode).flatmap(events), st.randoms(use_true_random=False))
def test_every_session_comes_back_as_it_was(event: Event, chance: Random) -> None:
    """Whatever its fields hold, types included; with and without the effect of an event, whose place is beside it."""
    session, effect = event.session, effect_of(event)
    encoded, with_effect = encode_session(session), encode_session(session, effect)
    members = list(json.loads(encoded).items())
    chance.shuffle(members)

    decoded = decode_session(encoded)

    assert decoded == session
    assert repr(decoded) == repr(session)
    assert repr(decode_event(with_effect)) == repr((session, effect))
    assert decode_session(with_effect) == session
    # JSONB keeps no order of keys, and its text has spaces.
    assert decode_session(json.dumps(dict(members), indent=1)) == session


@pytest.mark.parametrize("name", STORED)
def test_what_is_stored_stays_as_it_is(name: str) -> None:
    """Old rows read the same, and the same session is written byte for byte the same."""
    session = decode_session(STORED[name]["text"])

    assert repr(session) == _meant(name)
    assert encode_session(session) == STORED[name]["text"]


def test_fields_of_a_later_version_are_passed_over() -> None:
    """At every level: a rollback reads what the later version wrote."""
    stored = json.loads(STORED["every field set"]["text"])
    for part in (stored, stored["rules"], stored["clock"], stored["participants"][0], stored["groups"][0]):
        part["colour"] = "red"

    assert repr(decode_session(json.dumps(stored))) == _meant("every field set")


def test_it_can_be_read_without_this_program() -> None:
    """Names of the model, ids as text, choices as words, metadata as base64."""
    session = started(per_participant(60_000, 30_000, metadata=b"\n\x00")).session._replace(labels=(("b", "1"),))

    written = json.loads(encode_session(session))

    assert (written["status"], written["rules"]["mode"], written["active"]) == ("running", "per_participant", 0)
    assert [one["participant_id"] for one in written["participants"]] == [ANN, BOB]
    assert written["participants"][1]["clock"] == {"used_ms": 0, "allotted_ms": 30_000, "bank_ms": 30_000}
    assert (written["metadata_base64"], written["labels"]) == ("CgA=", [["b", "1"]])


@pytest.mark.parametrize("metadata", [None, b"", b"\0"])
def test_no_metadata_and_empty_metadata_stay_apart(metadata: bytes | None) -> None:
    """Absent is not the same as nothing in it."""
    session = PLAIN._replace(metadata=metadata)

    assert decode_session(encode_session(session)).metadata == metadata


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        encode_session(PLAIN).replace('"layout":1', '"layout":4'),
        encode_session(PLAIN).replace('"pending"', '"asleep"'),
        encode_session(PLAIN).replace('"version"', '"edition"'),
        encode_session(PLAIN._replace(metadata=b"abc")).replace('"YWJj"', '"YW"'),
        encode_session(PLAIN)[:-1],
    ],
)
def test_what_is_no_session_is_refused(text: str) -> None:
    """Broken, of another layout, or with words this version does not know."""
    with pytest.raises(UnreadableSnapshotError):
        decode_session(text)


CONTROLLED = (
    '{"layout":2,"session_id":"00000000-0000-4000-8000-0000000000ff","epoch":1767225600123000,"version":1,'
    '"change_id":"11111111-0000-4000-8000-000000000001","status":"pending","rules":{"mode":"per_participant",'
    '"on_expire":"end_session","close_at":1767229200123,"time_control":0},"created_at":1767225600123,'
    '"updated_at":1767225600123,"participants":[{"participant_id":"00000000-0000-4000-8000-00000000000a",'
    '"participant_index":0,"cycle_count":0,"clock":{"used_ms":0,"allotted_ms":600000,"bank_ms":600000,'
    '"progress":{"control":0,"lag_quota_ms":200}}},{"participant_id":"00000000-0000-4000-8000-00000000000b",'
    '"participant_index":1,"cycle_count":0,"clock":{"used_ms":0,"allotted_ms":600000,"bank_ms":600000,'
    '"progress":{"control":0,"lag_quota_ms":200}}}],"controls":[{"stages":[{"base_ms":600000,"turns":40,'
    '"family":"fischer","parameters":{"increment_ms":5000,"cap_ms":0,"before_turn":false}},{"base_ms":0,'
    '"family":"byo_yomi","parameters":{"periods":5,"period_ms":30000,"increment_ms":0}}],"turn_limit_ms":90000,'
    '"lag_compensation":{"start_ms":200,"gain_ms":100,"max_ms":500}}],'
    '"effect":{"turn":{"spent_ms":7,"granted_ms":-3},"extended_ms":5}}'
)
"""A session with time controls, and what the event before it did: layout 2."""
EFFECT = Effect(Settled(7, -3), 5)


def test_time_controls_are_written_once_and_stay_as_they_are() -> None:
    """Clocks refer to them by their places; the effect of the event stands beside the session."""
    spec = controlled_spec()
    session = Game(spec).session

    assert encode_session(session, EFFECT) == CONTROLLED
    assert decode_event(CONTROLLED) == (session, EFFECT)


def _changed(path: list[str | int], value: Any) -> str:
    stored = json.loads(CONTROLLED)
    part = stored
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return json.dumps(stored)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (["controls"], [], "rules.time_control"),
        (["controls", 0, "stages"], [], "controls[0].stages"),
        (["controls", 0, "stages", 0, "family"], "hasty", "controls[0]"),
        (["controls", 0, "stages", 0, "parameters"], {"increment_ms": True}, "controls[0]"),
        (["controls", 0, "stages", 0, "parameters"], {"before_turn": 1}, "controls[0]"),
        (["controls", 0, "stages", 0, "parameters"], {"colour": 1}, "controls[0]"),
        (["controls", 0, "stages", 1, "parameters"], {}, "controls[0]"),
        (["controls", 0, "stages", 0, "turns"], -1, "controls[0].stages[0].turns"),
        (["rules", "time_control"], 1, "rules.time_control"),
        (["participants", 1, "clock", "progress", "control"], 1, "participants[1].clock.progress"),
        (["participants", 1, "clock", "progress", "stage"], 2, "participants[1].clock.progress"),
        (["participants", 1, "clock", "progress", "periods"], -1, "participants[1].clock.progress.periods"),
        (["effect", "turn", "spent_ms"], "long", "effect.turn.spent_ms"),
    ],
    ids=lambda one: ".".join(map(str, one)) if isinstance(one, list) else "",
)
def test_a_wrong_part_of_a_control_is_named_and_never_read(path: list[str | int], value: Any, named: str) -> None:
    """An edited file says where it is wrong; what the trail holds is not guessed at."""
    text = _changed(path, value)

    with pytest.raises(FieldError) as refusal:
        checked_session("session", text.encode())
    assert refusal.value.path == f"session.{named}"
    if value != -1:
        with pytest.raises(UnreadableSnapshotError):
            decode_session(text)


@pytest.mark.parametrize("parameters", [{"periods": 5, "period_ms": 0}, {"periods": 1_001, "period_ms": 5_000}])
def test_a_control_beyond_its_limits_is_not_taken_from_a_file(parameters: dict[str, int]) -> None:
    """No session can have it, so no store would read what a recovery brought back; what the trail has is not lost."""
    text = _changed(["controls", 0, "stages", 1, "parameters"], parameters)

    with pytest.raises(FieldError) as refusal:
        checked_session("session", text.encode())
    assert refusal.value.path == "session.controls[0]"
    assert "byo_yomi" in refusal.value.problem
    assert decode_session(text).session_id


def test_only_a_time_control_lets_a_bank_be_negative() -> None:
    """As ever: a bank below zero is no value of a clock without one."""
    plain = json.loads(encode_session(PLAIN))
    plain["participants"][0]["clock"]["bank_ms"] = -1

    for check in (lambda text: checked_session("", text), check_snapshot):
        with pytest.raises(FieldError) as refusal:
            check(json.dumps(plain).encode())
        assert refusal.value.path.endswith("participants[0].clock.bank_ms")
    assert checked_session("", _changed(["participants", 0, "clock", "bank_ms"], -1).encode())
