"""The rules of time in numbers that were worked out by hand."""

import pytest

from synckairos.domain.commands import AdjustTime, Caller, Complete, Pause, Resume, Switch
from synckairos.domain.creation import create
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import OnExpire, Status
from testing.harness.builders import (
    ANN,
    BLUE,
    BOB,
    CLEO,
    DAY,
    RED,
    SESSION_ID,
    UMPIRE,
    at,
    change_ids,
    clock_of,
    participant,
    per_cycle,
    per_group,
    per_participant,
    stamps,
    started,
    stopwatch,
)


def test_a_switch_charges_the_mover_and_grants_the_increment() -> None:
    """Ten minutes each, three seconds a turn: five seconds of thought cost two."""
    game = started(per_participant(600_000, 600_000, increment_ms=3_000))

    session = game.ok(5_000, Switch())

    ann = participant(session, ANN)
    assert (ann.clock.used_ms, ann.clock.bank_ms, ann.cycle_count) == (5_000, 598_000, 1)
    assert (game.active_id, session.cycle_started_at) == (BOB, at(5_000))


def test_a_read_computes_and_changes_nothing() -> None:
    """Two seconds into a turn a reader sees two seconds less, at the same version."""
    game = started(per_participant(600_000, 600_000, increment_ms=3_000))
    before = game.ok(5_000, Switch())

    outcome = game.decide(7_000)

    assert (outcome.now, outcome.events, outcome.session) == (at(7_000), [], before)
    assert (game.clock(7_000, BOB).bank_ms, game.clock(7_000, ANN).bank_ms) == (598_000, 598_000)


def test_one_millisecond_left_is_in_time() -> None:
    """With 1 ms left a switch counts, and the increment comes on top of it."""
    game = started(per_participant(1_000, 1_000, increment_ms=3_000))

    session = game.ok(999, Switch())

    assert participant(session, ANN).clock.bank_ms == 3_001


def test_exactly_zero_left_is_too_late() -> None:
    """A switch at the very instant of the deadline is refused; the increment rescues nobody."""
    game = started(per_participant(1_000, 1_000, increment_ms=3_000))

    refusal = game.refused(1_000, Switch())

    ann = participant(game.session, ANN)
    assert (refusal.reason, refusal.details["participant_id"]) == ("PARTICIPANT_EXPIRED", ANN)
    assert (game.session.status, game.session.completed_at) == (Status.EXPIRED, at(1_000))
    assert (ann.clock.is_expired, ann.clock.bank_ms, ann.clock.used_ms) == (True, 0, 1_000)


def test_an_outage_is_caught_up_with_at_the_due_instants() -> None:
    """Nobody looked from 10 s to 70 s: two advances, each stamped when it was due, and the third cycle at 60 s."""
    game = started(per_cycle(30_000, on_expire=OnExpire.ADVANCE))
    game.ok(10_000)

    session = game.ok(70_000)

    advances = game.events[2:]
    assert [(event.type, event.cause) for event in advances] == [(EventType.CYCLE_SWITCHED, Cause.DEADLINE)] * 2
    assert [stamps(event) for event in advances] == [(30_000, 70_000), (60_000, 70_000)]
    assert (session.cycle_number, session.cycle_started_at, game.deadline_ms) == (3, at(60_000), 90_000)


def test_ten_advances_do_not_drift() -> None:
    """However late each one is noticed, the eleventh cycle of 30 s starts at 300 s sharp."""
    game = started(per_cycle(30_000))

    for cycle in range(1, 11):
        game.ok(30_000 * cycle + 17 * cycle)

    assert (game.session.cycle_number, game.session.cycle_started_at) == (11, at(300_000))


def test_members_of_a_group_share_one_bank() -> None:
    """Red thinks 10 s, blue 5 s; the other red member goes on with what red has left."""
    game = started(per_group(300_000, 300_000))

    game.ok(10_000, Switch())
    session = game.ok(15_000, Switch())

    assert (clock_of(session, RED).bank_ms, clock_of(session, BLUE).bank_ms) == (290_000, 295_000)
    assert (game.active_id, game.clock(16_000, RED).bank_ms) == (CLEO, 289_000)


def test_a_stopwatch_shows_what_has_run() -> None:
    """A stopwatch counts up, stands while paused and ends with the sum of its running parts."""
    game = started(stopwatch())

    assert game.clock(12_345).used_ms == 12_345
    game.ok(20_000, Pause())
    assert game.clock(35_000).used_ms == 20_000
    game.ok(50_000, Resume())
    session = game.ok(55_000, Complete())

    assert (session.clock.used_ms, session.carried_ms, session.status) == (25_000, 25_000, Status.COMPLETED)


def test_setting_the_active_bank_counts_from_the_call() -> None:
    """Five minutes set after five seconds are five whole minutes from there, and somebody answers for it."""
    game = started(per_participant(600_000, 600_000))

    game.ok(5_000, AdjustTime(participant_id=ANN, set_ms=300_000))

    assert (game.clock(5_000, ANN).bank_ms, game.deadline_ms) == (300_000, 305_000)
    assert (game.events[-1].type, game.events[-1].author) == (EventType.TIME_ADJUSTED, UMPIRE)


def test_a_paused_turn_keeps_the_part_already_run() -> None:
    """Of a turn of 30 s paused at 12 s, 18 s are left whenever it is resumed."""
    game = started(per_cycle(30_000, on_expire=OnExpire.END_SESSION))
    game.ok(12_000, Pause())

    resumed = game.ok(500_000, Resume())

    assert (resumed.status, game.deadline_ms) == (Status.RUNNING, 518_000)
    assert game.ok(517_999).status is Status.RUNNING
    assert game.ok(518_000).completed_at == at(518_000)


@pytest.mark.parametrize("pauses", [1, 2, 7], ids=["one pause", "two pauses", "seven pauses"])
def test_pauses_add_no_time(pauses: int) -> None:
    """A bank of 10 s lasts for 10 s of running, in however many pieces."""
    game = started(per_participant(10_000, 10_000, increment_ms=5_000))

    for number in range(pauses):
        game.ok(2_000 * number + 1_000, Pause())
        game.ok(2_000 * number + 2_000, Resume())

    assert game.deadline_ms == 10_000 + 1_000 * pauses
    assert game.view(10_000 + 1_000 * pauses).expired_participant_id == ANN


@pytest.mark.parametrize(
    ("bank", "spent", "increment", "cap", "left"),
    [
        pytest.param(180_000, 5_000, 2_000, 0, 177_000, id="no cap"),
        pytest.param(180_000, 179_999, 2_000, 0, 2_001, id="no cap, last millisecond"),
        pytest.param(60_000, 1_000, 5_000, 60_000, 60_000, id="up to the cap, not beyond"),
        pytest.param(60_000, 5_000, 5_000, 60_000, 60_000, id="exactly to the cap"),
        pytest.param(60_000, 5_001, 5_000, 60_000, 59_999, id="the whole increment below the cap"),
        pytest.param(70_000, 1_000, 5_000, 60_000, 69_000, id="a bank above the cap keeps its time"),
        pytest.param(61_000, 1_000, 5_000, 60_000, 60_000, id="a bank at the cap gets nothing"),
        pytest.param(60_000, 0, 5_000, 60_000, 60_000, id="a full bank gets nothing"),
        pytest.param(60_000, 7_000, 0, 0, 53_000, id="no increment"),
    ],
)
def test_grants_and_their_cap(bank: int, spent: int, increment: int, cap: int, left: int) -> None:
    """The cap bounds the grant and never takes time away."""
    game = started(per_participant(bank, bank, increment_ms=increment, max_time_ms=cap))

    session = game.ok(spent, Switch())

    assert (clock_of(session, ANN).bank_ms, clock_of(session, ANN).used_ms) == (left, spent)


def test_the_cap_bounds_a_groups_grant_too() -> None:
    """A group is granted like a participant: up to the cap."""
    game = started(per_group(60_000, 60_000, increment_ms=5_000, max_time_ms=60_000))

    session = game.ok(1_000, Switch())

    assert (clock_of(session, RED).bank_ms, clock_of(session, RED).used_ms) == (60_000, 1_000)


def test_k_switches_are_k_versions_and_k_turns() -> None:
    """Every accepted switch is one version and one completed turn of somebody, also within one instant."""
    game = started(per_participant(600_000, 600_000, 600_000))
    version = game.session.version

    for _ in range(20):
        game.ok(1_000, Switch())

    assert game.session.version == version + 20
    assert sum(one.cycle_count for one in game.session.participants) == 20


def test_budgets_outgrow_32_bits() -> None:
    """28 days in ms do not fit an INTEGER; they must fit here to the millisecond."""
    game = started(per_participant(28 * DAY, 28 * DAY))

    assert (game.deadline_ms, game.clock(1, ANN).bank_ms) == (2_419_200_000, 2_419_199_999)


def test_instants_are_floored_once() -> None:
    """A session is created in microseconds (its epoch) and lives in whole milliseconds, rounded down."""
    now_us = at(0) * 1_000 + 999

    session = create(SESSION_ID, per_participant(), Caller(UMPIRE), now_us, change_ids().__next__).session

    assert (session.epoch, session.created_at, session.updated_at) == (now_us, at(0), at(0))
    assert (session.version, session.status, session.cycle_number) == (1, Status.PENDING, 0)
