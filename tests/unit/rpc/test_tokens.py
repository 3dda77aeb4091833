"""Resume tokens and page tokens: opaque, exact, bound to what they were made for, and refused when changed."""

import base64
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from uuid import UUID

import pytest

from synckairos.application.listing import Filter
from synckairos.application.ports import Position
from synckairos.application.trail.audit import (
    EventKey,
    EventQuery,
    ParticipantKey,
    ParticipantQuery,
    SessionKey,
    SessionQuery,
)
from synckairos.application.trail.clock_accounts import ClockPlace, ClockQuery
from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.events import EventType
from synckairos.domain.model import Head, Mode, Status
from synckairos.rpc import tokens
from synckairos.rpc.fields import MAX_INSTANT_MS, MAX_INT64, Fields

SID, OTHER = (f"10000000-0000-4000-8000-00000000000{digit}" for digit in "12")
CHANGE: Final = "50000000-0000-4000-8000-000000000001"
NIL, MAX_UUID = str(UUID(int=0)), str(UUID(int=2**128 - 1))
MAX_UINT64: Final = 2**64 - 1
HEAD: Final = Head(1_767_225_600_123_456, 42, CHANGE)

GARBAGE: Final = [
    pytest.param("x", id="too short for base64"),
    pytest.param("not a token", id="spaces"),
    pytest.param("été", id="not ASCII"),
    pytest.param("AAAA", id="too few bytes"),
    pytest.param("A" * 400, id="too many bytes"),
    pytest.param("=" * 64, id="padding only"),
    pytest.param("a\0b", id="zero character"),
    pytest.param(base64.urlsafe_b64encode(b"\xff" * 49).decode().rstrip("="), id="unknown form"),
]


class PageTokens(NamedTuple):
    """The tokens of one list: how they are written and read, and the query they are made for."""

    write: Callable[[Any, Any], str]
    read_from: Callable[[Fields, str, Any], Any]
    query: Any

    def read(self, token: str, query: object = None) -> tuple[Any, list[str]]:
        """Return the place a token stands for, and the paths of its violations."""
        fields = Fields()
        place = self.read_from(fields, token, query or self.query)
        return place, [violation.path for violation in fields.violations]


WANTED: Final = Filter(frozenset({Status.RUNNING, Status.PAUSED}), frozenset({Mode.GLOBAL}), (("a", "1"), ("b", "2")))
LISTED: Final = PageTokens(tokens.write_position, tokens.read_position, WANTED)
EVENTS: Final = PageTokens(tokens.write_place, tokens.read_event, EventQuery(SID, None, 50))
AUDITED: Final = PageTokens(tokens.write_place, tokens.read_audited, SessionQuery(None, 50))
OF_PARTICIPANT: Final = PageTokens(tokens.write_place, tokens.read_participant, ParticipantQuery(SID, None, 50))
CLOCKS: Final = PageTokens(tokens.write_place, tokens.read_clock, ClockQuery(SID, Holder(OTHER), 7, None, 50))
POSITION: Final = Position(1_767_225_600_123, SID)
EVENT: Final = EventKey(1_767_225_600_123_456, 42, CHANGE)
CLOCK: Final = ClockPlace(EVENT, -5_000, 2, 99)
SESSION: Final = SessionKey(1_767_225_600_123, SID)
LISTS: Final = pytest.mark.parametrize(
    "page_tokens",
    [LISTED, EVENTS, AUDITED, OF_PARTICIPANT, CLOCKS],
    ids=["listed", "events", "audited", "of a participant", "clocks"],
)


def _decoded(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "===")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    "head", [HEAD, Head(0, 0, NIL), Head(MAX_UINT64, MAX_UINT64, MAX_UUID)], ids=["usual", "least", "greatest"]
)
def test_a_resume_token_is_the_position_it_was_made_of(head: Head) -> None:
    """Epoch, version and change come back exactly, from a text that survives URLs and headers."""
    token = tokens.write_resume(SID, head)

    assert tokens.read_resume(SID, token) == head
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("token", GARBAGE)
def test_garbage_is_no_resume_token(token: str) -> None:
    """Garbage is told from a token."""
    with pytest.raises(tokens.InvalidToken, match="not a resume token"):
        tokens.read_resume(SID, token)


@pytest.mark.parametrize("session_id", [OTHER, "", "not-a-session"], ids=["other", "none", "malformed"])
def test_a_resume_token_belongs_to_its_session(session_id: str) -> None:
    """Another session's token is refused, and a session id that is none is no reason to fail."""
    with pytest.raises(tokens.InvalidToken, match="another session"):
        tokens.read_resume(session_id, tokens.write_resume(SID, HEAD))


def test_every_byte_of_a_resume_token_counts() -> None:
    """A token with any byte changed is refused or means another position: no part of it is ignored."""
    raw = _decoded(tokens.write_resume(SID, HEAD))

    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        try:
            assert tokens.read_resume(SID, _encoded(changed)) != HEAD
        except tokens.InvalidToken:
            continue


@pytest.mark.parametrize(
    ("page_tokens", "place"),
    [
        (LISTED, POSITION),
        (LISTED._replace(query=Filter()), POSITION),
        *((EVENTS, key) for key in (EVENT, EventKey(0, 1, NIL), EventKey(MAX_INT64, MAX_INT64, MAX_UUID))),
        *((OF_PARTICIPANT, key) for key in (ParticipantKey(0, SID), ParticipantKey(MAX_INSTANT_MS, OTHER))),
        *((AUDITED, key) for key in (SESSION, SessionKey(0, SID), SessionKey(MAX_INSTANT_MS, OTHER))),
        *((CLOCKS, place) for place in (CLOCK, ClockPlace(EventKey(5, 0, NIL), None, 3, MAX_INT64))),
    ],
)
def test_a_page_token_is_the_place_it_was_made_of(page_tokens: PageTokens, place: object) -> None:
    """The place in the list comes back exactly, from a text that survives URLs."""
    token = page_tokens.write(place, page_tokens.query)

    assert page_tokens.read(token) == (place, [])
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_token_of_a_server_that_knows_fewer_filters_is_good() -> None:
    """Servers are replaced one by one; a filter that it did not know counts once it is used."""
    old = "AAABm3baqHsQAAAAAABAAIAAAAAAAAABabpRlFawru8"

    assert EVENTS.read("AAZHSEYiIkAAAAAAAAAAKlAAAAAAAEAAgAAAAAAAAAGIktVICBYrlw") == (EVENT, [])
    assert AUDITED.read(old) == (SESSION, [])
    assert AUDITED.read(old, SessionQuery(None, 50, omit_deleted=True))[1] == ["page_token"]


@LISTS
def test_no_page_token_is_the_first_page(page_tokens: PageTokens) -> None:
    """The empty token is a place before all others."""
    assert page_tokens.read("") == (None, [])


@LISTS
@pytest.mark.parametrize("token", GARBAGE)
def test_garbage_is_no_page_token(page_tokens: PageTokens, token: str) -> None:
    """Garbage is refused by the field's name."""
    assert page_tokens.read(token)[1] == ["page_token"]


@pytest.mark.parametrize(
    ("page_tokens", "place", "changed"),
    [
        *(
            (LISTED, POSITION, changed)
            for changed in (
                {"statuses": frozenset({Status.RUNNING})},
                {"modes": frozenset({Mode.COUNT_UP})},
                {"labels": (("a", "1"), ("b", "3"))},
                {"modes": WANTED.statuses, "statuses": WANTED.modes},
            )
        ),
        *(
            (EVENTS, EVENT, changed)
            for changed in (
                {"session_id": OTHER},
                {"types": frozenset({EventType.CYCLE_SWITCHED})},
                {"participant_id": OTHER},
                {"group_id": OTHER},
                {"start": 1},
                {"end": 1},
            )
        ),
        *(
            (CLOCKS, CLOCK, changed)
            for changed in (
                {"session_id": OTHER},
                {"holder": Holder(SID)},
                {"holder": Holder("", OTHER)},
                {"version": 0},
            )
        ),
        *(
            (AUDITED, SESSION, changed)
            for changed in (
                {"statuses": frozenset({Status.RUNNING})},
                {"modes": frozenset({Mode.GLOBAL})},
                {"start": 1},
                {"end": 1},
            )
        ),
    ],
)
def test_a_page_token_belongs_to_its_filters(page_tokens: PageTokens, place: object, changed: dict[str, Any]) -> None:
    """With another filter the token is refused."""
    token = page_tokens.write(place, page_tokens.query)

    assert page_tokens.read(token, page_tokens.query._replace(**changed))[1] == ["page_token"]


def test_the_order_of_filters_the_page_size_and_the_place_do_not_matter() -> None:
    """The same filters in another order are the same; a page may be longer than the one before."""
    there = frozenset([EventType.SESSION_CREATED, EventType.SESSION_DELETED])
    back = frozenset([EventType.SESSION_DELETED, EventType.SESSION_CREATED])
    reversed_ = WANTED._replace(statuses=frozenset(sorted(WANTED.statuses, reverse=True)))

    token = tokens.write_place(EVENT, EVENTS.query._replace(types=there))

    assert EVENTS.read(token, EVENTS.query._replace(types=back, limit=500, after=EVENT)) == (EVENT, [])
    assert LISTED.read(tokens.write_position(POSITION, WANTED), reversed_) == (POSITION, [])


def test_lists_do_not_take_each_others_tokens() -> None:
    """Events and sessions of the trail are two lists."""
    assert EVENTS.read(tokens.write_place(SESSION, AUDITED.query))[1] == ["page_token"]
    assert AUDITED.read(tokens.write_place(EVENT, EVENTS.query))[1] == ["page_token"]


def test_every_bit_of_an_audit_token_counts() -> None:
    """With any bit turned it is refused: no token leads to a place where no page ended."""
    raw = _decoded(tokens.write_place(EVENT, EVENTS.query))
    for place in range(len(raw) * 8):
        turned = bytearray(raw)
        turned[place // 8] ^= 1 << place % 8
        assert EVENTS.read(_encoded(turned)) == (None, ["page_token"])


def test_forged_places_break_nothing() -> None:
    """A place beyond what the database can store is refused; in the listing it is one before the first session."""
    far = tokens.write_place(EVENT._replace(epoch=MAX_UINT64), EVENTS.query)
    late = tokens.write_place(SESSION._replace(created_at=2**63), AUDITED.query)
    digest = _decoded(tokens.write_position(POSITION, WANTED))[-8:]
    listed = _encoded(struct.pack(">Q16s", MAX_UINT64, UUID(SID).bytes) + digest)

    assert EVENTS.read(far)[1] == AUDITED.read(late)[1] == ["page_token"]
    assert LISTED.read(listed) == (Position(MAX_UINT64, SID), [])
