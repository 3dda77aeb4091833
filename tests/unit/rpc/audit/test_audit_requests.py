"""The queries of AuditService's requests, and how each of their fields is refused."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.application.trail.audit import EventKey, EventQuery, SessionQuery
from synckairos.domain.events import EventType
from synckairos.domain.model import Mode, Status
from synckairos.rpc import tokens
from synckairos.rpc.audit import requests as audit_requests
from synckairos.rpc.fields import MAX_INSTANT_MS, Fields
from synckairos.v1 import audit_service_pb2 as pb
from synckairos.v1 import event_pb2, session_pb2

SID = "10000000-0000-4000-8000-000000000001"
ANN = "20000000-0000-4000-8000-00000000000A"


def events(**request: Any) -> tuple[EventQuery, dict[str, str]]:
    """Read a request for events; return its query and its violations."""
    fields = Fields()
    query = audit_requests.events(fields, pb.ListSessionEventsRequest(**{"session_id": SID, **request}))
    return query, dict(fields.violations)


def sessions(**request: Any) -> tuple[SessionQuery, dict[str, str]]:
    """Read a request for sessions; return its query and its violations."""
    fields = Fields()
    query = audit_requests.sessions(fields, pb.ListAuditedSessionsRequest(**request))
    return query, dict(fields.violations)


def test_a_session_id_alone_asks_for_everything() -> None:
    """Nothing else is needed for the first 50 events."""
    assert events() == (EventQuery(SID, None, 50), {})
    assert sessions() == (SessionQuery(None, 50), {})


def test_every_filter_arrives() -> None:
    """Types, participant and bounds, ids in lower case, instants in ms."""
    query, problems = events(
        page_size=7,
        types=[event_pb2.EVENT_TYPE_CYCLE_SWITCHED, event_pb2.EVENT_TYPE_SESSION_EXPIRED],
        participant_id=ANN,
        after=Timestamp(seconds=5, nanos=1_000_000),
        before=Timestamp(seconds=6),
    )

    types = frozenset({EventType.CYCLE_SWITCHED, EventType.SESSION_EXPIRED})
    assert problems == {}
    assert query == EventQuery(SID, None, 7, types, ANN.lower(), 5_001, 6_000)


def test_every_filter_of_sessions_arrives() -> None:
    """States, modes and bounds of the creation."""
    query, problems = sessions(
        page_size=7,
        statuses=[session_pb2.STATUS_PAUSED],
        modes=[session_pb2.MODE_GLOBAL, session_pb2.MODE_COUNT_UP],
        created_after=Timestamp(seconds=5),
        created_before=Timestamp(seconds=6),
        omit_deleted=True,
    )

    assert problems == {}
    assert query == SessionQuery(
        None, 7, frozenset({Status.PAUSED}), frozenset({Mode.GLOBAL, Mode.COUNT_UP}), 5_000, 6_000, omit_deleted=True
    )


@pytest.mark.parametrize(
    ("at", "ms"),
    [
        pytest.param(Timestamp(), 0, id="the first"),
        pytest.param(Timestamp(seconds=1, nanos=999_999), 1_001, id="below a ms"),
        pytest.param(Timestamp(seconds=1, nanos=1_000_000), 1_001, id="a whole ms"),
        pytest.param(Timestamp(seconds=253_402_300_799, nanos=999_999_999), MAX_INSTANT_MS, id="the last"),
    ],
)
def test_bounds_between_two_ms_are_those_of_the_later(at: Timestamp, ms: int) -> None:
    """Instants are whole ms: an event not before 1.0000001 s is not before 1.001 s."""
    query, problems = events(after=at)

    assert (query.start, problems) == (ms, {})


@pytest.mark.parametrize(
    "at",
    [
        Timestamp(seconds=-1),
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
        Timestamp(seconds=253_402_300_800),
        Timestamp(seconds=2**63 - 1, nanos=2**31 - 1),
    ],
    ids=["before 1970", "negative nanos", "too many nanos", "after 9999", "as large as can be"],
)
@pytest.mark.parametrize("path", ["after", "before"])
def test_an_instant_that_is_none_is_refused(path: str, at: Timestamp) -> None:
    """It is named, in either list."""
    assert list(events(**{path: at})[1]) == [path]
    assert list(sessions(**{f"created_{path}": at})[1]) == [f"created_{path}"]


@pytest.mark.parametrize(("after", "before"), [(5, 5), (6, 5)])
def test_a_span_without_a_moment_in_it_is_refused(after: int, before: int) -> None:
    """`before` must be later than `after`."""
    bounds = {"after": Timestamp(seconds=after), "before": Timestamp(seconds=before)}

    assert list(events(**bounds)[1]) == ["before"]
    assert list(sessions(**{f"created_{name}": at for name, at in bounds.items()})[1]) == ["created_before"]


def test_everything_wrong_is_named_at_once() -> None:
    """One refusal tells of every field."""
    _, problems = events(session_id="x", page_size=-1, page_token="x", types=[1, 0, 99], participant_id="y")

    assert set(problems) == {"session_id", "page_size", "page_token", "types[1]", "types[2]", "participant_id"}


def test_too_long_a_filter_is_refused() -> None:
    """100 entries and no more."""
    assert list(sessions(statuses=[1] * 101, modes=[1] * 101)[1]) == ["statuses", "modes"]
    assert sessions(statuses=[1] * 100)[1] == {}


def test_a_token_leads_on_with_another_page_size() -> None:
    """The place comes from the token; the size may change."""
    key = EventKey(5, 6, SID)
    token = tokens.write_place(key, events(page_size=3)[0])

    assert events(page_size=9, page_token=token)[0] == EventQuery(SID, key, 9)
