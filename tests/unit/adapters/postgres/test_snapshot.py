"""Sessions as JSON: nothing is lost, people can read it, and what another version wrote is not guessed at."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.adapters.postgres.trail.snapshot import UnreadableSnapshotError, decode_session, encode_session
from synckairos.domain.model import Mode, Session
from testing.harness.builders import ANN, BOB, Game, per_participant, started
from tests.unit.adapters.drawing import sessions

STORED: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("snapshots.json").read_text("utf-8"))
"""What version 1 wrote: of each session the JSON, and the value that it stands for."""
LATER_FIELDS = ", idle_ttl_ms=0, called_at=None, ended_at=None)"
"""The fields that version 1 did not have, as they are in what it wrote."""
PLAIN = Game(per_participant(60_000, 30_000)).session


def _meant(name: str) -> str:
    """Return the value of what version 1 wrote, with the fields that came later."""
    return STORED[name]["session"].removesuffix(")") + LATER_FIELDS


@given(st.sampled_from(Mode).flatmap(sessions))
def test_every_session_comes_back_as_it_was(session: Session) -> None:
    """Whatever its fields hold, types included."""
    encoded = encode_session(session)

    decoded = decode_session(encoded)

    assert decoded == session
    assert repr(decoded) == repr(session)


@given(st.sampled_from(Mode).flatmap(sessions), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(session: Session, chance: object) -> None:
    """JSONB keeps none, and its text has spaces."""
    members = list(json.loads(encode_session(session)).items())
    chance.shuffle(members)  # type: ignore[attr-defined] # a random.Random

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
        encode_session(PLAIN).replace('"layout":1', '"layout":2'),
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
