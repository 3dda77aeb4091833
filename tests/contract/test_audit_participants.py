"""The contract of what the audit trail says about participants."""

from collections.abc import Sequence

import pytest

from synckairos.application.trail.audit import AuditedParticipant, AuditRecord
from synckairos.domain.commands import AddParticipant, Complete, RemoveParticipant, Start, Switch
from synckairos.domain.specification import ParticipantSpec
from testing.harness.builders import ANN, BOB, Game, at, per_participant
from tests.contract.audit_backends import AuditBackend, audit, records_of, sid


async def test_participants_have_their_times(audit_backend: AuditBackend) -> None:
    """Budget, time of their turns, and when they had them."""
    game = Game(per_participant(60_000, 30_000))
    game.ok(1_000, Start())
    game.ok(5_000, Switch())
    game.ok(7_000, Complete())
    records = records_of(game)

    await audit_backend.trail.write(records)

    ann, bob = (await audit(audit_backend, sid(records))).participants
    assert (ann.participant_id, ann.total_time_ms, ann.total_time_active_ms, ann.total_cycles) == (
        ANN,
        60_000,
        4_000,
        1,
    )
    assert (bob.participant_id, bob.total_time_ms, bob.total_time_active_ms, bob.total_cycles) == (
        BOB,
        30_000,
        2_000,
        0,
    )
    assert (ann.added_at, ann.first_active_at, ann.last_active_at) == (at(0), at(1_000), at(5_000))
    assert (bob.added_at, bob.first_active_at, bob.last_active_at) == (at(0), at(5_000), at(7_000))


async def test_a_participant_that_left_is_remembered(audit_backend: AuditBackend) -> None:
    """Its statistics stay, with the instant of its removal."""
    game = Game(per_participant(60_000, 60_000, 60_000))
    game.ok(0, Start())
    game.ok(4_000, Switch())
    game.ok(5_000, RemoveParticipant(ANN))
    records = records_of(game)

    await audit_backend.trail.write(records)

    known = await audit(audit_backend, sid(records))
    (ann, *others) = known.participants
    assert (ann.participant_id, ann.total_time_active_ms, ann.total_cycles) == (ANN, 4_000, 1)
    assert (ann.removed_at, ann.last_active_at) == (at(5_000), at(4_000))
    assert [other.removed_at for other in others] == [None, None]
    assert known.summary.total_participants == 2


@pytest.mark.parametrize("order", [1, -1])
async def test_a_participant_that_came_back_is_not_removed(audit_backend: AuditBackend, order: int) -> None:
    """The later of the two counts, whichever arrives first."""
    game = Game(per_participant(60_000, 60_000))
    game.ok(2_000, RemoveParticipant(ANN))
    game.ok(4_000, AddParticipant(ParticipantSpec(ANN, total_time_ms=9_000)))
    records = records_of(game)
    for record in records[::order]:
        await audit_backend.trail.write([record])

    ann = await ann_of(audit_backend, records)

    assert (ann.removed_at, ann.added_at, ann.total_time_ms) == (None, at(0), 9_000)


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("order", [1, -1])
async def test_of_two_removals_the_later_counts(audit_backend: AuditBackend, order: int, size: int) -> None:
    """In one batch or in several."""
    game = Game(per_participant(60_000, 60_000))
    game.ok(2_000, RemoveParticipant(ANN))
    game.ok(4_000, AddParticipant(ParticipantSpec(ANN, total_time_ms=9_000)))
    game.ok(6_000, RemoveParticipant(ANN))
    records = records_of(game)
    mixed = records[::order]
    for start in range(0, len(mixed), size):
        await audit_backend.trail.write(mixed[start : start + size])

    ann = await ann_of(audit_backend, records)

    assert (ann.removed_at, ann.added_at, ann.total_time_ms) == (at(6_000), at(0), 9_000)


async def ann_of(backend: AuditBackend, records: Sequence[AuditRecord]) -> AuditedParticipant:
    """Return what is known of ANN."""
    (ann,) = [one for one in (await audit(backend, sid(records))).participants if one.participant_id == ANN]
    return ann
