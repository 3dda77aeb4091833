"""The contract of reading the audit trail: in order, page by page."""

from collections.abc import Sequence
from itertools import chain
from uuid import uuid4

import pytest

from synckairos.application.trail.audit import (
    AuditedEvent,
    AuditRecord,
    EventKey,
    EventQuery,
    ParticipantKey,
    ParticipantQuery,
    SessionKey,
    SessionQuery,
)
from synckairos.domain.commands import Complete, Delete, Start
from synckairos.domain.events import EventType
from synckairos.domain.model import Mode, Session, Status
from testing.harness.builders import ANN, BOB, Game, at, countdown, per_cycle, per_participant
from tests.contract.audit_backends import ALL, AuditBackend, history, played, records_of, sid


async def test_what_was_never_written_is_unknown(audit_backend: AuditBackend) -> None:
    """No session, no events, no state."""
    assert await audit_backend.reader.session(ANN) is None
    assert await history(audit_backend, ANN) == []
    assert await audit_backend.reader.latest([ANN]) == [None]


async def test_the_latest_come_in_the_order_asked(audit_backend: AuditBackend) -> None:
    """Unknown ones are None in their places, and one may be asked for twice."""
    one, two = records_of(played()), records_of(played(switches=1))
    await audit_backend.trail.write([*one, *two])

    found = await audit_backend.reader.latest([sid(two), ANN, sid(one), sid(two)])

    last_one, last_two = one[-1].event.session, two[-1].event.session
    assert found == [last_two, None, last_one, last_two]


async def test_the_unfinished_come_page_by_page(audit_backend: AuditBackend) -> None:
    """Everything that may still have to be brought back, by id, each once."""
    games = [played() for _ in range(5)]
    games[3].ok(65_000, Complete())
    pending = Game(per_cycle())
    written = [records_of(game) for game in (*games, pending)]
    await audit_backend.trail.write(list(chain.from_iterable(written)))

    pages: list[Session] = []
    after = ""
    while page := await audit_backend.reader.unfinished(after, 2):
        pages += page
        after = page[-1].session_id

    expected = [records[-1].event.session for records in written if records is not written[3]]
    assert pages == sorted(expected, key=lambda session: session.session_id)
    assert {session.status for session in pages} == {Status.PAUSED, Status.PENDING}


async def test_events_are_paged_by_their_key(audit_backend: AuditBackend) -> None:
    """Every page goes on right after the last key of the one before, also between two forks of one version."""
    session_id = str(uuid4())
    main, fork = records_of(played(), session_id), records_of(played(), session_id, "fork")
    await audit_backend.trail.write([*main, *fork])

    pages: list[AuditRecord] = []
    after: EventKey | None = None
    while page := await audit_backend.reader.events(EventQuery(session_id, after, 3)):
        pages += [one.record for one in page]
        last = pages[-1].event.session
        after = EventKey(last.epoch, last.version, last.change_id)

    keys = [(one.event.session.version, one.event.session.change_id) for one in pages]
    assert keys == sorted((one.event.session.version, one.event.session.change_id) for one in (*main, *fork))


PLAYED = [
    EventType.SESSION_CREATED,
    EventType.SESSION_STARTED,
    *[EventType.CYCLE_SWITCHED] * 3,
    EventType.SESSION_PAUSED,
]


@pytest.mark.parametrize(
    ("query", "versions"),
    [
        ({"types": frozenset({EventType.CYCLE_SWITCHED})}, [3, 4, 5]),
        ({"types": frozenset({EventType.SESSION_PAUSED, EventType.SESSION_CREATED})}, [1, 6]),
        ({"types": frozenset({EventType.SESSION_EXPIRED})}, []),
        ({"participant_id": BOB}, [4, 6]),
        ({"start": at(3_000)}, [3, 4, 5, 6]),
        ({"end": at(3_000)}, [1, 2]),
        ({"start": at(1_000), "end": at(5_000)}, [2, 3, 4]),
        ({"start": at(3_001), "end": at(3_999)}, []),
        ({"types": frozenset({EventType.CYCLE_SWITCHED}), "participant_id": ANN, "start": at(3_001)}, [5]),
    ],
)
async def test_events_are_filtered(audit_backend: AuditBackend, query: dict[str, object], versions: list[int]) -> None:
    """By type, by whom they are about, by when they took effect: the start included, the end not."""
    records = records_of(played())
    await audit_backend.trail.write([*records, *records_of(played())])

    found = await audit_backend.reader.events(EventQuery(sid(records), None, ALL)._replace(**query))

    assert [record.event.type for record in records] == PLAYED
    assert [one.record.event.session.version for one in found] == versions


async def test_a_filter_goes_on_after_the_last_key(audit_backend: AuditBackend) -> None:
    """A page of a filtered list continues like any other."""
    records = records_of(played())
    await audit_backend.trail.write(records)
    third = records[2].event.session
    after = EventKey(third.epoch, third.version, third.change_id)

    found = await audit_backend.reader.events(EventQuery(sid(records), after, 1, frozenset({EventType.CYCLE_SWITCHED})))

    assert [one.record for one in found] == [records[3]]


async def listed(backend: AuditBackend, query: SessionQuery) -> list[Session]:
    """Return the sessions of a page."""
    return [one.session for one in await backend.reader.sessions(query)]


def newest_first(written: Sequence[Sequence[AuditRecord]]) -> list[Session]:
    """Return the last states, in the order of a list."""
    sessions = [records[-1].event.session for records in written]
    return sorted(sessions, key=lambda one: (one.created_at, one.session_id), reverse=True)


async def test_sessions_are_listed_newest_first(audit_backend: AuditBackend) -> None:
    """Page by page, each once, also those of the same millisecond."""
    games = [Game(per_participant(), created_ms=number // 3) for number in range(8)]
    written = [records_of(game) for game in games]
    await audit_backend.trail.write(list(chain.from_iterable(written)))

    pages: list[Session] = []
    after: SessionKey | None = None
    while page := await listed(audit_backend, SessionQuery(after, 3)):
        pages += page
        after = SessionKey(page[-1].created_at, page[-1].session_id)

    assert pages == newest_first(written)


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ({"statuses": frozenset({Status.RUNNING})}, {1, 3}),
        ({"statuses": frozenset({Status.PENDING, Status.COMPLETED})}, {0, 2}),
        ({"modes": frozenset({Mode.GLOBAL})}, {2}),
        ({"modes": frozenset({Mode.GLOBAL, Mode.PER_CYCLE})}, {2, 3}),
        ({"modes": frozenset({Mode.PER_PARTICIPANT}), "statuses": frozenset({Status.RUNNING})}, {1}),
        ({"start": at(1_000)}, {1, 2, 3}),
        ({"end": at(1_000)}, {0}),
        ({"start": at(1_000), "end": at(3_000)}, {1, 2}),
        ({"statuses": frozenset({Status.EXPIRED})}, set()),
        ({"omit_deleted": True}, {0, 1, 2}),
        ({"omit_deleted": True, "statuses": frozenset({Status.RUNNING})}, {1}),
        ({"omit_deleted": False, "modes": frozenset({Mode.PER_CYCLE})}, {3}),
    ],
)
async def test_sessions_are_filtered(audit_backend: AuditBackend, query: dict[str, object], chosen: set[int]) -> None:
    """By status, by mode, by when they were created (the start included, the end not), without those deleted."""
    specs = (per_participant(), per_participant(), countdown(), per_cycle())
    games = [Game(spec, created_ms=number * 1_000) for number, spec in enumerate(specs)]
    games[1].ok(5_000, Start())
    games[2].ok(5_000, Start(), Complete())
    games[3].ok(5_000, Start(), Delete())
    written = [records_of(game) for game in games]
    await audit_backend.trail.write(list(chain.from_iterable(written)))

    found = await listed(audit_backend, SessionQuery(None, ALL)._replace(**query))

    assert found == newest_first([written[number] for number in chosen])


async def test_the_session_before_each_event_is_its_neighbour(audit_backend: AuditBackend) -> None:
    """In its life; of a recovered session's first event the last one lost; none for the first of all."""
    game = played()
    records = records_of(game)
    last = records[-1].event
    recovered = last._replace(
        type=EventType.SESSION_RECOVERED,
        session=last.session._replace(
            epoch=last.session.epoch + 1, version=last.session.version + 1, change_id=str(uuid4()), recovered=True
        ),
    )
    again = last._replace(
        session=last.session._replace(epoch=last.session.epoch + 2, version=1, change_id=str(uuid4()))
    )
    await audit_backend.trail.write([*records, AuditRecord(recovered), AuditRecord(again)])

    query = EventQuery(sid(records), None, ALL, with_before=True)
    found = await audit_backend.reader.events(query)
    part = await audit_backend.reader.events(query._replace(types=frozenset({EventType.CYCLE_SWITCHED}), limit=1))
    without = await audit_backend.reader.events(query._replace(with_before=False))

    sessions = [record.event.session for record in records]
    assert [one.before for one in found] == [None, *sessions, None]
    assert [one.before for one in part] == [sessions[1]]
    assert {one.before for one in without} == {None}
    assert ("status", "pending", "running") in found[1].changes


async def test_of_a_forked_version_the_latest_before_the_event_counts(audit_backend: AuditBackend) -> None:
    """Which of them it came from is not written; one from after it was none."""
    records = records_of(played())
    third = records[2].event.session
    earlier = third._replace(change_id=str(uuid4()), updated_at=third.updated_at - 1)
    later = third._replace(change_id=str(uuid4()), updated_at=records[3].event.session.updated_at + 1)
    forks = [AuditRecord(records[2].event._replace(session=one)) for one in (earlier, later)]
    await audit_backend.trail.write([*records, *forks])

    found = await audit_backend.reader.events(EventQuery(sid(records), None, ALL, with_before=True))

    (fourth,) = [one for one in found if one.record == records[3]]
    assert fourth.before == third


async def test_a_participants_events_are_found_in_all_sessions(audit_backend: AuditBackend) -> None:
    """By when they took effect, page by page, filtered; those of others and those about nobody are left out."""
    someone = str(uuid4())
    written = [records_of(played()) for _ in range(3)]
    renamed = [
        AuditRecord(one.event._replace(subject=one.event.subject._replace(participant_id=someone)))
        for records in written
        for one in records
        if one.event.type is EventType.CYCLE_SWITCHED
    ]
    others = [one for records in written for one in records if one.event.type is not EventType.CYCLE_SWITCHED]
    await audit_backend.trail.write([*renamed, *others])

    found: list[AuditedEvent] = []
    query = ParticipantQuery(someone, None, 4)
    while page := await audit_backend.reader.participant_events(query):
        found += page
        last = page[-1].record.event.session
        query = query._replace(after=ParticipantKey(last.updated_at, last.change_id))
    first_at = found[0].record.event.session.updated_at
    some = await audit_backend.reader.participant_events(
        ParticipantQuery(someone, None, ALL, frozenset({EventType.CYCLE_SWITCHED}), first_at + 1, None)
    )
    none = await audit_backend.reader.participant_events(ParticipantQuery(someone, None, ALL, end=first_at))

    in_order = sorted(renamed, key=lambda one: (one.event.session.updated_at, one.event.session.change_id))
    assert [one.record for one in found] == in_order
    assert [one.record for one in some] == [one for one in in_order if one.event.session.updated_at > first_at]
    assert none == []
