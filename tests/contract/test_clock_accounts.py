"""The contract of explaining clocks: from the trail, page by page, without what led to nothing."""

from uuid import uuid4

import pytest

from synckairos.application.trail.audit import AuditRecord
from synckairos.application.trail.clock_accounts import ClockPage, ClockQuery, explain_clock
from synckairos.domain.clock_accounts.account import Line
from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    Command,
    Complete,
    Delete,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
    Switch,
)
from synckairos.domain.errors import GroupNotFound, InvalidField, ParticipantNotFound, Refusal, SessionNotFound
from synckairos.domain.events import Author
from synckairos.domain.model import Mode, OnExpire
from synckairos.domain.recovery import RecoveryPolicy, recover
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from testing.harness.account_lines import account_lines
from testing.harness.audit_histories import recorded
from testing.harness.builders import (
    ANN,
    BOB,
    CLEO,
    RED,
    ZOE,
    Game,
    at,
    one_of_each,
    per_group,
    per_participant,
    started,
    stopwatch,
)
from tests.contract.audit_backends import AuditBackend, records_of, sid

WHOLE = 500
HOLDERS = {Mode.PER_PARTICIPANT: Holder(ANN), Mode.PER_GROUP: Holder(group_id=RED)}


async def pages_of(
    backend: AuditBackend, session_id: str, holder: Holder, *, version: int = 0, limit: int = WHOLE
) -> list[ClockPage]:
    """Return all pages of an account."""
    query = ClockQuery(session_id, holder, version, None, limit)
    pages = [await explain_clock(backend.reader, query)]
    while pages[-1].following is not None:
        pages.append(await explain_clock(backend.reader, query._replace(after=pages[-1].following)))
    return pages


async def explained(backend: AuditBackend, session_id: str, holder: Holder, *, version: int = 0) -> list[Line]:
    """Return a whole account, which sums to what is said to be its balance."""
    (page,) = await pages_of(backend, session_id, holder, version=version)
    assert sum(line.entry.amount_ms for line in page.lines) == page.balance_ms
    return page.lines


def eventful(spec: SessionSpec) -> Game:
    """Return a game in which clocks are spent, adjusted, paused, left, joined and run out of."""
    game = started(spec)
    holder = HOLDERS.get(spec.mode or Mode.GLOBAL, Holder())
    commands: list[Command] = [
        Switch(), Switch(), AdjustTime(*holder, delta_ms=4_000), Pause(), Resume(), Switch(), RemoveParticipant(BOB),
        Switch(), Switch(), Switch(), AdjustTime(*holder, set_ms=30_000), Switch(), Switch(),
    ]  # fmt: skip
    now = 0
    for command in commands:
        now += 1_700
        game.ok(now, command)
    game.ok(now + 200_000)
    return game


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, WHOLE])
async def test_pages_hold_every_line_once(audit_backend: AuditBackend, mode: Mode, limit: int) -> None:
    """In order, whatever the size of a page; and every page says the same balance."""
    records = records_of(eventful(one_of_each(OnExpire.NOTIFY)[mode]))
    await audit_backend.trail.write([*records, *records_of(eventful(per_participant(60_000, 60_000, 60_000)))])
    holder = HOLDERS.get(mode, Holder())

    pages = await pages_of(audit_backend, sid(records), holder, limit=limit)

    lines = account_lines([record.event for record in records], holder)
    assert len(lines) >= 6
    assert [line for page in pages for line in page.lines] == lines
    assert {page.balance_ms for page in pages} == {lines[-1].balance_ms}
    assert all(len(page.lines) == limit for page in pages[:-1])


async def test_every_version_can_be_explained(audit_backend: AuditBackend) -> None:
    """As it was then; a clock that ran, with what it had spent so far."""
    records = records_of(eventful(per_participant(60_000, 60_000, 60_000, increment_ms=500)))
    await audit_backend.trail.write(records)
    events = [record.event for record in records]

    for version in range(1, len(events) + 1):
        lines = await explained(audit_backend, sid(records), Holder(ANN), version=version)
        assert lines == account_lines(events[:version], Holder(ANN))


async def test_pages_go_on_to_the_version_they_began_with(audit_backend: AuditBackend) -> None:
    """What is written meanwhile is for the next reader."""
    records = records_of(eventful(per_participant(60_000, 60_000, 60_000)))
    await audit_backend.trail.write(records[:7])
    query = ClockQuery(sid(records), Holder(ANN), 0, None, 2)

    first = await explain_clock(audit_backend.reader, query)
    await audit_backend.trail.write(records[7:])
    second = await explain_clock(audit_backend.reader, query._replace(after=first.following, limit=WHOLE))

    assert [*first.lines, *second.lines] == account_lines([one.event for one in records[:7]], Holder(ANN))
    assert second.balance_ms == first.balance_ms
    assert second.following is None


async def test_a_deleted_session_is_explained(audit_backend: AuditBackend) -> None:
    """To its end."""
    game = started(per_participant())
    game.ok(2_000, Complete(), Delete())
    records = records_of(game)
    await audit_backend.trail.write(records)

    lines = await explained(audit_backend, sid(records), Holder(ANN))

    assert [(line.version, line.entry.amount_ms) for line in lines] == [(1, 600_000), (3, -2_000)]


async def test_who_left_keeps_what_it_left_with(audit_backend: AuditBackend) -> None:
    """And whoever comes again begins anew."""
    game = started(per_participant(60_000, 60_000, 60_000))
    game.ok(2_000, RemoveParticipant(ANN))
    gone = records_of(game)
    game.ok(3_000, AddParticipant(ParticipantSpec(ANN, total_time_ms=5_000)))
    back = records_of(game)
    await audit_backend.trail.write([*gone, *back])

    left = await explained(audit_backend, sid(gone), Holder(ANN))
    again = await explained(audit_backend, sid(back), Holder(ANN))

    assert left[-1].balance_ms == 58_000
    assert left[-1].entry.note == "left the session"
    assert again[-1].balance_ms == 5_000


async def test_a_store_that_lost_its_last_moments_leaves_no_lines(audit_backend: AuditBackend) -> None:
    """Of two changes of one version the later one counts, here as in every summary."""
    game = started(per_participant())
    game.ok(2_000, Switch())
    common = len(game.events)
    other = Game(per_participant())
    other.events, other.session = list(game.events), game.session
    game.ok(3_000, AdjustTime(ANN, delta_ms=9_000))
    other.ok(4_000, Switch())
    other.ok(9_000, Switch())
    session_id = str(uuid4())
    lost = recorded(game.events, session_id, "lost")[common:]
    kept = recorded(other.events, session_id)
    await audit_backend.trail.write([*lost, *kept])

    assert await explained(audit_backend, session_id, Holder(ANN)) == account_lines(other.events, Holder(ANN))
    assert await explained(audit_backend, session_id, Holder(ANN), version=4) == account_lines(
        other.events[:4], Holder(ANN)
    )


@pytest.mark.parametrize("policy", RecoveryPolicy)
async def test_a_recovered_session_goes_on_from_the_version_it_was_recovered_from(
    audit_backend: AuditBackend, policy: RecoveryPolicy
) -> None:
    """What reached the trail of its life before, but only after the recovery, led to nothing."""
    game = started(per_participant())
    game.ok(2_000, Switch())
    game.ok(4_000, Switch())
    lost = records_of(game)
    session_id, last = sid(lost), game.events[2].session
    outcome = recover(last, policy, Author("operator"), at(5_000) * 1_000, game.ids.__next__, game.lifetimes)
    events = [*game.events[:3], *outcome.events]
    await audit_backend.trail.write(recorded(events, session_id))
    await audit_backend.trail.write(lost)

    for holder in (Holder(ANN), Holder(BOB)):
        assert await explained(audit_backend, session_id, holder) == account_lines(events, holder)
        assert await explained(audit_backend, session_id, holder, version=3) == account_lines(events[:3], holder)
        pages = await pages_of(audit_backend, session_id, holder, limit=1)
        assert [line for page in pages for line in page.lines] == account_lines(events, holder)


async def test_another_session_of_the_same_id_begins_anew(audit_backend: AuditBackend) -> None:
    """An id may be used again a day after its session was deleted."""
    first, second = started(per_participant()), Game(per_participant(5_000, 5_000), created_ms=90_000_000)
    first.ok(2_000, Switch(), Delete())
    second.ok(90_000_000, Start())
    second.ok(90_001_000, Switch())
    session_id = str(uuid4())
    await audit_backend.trail.write([*recorded(first.events, session_id), *recorded(second.events, session_id)])

    assert await explained(audit_backend, session_id, Holder(ANN)) == account_lines(second.events, Holder(ANN))


async def test_what_the_trail_does_not_hold_is_told(audit_backend: AuditBackend) -> None:
    """A month that was dropped, a change that was set aside: one line for all of it, and the sum is right."""
    game = started(per_participant(60_000, 60_000, increment_ms=500))
    for now in range(1_000, 9_000, 1_000):
        game.ok(now, Switch())
    dropped, holed = records_of(game), records_of(game)
    await audit_backend.trail.write([*dropped[4:], *holed[:4], *holed[6:]])

    late = await explained(audit_backend, sid(dropped), Holder(ANN))
    gap = await explained(audit_backend, sid(holed), Holder(ANN))

    assert late[0].entry.note.endswith("the trail holds nothing before")
    assert [line.entry.kind.name for line in gap].count("RECOVERED") == 1
    assert late[-1].balance_ms == gap[-1].balance_ms == 58_000


async def test_a_version_that_is_missing_is_not_explained(audit_backend: AuditBackend) -> None:
    """INVALID_FIELD by its name, as for one that is yet to come."""
    records = records_of(eventful(per_participant(60_000, 60_000, 60_000)))
    await audit_backend.trail.write([*records[:3], *records[4:]])

    for version in (4, len(records) + 1):
        with pytest.raises(InvalidField) as refused:
            await explained(audit_backend, sid(records), Holder(ANN), version=version)
        assert [one.path for one in refused.value.violations] == ["version"]


@pytest.mark.parametrize(
    ("spec", "holder", "error", "path"),
    [
        (per_participant(), Holder(ZOE), ParticipantNotFound, ""),
        (per_group(), Holder(group_id=ZOE), GroupNotFound, ""),
        (per_participant(), Holder(), InvalidField, "participant_id"),
        (per_participant(), Holder(group_id=RED), InvalidField, "participant_id"),
        (per_group(), Holder(ANN), InvalidField, "participant_id"),
        (per_group(), Holder(), InvalidField, "group_id"),
        (stopwatch(9_000, ANN), Holder(ANN), InvalidField, "participant_id"),
        (stopwatch(0, ANN), Holder(), InvalidField, "session_id"),
    ],
)
async def test_only_holders_of_clocks_have_accounts(
    audit_backend: AuditBackend, spec: SessionSpec, holder: Holder, error: type[Refusal], path: str
) -> None:
    """Whoever the session never knew is told so."""
    records = records_of(started(spec))
    await audit_backend.trail.write(records)

    with pytest.raises(error) as refused:
        await explained(audit_backend, sid(records), holder)

    assert [one.path for one in getattr(refused.value, "violations", [])] == [path] * bool(path)


async def test_nobody_has_a_clock_before_it_joined(audit_backend: AuditBackend) -> None:
    """At a version before that it is not in the session, as at any of an unknown session."""
    game = started(per_participant())
    game.ok(1_000, AddParticipant(ParticipantSpec(CLEO, total_time_ms=5_000)))
    records = records_of(game)
    await audit_backend.trail.write([AuditRecord(one.event) for one in records])

    assert [line.balance_ms for line in await explained(audit_backend, sid(records), Holder(CLEO))] == [5_000]
    with pytest.raises(ParticipantNotFound):
        await explained(audit_backend, sid(records), Holder(CLEO), version=2)
    with pytest.raises(SessionNotFound):
        await explained(audit_backend, ZOE, Holder(CLEO))
