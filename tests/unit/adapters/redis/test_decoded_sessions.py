"""Decoded once, told apart by their bytes, and forgotten in time."""

from uuid import UUID

import pytest

from synckairos.adapters.redis.values import codec
from synckairos.adapters.redis.values.decoded_sessions import LARGE_BYTES, MOST_BYTES, DecodedSessions
from synckairos.domain.model import Session
from testing.harness.builders import SESSION_ID, Game, per_participant

OTHER_ID = str(UUID(int=77))


def _session(number: int = 0, size: int = 0) -> Session:
    """Return a session that no other number has, with this many bytes of metadata."""
    return Game(per_participant()).session._replace(change_id=str(UUID(int=number)), metadata=b"x" * size)


def test_the_same_bytes_are_decoded_once() -> None:
    """Whether they were read or written first."""
    decoded = DecodedSessions()
    written, read = _session(1), _session(2)

    decoded.remember(codec.encode_session(written), written)
    first = decoded.decode(SESSION_ID, codec.encode_session(read))

    assert decoded.decode(SESSION_ID, codec.encode_session(written)) is written
    assert first == read
    assert decoded.decode(SESSION_ID, codec.encode_session(read)) is first


def test_the_same_bytes_under_another_key_are_another_session() -> None:
    """A session that somebody copied to another key has the id of that key."""
    decoded = DecodedSessions()
    encoded = codec.encode_session(_session())

    first, second = decoded.decode(SESSION_ID, encoded), decoded.decode(OTHER_ID, encoded)

    assert (first.session_id, second.session_id) == (SESSION_ID, OTHER_ID)


def test_foreign_bytes_are_refused_every_time() -> None:
    """A refusal is not remembered as a session."""
    decoded = DecodedSessions()

    for _ in range(2):
        with pytest.raises(codec.UnknownLayoutError):
            decoded.decode(SESSION_ID, b"foreign")


def test_what_was_asked_for_lately_is_kept_and_the_rest_forgotten() -> None:
    """After two generations only what was asked for in between is left."""
    decoded = DecodedSessions()
    asked_for, left_alone = _session(1), _session(2)
    for session in (asked_for, left_alone):
        decoded.remember(codec.encode_session(session), session)

    size = 4_096
    for number in range(3, 3 + 2 * MOST_BYTES // size):
        filler = _session(number, size)
        decoded.remember(codec.encode_session(filler), filler)
        decoded.decode(SESSION_ID, codec.encode_session(asked_for))

    assert decoded.decode(SESSION_ID, codec.encode_session(asked_for)) is asked_for
    assert decoded.decode(SESSION_ID, codec.encode_session(left_alone)) is not left_alone


def test_a_large_session_drives_nothing_out() -> None:
    """It is decoded each time."""
    decoded = DecodedSessions()
    small, large = _session(1), _session(2, LARGE_BYTES)
    decoded.remember(codec.encode_session(small), small)

    for _ in range(3 * MOST_BYTES // LARGE_BYTES):
        decoded.remember(codec.encode_session(large), large)

    assert decoded.decode(SESSION_ID, codec.encode_session(small)) is small
    assert decoded.decode(SESSION_ID, codec.encode_session(large)) is not large
