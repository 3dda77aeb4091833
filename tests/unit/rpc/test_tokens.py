"""Resume tokens and page tokens: opaque, exact, and refused when they are not ours."""

import base64
import struct
from uuid import UUID

import pytest

from synckairos.application.listing import Filter
from synckairos.application.ports import Position
from synckairos.domain.model import Head, Mode, Status
from synckairos.rpc import tokens
from synckairos.rpc.fields import Fields

SID, OTHER = (f"10000000-0000-4000-8000-00000000000{digit}" for digit in "12")
CHANGE = "50000000-0000-4000-8000-000000000001"
HEAD = Head(1_767_225_600_123_456, 42, CHANGE)
MAX_UINT64 = 2**64 - 1

GARBAGE = [
    pytest.param("x", id="too short for base64"),
    pytest.param("not a token", id="spaces"),
    pytest.param("été", id="not ASCII"),
    pytest.param("AAAA", id="too few bytes"),
    pytest.param("A" * 400, id="too many bytes"),
    pytest.param("=" * 64, id="padding only"),
    pytest.param(base64.urlsafe_b64encode(b"\xff" * 49).decode().rstrip("="), id="unknown form"),
]


@pytest.mark.parametrize(
    "head",
    [HEAD, Head(0, 0, str(UUID(int=0))), Head(MAX_UINT64, MAX_UINT64, str(UUID(int=2**128 - 1)))],
    ids=["usual", "least", "greatest"],
)
def test_a_resume_token_is_the_position_it_was_made_of(head: Head) -> None:
    """Epoch, version and change come back exactly, from a text that survives URLs and headers."""
    token = tokens.write_resume(SID, head)

    assert tokens.read_resume(SID, token) == head
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("token", GARBAGE)
def test_what_is_no_resume_token_is_refused(token: str) -> None:
    """Garbage is told from a token."""
    with pytest.raises(tokens.InvalidToken, match="not a resume token"):
        tokens.read_resume(SID, token)


@pytest.mark.parametrize("session_id", [OTHER, "", "not-a-session"], ids=["other", "none", "malformed"])
def test_a_resume_token_belongs_to_its_session(session_id: str) -> None:
    """Another session's token is refused, and a session id that is none is no reason to fail."""
    with pytest.raises(tokens.InvalidToken, match="another session"):
        tokens.read_resume(session_id, tokens.write_resume(SID, HEAD))


def test_every_bit_of_a_resume_token_counts() -> None:
    """A token with any byte changed is refused or means another position: no part of it is ignored."""
    raw = base64.urlsafe_b64decode(tokens.write_resume(SID, HEAD) + "===")

    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        try:
            assert tokens.read_resume(SID, base64.urlsafe_b64encode(changed).decode()) != HEAD
        except tokens.InvalidToken:
            continue


WANTED = Filter(frozenset({Status.RUNNING, Status.PAUSED}), frozenset({Mode.GLOBAL}), (("a", "1"), ("b", "2")))
POSITION = Position(1_767_225_600_123, SID)


def read(token: str, wanted: Filter) -> tuple[Position | None, dict[str, str]]:
    """Return what a page token says and what is wrong with it."""
    fields = Fields()
    position = tokens.read_position(fields, token, wanted)
    return position, dict(fields.violations)


@pytest.mark.parametrize("wanted", [Filter(), WANTED], ids=["no filters", "filters"])
def test_a_page_token_is_the_position_it_was_made_of(wanted: Filter) -> None:
    """The place in the listing order comes back exactly, for the same filters in whatever order they are given."""
    token = tokens.write_position(POSITION, wanted)
    same = wanted._replace(statuses=frozenset(sorted(wanted.statuses, reverse=True)))

    assert read(token, same) == (POSITION, {})


def test_no_page_token_is_the_first_page() -> None:
    """The empty token is a position before all others."""
    assert read("", WANTED) == (None, {})


@pytest.mark.parametrize("token", GARBAGE)
def test_what_is_no_page_token_is_refused(token: str) -> None:
    """Garbage is refused by the field's name."""
    _, wrong = read(token, WANTED)

    assert list(wrong) == ["page_token"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Filter(), id="none"),
        pytest.param(WANTED._replace(statuses=frozenset({Status.RUNNING})), id="fewer statuses"),
        pytest.param(WANTED._replace(modes=frozenset({Mode.COUNT_UP})), id="another mode"),
        pytest.param(WANTED._replace(labels=(("a", "1"), ("b", "3"))), id="another label"),
        pytest.param(WANTED._replace(modes=WANTED.statuses, statuses=WANTED.modes), id="swapped"),  # type: ignore[arg-type] # on purpose
    ],
)
def test_a_page_token_belongs_to_its_filters(other: Filter) -> None:
    """The next page of one listing is no page of another."""
    _, wrong = read(tokens.write_position(POSITION, WANTED), other)

    assert list(wrong) == ["page_token"]


def test_positions_beyond_any_session_are_positions() -> None:
    """A forged token cannot break anything: the greatest instant is only a place before the first session."""
    raw = struct.pack(">Q16s", MAX_UINT64, UUID(SID).bytes)
    digest = base64.urlsafe_b64decode(tokens.write_position(POSITION, Filter()) + "===")[-8:]

    position, wrong = read(base64.urlsafe_b64encode(raw + digest).decode(), Filter())

    assert (position, wrong) == (Position(MAX_UINT64, SID), {})
