"""Page tokens of the audit trail: exact, bound to what was asked, and refused once anything in them is changed."""

import base64
from typing import Any
from uuid import UUID

import pytest

from synckairos.application.audit import EventKey, EventQuery, SessionKey, SessionQuery
from synckairos.domain.events import EventType
from synckairos.domain.model import Mode, Status
from synckairos.rpc import tokens
from synckairos.rpc.fields import MAX_INSTANT_MS, MAX_INT64, Fields

SID, OTHER = (f"10000000-0000-4000-8000-00000000000{digit}" for digit in "12")
CHANGE = "50000000-0000-4000-8000-000000000001"
EVENTS = EventQuery(SID, None, 50)
SESSIONS = SessionQuery(None, 50)
KEY = EventKey(1_767_225_600_123_456, 42, CHANGE)
PLACE = SessionKey(1_767_225_600_123, SID)


def event_key(token: str, query: EventQuery = EVENTS) -> tuple[EventKey | None, dict[str, str]]:
    """Read a token of events, and what was said against it."""
    fields = Fields()
    return tokens.read_event(fields, token, query), dict(fields.violations)


def session_key(token: str, query: SessionQuery = SESSIONS) -> tuple[SessionKey | None, dict[str, str]]:
    """Read a token of sessions, and what was said against it."""
    fields = Fields()
    return tokens.read_audited(fields, token, query), dict(fields.violations)


@pytest.mark.parametrize(
    "key",
    [KEY, EventKey(0, 1, str(UUID(int=0))), EventKey(MAX_INT64, MAX_INT64, str(UUID(int=2**128 - 1)))],
    ids=["usual", "least", "greatest"],
)
def test_an_event_token_is_the_place_it_was_made_of(key: EventKey) -> None:
    """Epoch, version and change come back exactly, from a text that survives URLs; how far was read is no matter."""
    token = tokens.write_event(key, EVENTS)

    assert event_key(token, EVENTS._replace(limit=500, after=KEY)) == (key, {})
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "key", [PLACE, SessionKey(0, SID), SessionKey(MAX_INSTANT_MS, OTHER)], ids=["usual", "least", "greatest"]
)
def test_a_session_token_is_the_place_it_was_made_of(key: SessionKey) -> None:
    """Creation and id come back exactly."""
    assert session_key(tokens.write_audited(key, SESSIONS)) == (key, {})


def test_without_a_token_the_first_page_is_meant() -> None:
    """An empty token is no mistake."""
    assert event_key("") == (None, {})
    assert session_key("") == (None, {})


@pytest.mark.parametrize(
    "changed",
    [
        {"session_id": OTHER},
        {"types": frozenset({EventType.CYCLE_SWITCHED})},
        {"participant_id": OTHER},
        {"start": 1},
        {"end": 1},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_an_event_token_belongs_to_its_filters(changed: dict[str, Any]) -> None:
    """Another session or another filter makes it a stranger's."""
    key, problems = event_key(tokens.write_event(KEY, EVENTS), EVENTS._replace(**changed))

    assert key is None
    assert list(problems) == ["page_token"]


@pytest.mark.parametrize(
    "changed",
    [{"statuses": frozenset({Status.RUNNING})}, {"modes": frozenset({Mode.GLOBAL})}, {"start": 1}, {"end": 1}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_session_token_belongs_to_its_filters(changed: dict[str, Any]) -> None:
    """Another filter makes it a stranger's."""
    key, problems = session_key(tokens.write_audited(PLACE, SESSIONS), SESSIONS._replace(**changed))

    assert key is None
    assert list(problems) == ["page_token"]


def test_the_order_in_which_filters_are_given_is_no_matter() -> None:
    """The same types in another order are the same filter."""
    there = EVENTS._replace(types=frozenset([EventType.SESSION_CREATED, EventType.SESSION_DELETED]))
    back = EVENTS._replace(types=frozenset([EventType.SESSION_DELETED, EventType.SESSION_CREATED]))

    assert event_key(tokens.write_event(KEY, there), back) == (KEY, {})


def test_a_token_of_the_other_list_is_refused() -> None:
    """Events and sessions do not take each other's tokens."""
    assert list(event_key(tokens.write_audited(PLACE, SESSIONS))[1]) == ["page_token"]
    assert list(session_key(tokens.write_event(KEY, EVENTS))[1]) == ["page_token"]


def test_every_bit_of_a_token_counts() -> None:
    """With any bit turned it is refused: nobody is led to a place that no page ended with."""
    raw = base64.urlsafe_b64decode(tokens.write_event(KEY, EVENTS) + "==")
    for place in range(len(raw) * 8):
        turned = bytearray(raw)
        turned[place // 8] ^= 1 << place % 8
        key, problems = event_key(base64.urlsafe_b64encode(turned).decode().rstrip("="))
        assert (key, list(problems)) == (None, ["page_token"])


@pytest.mark.parametrize("token", ["x", "not a token", "été", "AAAA", "A" * 400, "=" * 64, "\0", "a\0b"])
def test_what_is_no_token_is_refused(token: str) -> None:
    """Garbage is told from a token."""
    for problems in (event_key(token)[1], session_key(token)[1]):
        assert list(problems) == ["page_token"]


def test_a_forged_place_beyond_what_can_be_stored_is_refused() -> None:
    """Whoever seals a token themselves gets no further than the numbers the database knows."""
    far = tokens.write_event(KEY._replace(epoch=2**64 - 1), EVENTS)
    late = tokens.write_audited(PLACE._replace(created_at=2**63), SESSIONS)

    assert list(event_key(far)[1]) == ["page_token"]
    assert list(session_key(late)[1]) == ["page_token"]
