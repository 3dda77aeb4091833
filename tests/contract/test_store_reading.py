"""Reading sessions, events and the time from a store."""

from uuid import UUID

import pytest
from google.protobuf.struct_pb2 import Struct, Value

from synckairos.application.ports import Decision, Reading, Request, SessionStore
from synckairos.domain.commands import Pause, Resume, Switch
from tests.contract.backends import Backend
from tests.contract.decisions import (
    ask,
    asking,
    create,
    creating,
    deleted,
    new_id,
    removed,
    running,
    stored,
    switched,
    turns_of,
    two_players,
    until,
)

NOBODY = Request()
METADATA = Struct(fields={"ü": Value(number_value=1.5), "": Value(string_value="\x7f")}).SerializeToString()


async def test_a_session_that_was_never_stored_reads_as_none(backend: Backend, store: SessionStore) -> None:
    """Nothing is found, and the time it was looked for at is told all the same."""
    readings = await store.read([new_id()])

    assert readings == [Reading(None, backend.clock.us)]


async def test_what_is_stored_is_what_is_read(backend: Backend, store: SessionStore) -> None:
    """Every field of a session comes back from another process as it was decided."""
    labels = (("round", "3"), ("table", "ü ✓"))
    spec = two_players(increment_ms=3_000, warning_thresholds_ms=(10_000, 5_000), metadata=METADATA, labels=labels)

    created = await create(store, spec)
    (reading,) = await (await backend.store()).read([created.session_id])

    assert reading == Reading(created, backend.clock.us)


async def test_sessions_are_read_in_the_order_asked(store: SessionStore) -> None:
    """Missing ones leave a hole, and one asked for twice is there twice."""
    first, second, missing = await create(store), await create(store), new_id()

    readings = await store.read([second.session_id, missing, first.session_id, second.session_id])

    assert [reading.session for reading in readings] == [second, None, first, second]


async def test_reading_nothing_returns_nothing(store: SessionStore) -> None:
    """An empty question has an empty answer."""
    assert await store.read([]) == []


async def test_time_is_the_authoritys(backend: Backend, store: SessionStore) -> None:
    """now_us and every reading follow the authority's clock, to the microsecond."""
    before = await store.now_us()
    backend.clock.us += 1_234_567
    after = await store.now_us()
    (reading,) = await store.read([new_id()])

    assert (before, after) == (backend.clock.us - 1_234_567, backend.clock.us)
    assert reading.now_us == backend.clock.us


async def test_a_decision_is_shown_the_session_and_the_time(backend: Backend, store: SessionStore) -> None:
    """The first decision sees no session, the next one what the first stored, each with the time of its attempt."""
    session_id = new_id()
    first, second = creating(session_id), asking(None)

    await store.transact(session_id, NOBODY, first, until())
    backend.clock.advance(5_000)
    await store.transact(session_id, NOBODY, second, until())

    assert first.readings == [Reading(None, backend.clock.us - 5_000_000)]
    assert second.readings == [Reading(first.session, backend.clock.us)]


async def test_each_version_has_its_event(store: SessionStore) -> None:
    """The event of a version leads to the session at that version, and there is none before, between or beyond."""
    session = await running(store)
    paused = await ask(store, session.session_id, Pause())
    resumed = await ask(store, session.session_id, Resume())

    events = [await store.event_at(session.session_id, version) for version in range(6)]

    assert [event and event.session for event in events][2:] == [session, paused, resumed, None]
    assert [event and event.session.version for event in events] == [None, 1, 2, 3, 4, None]
    assert await store.event_at(new_id(), 1) is None


async def test_only_the_latest_events_are_retained(store: SessionStore) -> None:
    """Sixteen events stay readable, older ones do not."""
    session = await running(store)
    await switched(store, session.session_id, 18)

    retained = [version for version in range(22) if await store.event_at(session.session_id, version) is not None]

    assert retained == list(range(5, 21))


async def test_a_transaction_may_hold_more_events_than_the_window(backend: Backend, store: SessionStore) -> None:
    """A hundred advances in one transaction: the last sixteen are retained, all go to the audit trail."""
    session = await running(store, turns_of(1_000))
    backend.clock.advance(100_000)

    settled = await ask(store, session.session_id, None)

    retained = [version for version in range(110) if await store.event_at(session.session_id, version) is not None]
    assert settled.version == session.version + 100
    assert await stored(store, session.session_id) == settled
    assert retained == list(range(settled.version - 15, settled.version + 1))
    sent = [event.session.version for event, _, _ in backend.outgoing(session.session_id)]
    assert sent == list(range(1, settled.version + 1))


async def test_events_of_an_earlier_life_are_gone(backend: Backend, store: SessionStore) -> None:
    """An id that was removed and is used again begins with version 1, and nothing of the old life is in the way."""
    session = await running(store)
    await switched(store, session.session_id, 3)
    await removed(store, session.session_id)
    backend.clock.advance(1)

    decision = creating(session.session_id)
    await store.transact(session.session_id, NOBODY, decision, until())

    events = [await store.event_at(session.session_id, version) for version in (1, 2, 3)]
    assert [event and event.session for event in events] == [decision.session, None, None]


async def test_a_session_created_over_leftover_events_is_not_harmed(store: SessionStore) -> None:
    """A session that vanished without its events does not keep its id from being used: creating clears them."""
    session = await running(store)
    decision = creating(session.session_id)
    fresh = Decision(None)

    def decide(reading: Reading) -> Decision:
        nonlocal fresh
        fresh = decision.decide(Reading(None, reading.now_us + 1))
        return fresh

    await store.transact(session.session_id, NOBODY, decide, until())

    event = await store.event_at(session.session_id, 1)
    assert event is not None
    assert event.session == fresh.events[-1].session
    assert await store.event_at(session.session_id, 2) is None


@pytest.mark.parametrize("answers", [True, False], ids=["answered", "refused"])
async def test_answered_requests_are_remembered(store: SessionStore, answers: bool) -> None:
    """The next reading with that request id has its fingerprint and version, unless it was refused."""
    session = await running(store)
    request = Request(new_id(), UUID(int=7).bytes, "peer")
    switch, again = asking(Switch()), asking(None)
    plan = Decision(None, switch.decide((await store.read([session.session_id]))[0]).events, answers=answers)

    await store.transact(session.session_id, request, lambda _: plan, until())
    await store.transact(session.session_id, request, again, until())

    remembered = again.readings[0].remembered
    assert remembered == ((request.fingerprint, session.epoch, session.version + 1) if answers else None)


async def test_an_answer_without_a_change_is_remembered(store: SessionStore) -> None:
    """A request about a session that is not there may be answered; nothing but the answer is kept."""
    session_id, request = new_id(), Request(new_id(), UUID(int=7).bytes)
    again = asking(None)

    await store.transact(session_id, request, lambda _: Decision(None, answers=True), until())
    await store.transact(session_id, request, again, until())

    assert again.readings[0].remembered == (request.fingerprint, 0, 0)
    assert again.readings[0].session is None


async def test_a_request_is_remembered_for_its_session_alone(store: SessionStore) -> None:
    """Another session, another request id and no request id know nothing of it."""
    first, second = await running(store), await running(store)
    request = Request(new_id(), UUID(int=7).bytes)
    await ask(store, first.session_id, Switch(), request)
    looks = [asking(None) for _ in range(3)]

    await store.transact(second.session_id, request, looks[0], until())
    await store.transact(first.session_id, Request(new_id(), request.fingerprint), looks[1], until())
    await store.transact(first.session_id, NOBODY, looks[2], until())

    assert [look.readings[0].remembered for look in looks] == [None, None, None]


@pytest.mark.parametrize("end", [deleted, removed], ids=["deleted", "removed"])
async def test_a_request_outlives_its_session(store: SessionStore, end: object) -> None:
    """A retry after the session is gone is still told apart from a new request."""
    session = await running(store)
    request = Request(new_id(), UUID(int=7).bytes)
    await ask(store, session.session_id, Switch(), request)
    await end(store, session.session_id)  # type: ignore[operator] # one of the two above
    look = asking(None)

    await store.transact(session.session_id, request, look, until())

    assert look.readings[0].remembered == (request.fingerprint, session.epoch, session.version + 1)
