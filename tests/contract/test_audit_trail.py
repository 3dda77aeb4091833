"""The contract of writing the audit trail: once, twice or in disorder, it is one history."""

import random
from uuid import uuid4

import pytest

from synckairos.application.errors import AuditRefused
from synckairos.application.trail.audit import AuditRecord, EventQuery, SessionAudit, Written
from synckairos.domain.commands import AddParticipant, AdvanceClock, Command, Delete, RemoveParticipant, Start, Switch
from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.events import Author, EventType
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.model import SoftClose, SoftClosePolicy
from synckairos.domain.specification import ParticipantSpec
from testing.harness.builders import ANN, BOB, CLEO, Game, at, countdown, per_participant
from tests.contract.audit_backends import ALL, AuditBackend, audit, history, played, records_of, sid


async def test_a_life_is_read_as_it_was_lived(audit_backend: AuditBackend) -> None:
    """Every version once, in order, with its actor and all the facts after it."""
    records = records_of(played())

    written = await audit_backend.trail.write(records)

    assert written == Written(len(records), 0, 0)
    assert await history(audit_backend, sid(records)) == records


def _controlled() -> list[Game]:
    """Return a game with odds, burnt periods and lag, an auction with a late bid, and a game on a manual clock."""
    lag = LagCompensation(500, 100, 500)
    control = TimeControl((Stage(10_000, 0, ByoYomi(5, 5_000)),), lag_compensation=lag)
    odds = TimeControl((Stage(5_000, 0, Penalty(0, 1_000, 5)),))
    holders = (ParticipantSpec(ANN), ParticipantSpec(BOB, time_control=odds))
    spec = per_participant()._replace(participants=holders, time_control=control)
    auction = countdown(60_000, ANN)._replace(soft_close=SoftClose(5_000, 10_000, SoftClosePolicy.ADD))
    games = [Game(spec), Game(auction), Game(spec._replace(manual_clock=True))]
    commands: list[list[tuple[int, Command]]] = [
        [(0, Start()), (21_000, Switch(lag_ms=200)), (41_000, Switch())],
        [(0, Start()), (58_000, Switch())],
        [(0, Start()), (0, AdvanceClock(50_000))],
    ]
    for game, given in zip(games, commands, strict=True):
        for ms, command in given:
            game.ok(ms, command)
    return games


async def test_time_controls_and_what_changes_did_are_kept(audit_backend: AuditBackend) -> None:
    """Every clock, every burnt period, extension and advance."""
    kept = []
    for game in _controlled():
        records = records_of(game)
        await audit_backend.trail.write(records)
        kept += await history(audit_backend, sid(records))
        assert kept[-len(records) :] == records

    told = [one.event for one in kept]
    assert {event.turn.periods_burnt for event in told if event.turn} == {0, 2}
    assert [event.extended_ms for event in told if event.extended_ms] == [10_000]
    assert [event.advanced_ms for event in told if event.advanced_ms] == [50_000]
    assert any((one.clock.bank_ms or 0) < 0 for event in told for one in event.session.participants)


async def test_where_a_change_came_from_is_kept(audit_backend: AuditBackend) -> None:
    """Request id, peer, the names of what changed and the call's id, reason and actor."""
    (first, *_) = records_of(played())
    event = first.event._replace(author=Author("ümpire", "said so; 'twice'"))
    record = AuditRecord(event, "00000000-0000-4000-8000-000000000001", "ipv6:[::1]:5", ("status", "labels"), "c-7")

    await audit_backend.trail.write([record])

    assert await history(audit_backend, sid([record])) == [record]


async def test_writing_again_changes_nothing(audit_backend: AuditBackend) -> None:
    """A batch may come any number of times, and a record twice in a batch."""
    records = records_of(played())
    first = await audit_backend.trail.write([*records, *records])
    before = await audit(audit_backend, sid(records))

    again = await audit_backend.trail.write(records)

    assert (first, again) == (Written(len(records), len(records), 0), Written(0, len(records), 0))
    assert await audit(audit_backend, sid(records)) == before
    assert await history(audit_backend, sid(records)) == records


async def test_nothing_to_write_is_fine(audit_backend: AuditBackend) -> None:
    """An empty batch writes nothing."""
    assert await audit_backend.trail.write([]) == Written(0, 0, 0)


@pytest.mark.parametrize("seed", range(6))
async def test_the_order_of_arrival_does_not_matter(audit_backend: AuditBackend, seed: int) -> None:
    """In whatever batches and order the records come, the trail says the same in the end."""
    game = played()
    game.ok(70_000, AddParticipant(ParticipantSpec(CLEO, total_time_ms=5_000)))
    game.ok(71_000, RemoveParticipant(BOB))
    straight, shuffled = records_of(game), records_of(game)
    chance = random.Random(seed)

    await audit_backend.trail.write(straight)
    mixed = chance.sample(shuffled, len(shuffled))
    while mixed:
        size = chance.randint(1, 3)
        await audit_backend.trail.write(mixed[:size])
        mixed = mixed[size:]

    assert await history(audit_backend, sid(shuffled)) == shuffled
    assert like(await audit(audit_backend, sid(shuffled))) == like(await audit(audit_backend, sid(straight)))


def like(known: SessionAudit) -> SessionAudit:
    """Return the audit without the ids that differ between two copies of a session."""
    session = known.summary.session._replace(session_id="", change_id="")
    return known._replace(summary=known.summary._replace(session=session))


async def test_totals_are_the_domain_s(audit_backend: AuditBackend) -> None:
    """Cycles and participants come from the latest version, however often it was written."""
    records = records_of(played(switches=5))
    for _ in range(2):
        await audit_backend.trail.write(records)

    known = await audit(audit_backend, sid(records))

    last = records[-1].event.session
    assert (known.summary.total_cycles, known.summary.total_participants) == (last.cycle_number, 2) == (6, 2)
    assert [(one.participant_id, one.total_cycles) for one in known.participants] == [
        (one.participant_id, one.cycle_count) for one in last.participants
    ]


async def test_nothing_left_is_zero_and_not_unknown(audit_backend: AuditBackend) -> None:
    """0 ms on a clock that ran out; None only on one without a budget."""
    game = Game(per_participant(5_000, 5_000))
    game.ok(0, Start())
    game.ok(9_000)
    records = records_of(game)

    await audit_backend.trail.write(records)

    *_, expired = await history(audit_backend, sid(records))
    assert expired.event.type is EventType.SESSION_EXPIRED
    assert expired.event.subject.remaining_ms == 0
    assert (expired.event.session.updated_at, expired.event.fired_at) == (at(5_000), at(9_000))


async def test_a_fork_is_kept_flagged_and_counted(audit_backend: AuditBackend) -> None:
    """Two changes of one version, whichever came first: both stay, and the later one is the summary."""
    session_id = str(uuid4())
    game, other = Game(per_participant()), Game(per_participant())
    game.ok(1_000, Start())
    other.ok(2_000, Start())
    main, fork = records_of(game, session_id), records_of(other, session_id, "fork")

    first = await audit_backend.trail.write(main)
    second = await audit_backend.trail.write(fork[1:])

    assert (first, second) == (Written(2, 0, 0), Written(1, 0, 1))
    events = await audit_backend.reader.events(EventQuery(session_id, None, ALL))
    assert [(one.record.event.session.version, one.is_fork) for one in events] == [(1, False), (2, True), (2, True)]
    known = await audit(audit_backend, session_id)
    assert (known.event_count, known.fork_count) == (3, 2)
    assert known.summary.session == fork[1].event.session


async def test_a_fork_inside_a_batch_is_seen(audit_backend: AuditBackend) -> None:
    """Both of its changes are new then."""
    session_id = str(uuid4())
    game, other = Game(per_participant()), Game(per_participant())
    for one, ms in ((game, 2_000), (other, 1_000)):
        one.ok(ms, Start())
        one.ok(ms + 10, Switch())
    main, fork = records_of(game, session_id), records_of(other, session_id, "fork")

    written = await audit_backend.trail.write([*fork[1:], *main])
    again = await audit_backend.trail.write([*main, *fork[1:]])

    assert (written, again) == (Written(5, 0, 4), Written(0, 5, 0))
    assert (await audit(audit_backend, session_id)).summary.session == main[-1].event.session


async def test_a_new_epoch_is_the_latest_whatever_its_version(audit_backend: AuditBackend) -> None:
    """A recovered session goes on; what comes late from before does not take it back."""
    records = records_of(played())
    last = records[-1].event
    recovered = last.session._replace(epoch=last.session.epoch + 60_000_000, version=3, change_id=str(uuid4()))
    await audit_backend.trail.write([AuditRecord(last._replace(session=recovered))])

    await audit_backend.trail.write(records)

    known = await audit(audit_backend, sid(records))
    assert (known.summary.session, known.fork_count) == (recovered, 0)
    assert (await history(audit_backend, sid(records)))[-1].event.session == recovered


async def test_a_deleted_session_stays_with_its_history(audit_backend: AuditBackend) -> None:
    """Deletion is one more version, and a date."""
    game = played()
    game.ok(65_000, Delete())
    records = records_of(game)

    await audit_backend.trail.write(records)

    known = await audit(audit_backend, sid(records))
    assert known.summary.deleted_at == at(65_000)
    assert known.summary.session.deleted
    assert await audit_backend.reader.unfinished("", ALL) == []
    assert await audit_backend.reader.latest([sid(records)]) == [records[-1].event.session]


def with_nul(record: AuditRecord, where: str) -> AuditRecord:
    """Return the record with U+0000 in one of its texts."""
    event = record.event
    match where:
        case "actor":
            return record._replace(event=event._replace(author=Author("a\0b")))
        case "reason":
            return record._replace(event=event._replace(author=Author("a", "\0")))
        case "label":
            return record._replace(event=event._replace(session=event.session._replace(labels=(("a", "\0"),))))
        case "peer":
            return record._replace(peer="\0")
        case _:
            return record._replace(request_id="\0")


@pytest.mark.parametrize("where", ["actor", "reason", "label", "peer", "request_id"])
async def test_a_batch_with_bad_data_is_refused_as_a_whole(audit_backend: AuditBackend, where: str) -> None:
    """Nothing of it is written, and the good part can be written after."""
    good, bad = records_of(played()), records_of(played())

    with pytest.raises(AuditRefused):
        await audit_backend.trail.write([*good, with_nul(bad[0], where), *bad[1:]])

    assert await audit_backend.reader.session(sid(good)) is None
    assert await history(audit_backend, sid(good)) == []
    assert (await audit_backend.trail.write(good)).new == len(good)
