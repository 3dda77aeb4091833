"""A session's next life: nothing of its time is lost, nothing that has ended comes back."""

import pytest

from synckairos.domain import timing
from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    Cancel,
    Command,
    Complete,
    Delete,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
)
from synckairos.domain.errors import InvalidStateTransition, SessionNotFound
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import Mode, OnExpire, Session, Status
from synckairos.domain.recovery import RecoveryPolicy, recover
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from synckairos.domain.transitions import Outcome
from testing.harness.builders import (
    ANN,
    BOB,
    DAY,
    UMPIRE,
    Game,
    at,
    change_ids,
    one_of_each,
    per_cycle,
    per_participant,
    started,
    stopwatch,
)

CONTINUE, PAUSED = RecoveryPolicy
RECOVERED = EventType.SESSION_RECOVERED


def brought_back(game: Game, ms: int, policy: RecoveryPolicy = CONTINUE, last: Session | None = None) -> Outcome:
    """Bring back what the game has come to, or an earlier version of it, at this time."""
    ids = (f"2{change_id[1:]}" for change_id in change_ids())
    outcome = recover(last or game.session, policy, UMPIRE, at(ms) * 1_000 + 7, ids.__next__, game.lifetimes)
    game.session = outcome.session
    game.events += outcome.events
    return outcome


@pytest.mark.parametrize("policy", RecoveryPolicy, ids=lambda policy: policy.name)
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_the_next_life_follows_the_last_version(mode: Mode, policy: RecoveryPolicy) -> None:
    """Version + 1 of a new, later epoch, marked as recovered, by whoever asked and because of the recovery."""
    game = started(one_of_each()[mode])
    last = game.session

    event = brought_back(game, 10_000, policy).events[0]

    assert (event.type, event.cause, event.author) == (RECOVERED, Cause.RECOVERY, UMPIRE)
    assert (event.session.version, event.session.epoch) == (last.version + 1, at(10_000) * 1_000 + 7)
    assert event.session.recovered
    assert event.session.change_id != last.change_id
    assert event.fired_at == at(10_000)
    kept = ("session_id", "rules", "created_at", "started_at", "participants", "groups", "clock", "active", "labels")
    assert [getattr(event.session, name) for name in kept] == [getattr(last, name) for name in kept]


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_a_running_clock_stands_at_the_last_event(mode: Mode) -> None:
    """Paused, it comes back with the 12 s that were known, and goes on from there when resumed."""
    game = started(one_of_each()[mode])
    game.ok(12_000, AddParticipant(_dan(mode)))

    outcome = brought_back(game, 500_000, PAUSED)
    paused = game.session
    game.ok(600_000, Resume())

    assert [event.type for event in outcome.events] == [RECOVERED]
    assert (paused.status, paused.paused_at, paused.updated_at) == (Status.PAUSED, at(12_000), at(500_000))
    assert (timing.elapsed(paused, at(600_000)), paused.resumed_at) == (12_000, None)
    assert game.deadline_ms == 648_000


@pytest.mark.parametrize("policy", RecoveryPolicy, ids=lambda policy: policy.name)
@pytest.mark.parametrize("commands", [(), (Start(), Pause())], ids=["pending", "paused"])
def test_what_stood_still_comes_back_as_it_was(commands: tuple[Command, ...], policy: RecoveryPolicy) -> None:
    """A session whose clock did not run is what it was, under either policy."""
    game = Game(per_participant())
    last = game.ok(5_000, *commands)

    brought_back(game, 90_000, policy)

    changed = {"epoch", "version", "change_id", "updated_at", "recovered"}
    was, now = last._asdict(), game.session._asdict()
    assert {name for name, value in now.items() if value != was[name]} == changed
    assert game.session.updated_at == at(90_000)


@pytest.mark.parametrize("commands", [(), (Start(), Pause())], ids=["pending", "paused"])
def test_idle_time_begins_anew(commands: tuple[Command, ...]) -> None:
    """Nobody could touch it while it was away: it is not cancelled at once, but a week after its recovery."""
    game = Game(per_participant())
    game.ok(0, *commands)

    brought_back(game, 9 * DAY)
    before, after = game.ok(16 * DAY - 1), game.ok(16 * DAY)

    assert before.status is not Status.CANCELLED
    assert (after.status, after.completed_at, game.events[-1].cause) == (Status.CANCELLED, at(16 * DAY), Cause.IDLE)


def test_paused_by_its_recovery_it_is_idle_from_then_on() -> None:
    """Its last event may lie a month back: a clock that was stopped by the recovery waits a week to be resumed."""
    game = started(stopwatch())

    brought_back(game, 30 * DAY, PAUSED)

    assert game.ok(37 * DAY - 1).status is Status.PAUSED
    assert game.ok(37 * DAY).status is Status.CANCELLED


def test_the_idle_time_of_a_clock_that_goes_on_does_not_begin_anew() -> None:
    """A clock without an end, away when its idle time was over, is cancelled at that instant."""
    game = started(stopwatch())

    brought_back(game, 30 * DAY)

    assert (game.session.status, game.session.completed_at) == (Status.CANCELLED, at(28 * DAY))
    assert game.events[-1].cause is Cause.IDLE


def test_what_the_clock_did_before_a_recovery_was_no_call() -> None:
    """A chain that advanced for 20 days, and was away for a week, is cancelled 28 days after its start all the same."""
    game = started(per_cycle(DAY))
    game.ok(20 * DAY)

    brought_back(game, 27 * DAY)

    assert game.ok(28 * DAY - 1).status is Status.RUNNING
    assert game.ok(40 * DAY).completed_at == at(28 * DAY)
    assert game.events[-1].cause is Cause.IDLE


def test_a_long_chain_takes_several_transactions() -> None:
    """A hundred boundaries in the first one; the next goes on where it ended, and nothing drifts."""
    game = started(per_cycle(1_000))

    outcome = brought_back(game, 250_500)
    assert outcome.unfinished is not None
    assert len(outcome.events) == 101
    second, third = game.decide(250_500), game.decide(250_500)

    assert (second.unfinished is None, third.unfinished) == (False, None)
    assert (game.session.cycle_number, game.session.cycle_started_at) == (251, at(250_000))
    assert [event.session.version for event in game.events] == list(range(1, len(game.events) + 1))


@pytest.mark.parametrize("command", [Complete(), Cancel()], ids=["completed", "cancelled"])
def test_what_has_ended_stays_ended(command: Command) -> None:
    """Refused, naming the state it is in and the verb."""
    game = started(per_participant())
    ended = game.ok(5_000, command)

    with pytest.raises(InvalidStateTransition) as refused:
        brought_back(game, 9_000)

    assert refused.value.details == {"from": ended.status.name, "verb": "recover"}


def test_what_was_deleted_stays_deleted() -> None:
    """There is no such session any more."""
    game = started(per_participant())
    game.ok(5_000, Delete())

    with pytest.raises(SessionNotFound):
        brought_back(game, 9_000)


def test_a_clock_that_is_behind_sets_nothing_back() -> None:
    """The new Redis' clock is behind the old one's: the recovery is not before the last version, nor its epoch."""
    game = Game(per_participant(), created_ms=0)
    last = game.ok(50_000, Start(), Pause())
    late = last._replace(epoch=at(80_000) * 1_000)

    brought_back(game, 20_000, last=late)

    assert game.session.updated_at == at(50_000)
    assert game.session.epoch == late.epoch + 1


@pytest.mark.parametrize("policy", RecoveryPolicy, ids=lambda policy: policy.name)
@pytest.mark.parametrize("mode", [Mode.PER_PARTICIPANT, Mode.PER_GROUP], ids=lambda mode: mode.name)
def test_a_victory_whose_event_was_lost_is_made_up(mode: Mode, policy: RecoveryPolicy) -> None:
    """An elimination and the victory it brings are two versions: the first may be the last one known."""
    game = started(_duel(mode))
    game.ok(70_000)
    *_, out, won = game.events
    assert (out.type, won.type) == (EventType.PARTICIPANT_EXPIRED, EventType.SESSION_COMPLETED)

    brought_back(game, 80_000, policy, last=out.session)

    assert game.session.status is Status.COMPLETED
    winner = game.session.winner_participant_id, game.session.winner_group_id
    assert winner == (won.session.winner_participant_id, won.session.winner_group_id)
    assert game.session.participants == won.session.participants


def test_an_adjustment_to_zero_whose_expiry_was_lost_expires() -> None:
    """The adjustment is the last version known: the expiry follows at its instant."""
    game = started(per_participant(60_000, 60_000))
    game.ok(5_000, AdjustTime(ANN, set_ms=0))
    *_, adjusted, _ = game.events

    brought_back(game, 80_000, last=adjusted.session)

    assert (game.session.status, game.session.completed_at) == (Status.EXPIRED, at(5_000))


def test_one_who_plays_alone_plays_on() -> None:
    """A single holder from the start is no victory, nor is one that the other has left before the start."""
    alone = started(per_participant(60_000, on_expire=OnExpire.ELIMINATE))
    left = Game(per_participant(60_000, 60_000, on_expire=OnExpire.ELIMINATE))
    left.ok(0, RemoveParticipant(BOB), Start())

    for game in (alone, left):
        brought_back(game, 10_000)

        assert (game.session.status, game.active_id) == (Status.RUNNING, ANN)


def _dan(mode: Mode) -> ParticipantSpec:
    banks = {Mode.PER_PARTICIPANT: 60_000}
    groups = {Mode.PER_GROUP: one_of_each()[mode].groups[0].group_id if mode is Mode.PER_GROUP else ""}
    newcomer = "00000000-0000-4000-8000-0000000000aa"
    return ParticipantSpec(newcomer, None, banks.get(mode, 0), groups.get(mode, ""))


def _duel(mode: Mode) -> SessionSpec:
    if mode is Mode.PER_PARTICIPANT:
        return per_participant(60_000, 60_000, on_expire=OnExpire.ELIMINATE)
    return one_of_each(OnExpire.ELIMINATE)[mode]
