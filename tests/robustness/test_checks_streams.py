"""What the checks of streams say to histories made by hand."""

import pytest

from synckairos.application import frames
from synckairos.application.frames import Frame, FrameKind, GapReason
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.checks_streams import SLOW_CONSUMER
from testing.robustness.promises import Promise
from testing.robustness.tale import ANN, BANK_MS, GONE_S, SESSION, Tale
from testing.robustness.verdict import broken, judge


@pytest.fixture
def tale() -> Tale:
    """A session of five versions, the last of them its end."""
    tale = Tale()
    tale.ask(100, "StartSession", pb.StartSessionRequest())
    tale.ask(1_000, "SwitchCycle", pb.SwitchCycleRequest())
    tale.ask(2_000, "SwitchCycle", pb.SwitchCycleRequest())
    tale.ask(3_000, "CompleteSession", pb.CompleteSessionRequest())
    return tale


def _rest(tale: Tale, version: int) -> list[Frame]:
    """Return what comes after a version."""
    return [*map(tale.event, range(version + 1, 6)), tale.end(5)]


def test_a_flawless_stream_breaks_nothing(tale: Tale) -> None:
    """Snapshot, ticks, events, a mark, the end."""
    tale.watch(
        tale.snapshot(2, 500),
        tale.beat(FrameKind.TICK, 2, 700),
        tale.event(3),
        tale.beat(FrameKind.PROGRESS, 3, 1_500),
        *_rest(tale, 3),
    )

    assert judge(tale.finish()) == []


def test_a_hole_is_not_reliable(tale: Tale) -> None:
    """Version 4 never came, and no gap was told."""
    tale.watch(tale.snapshot(2), tale.event(3), tale.event(5), tale.end(5))

    assert broken(tale.finish()) == {Promise.RELIABLE}


def test_a_hole_that_is_told_is_one_promise_kept(tale: Tale) -> None:
    """A gap, then a snapshot."""
    gap = tale.gap(4, GapReason.SLOW_READER)
    tale.watch(tale.snapshot(1), gap, tale.snapshot(4), *_rest(tale, 4), is_slow=True)

    assert judge(tale.finish()) == []


def test_an_event_that_comes_twice_is_not_unique(tale: Tale) -> None:
    """Version 3 was sent once more."""
    tale.watch(tale.snapshot(2), tale.event(3), tale.event(3), *_rest(tale, 3))

    assert broken(tale.finish()) == {Promise.UNIQUE}


def test_events_out_of_order_are_not_ordered(tale: Tale) -> None:
    """Version 4 came before version 3."""
    tale.watch(tale.snapshot(2), tale.event(4), tale.event(3), *_rest(tale, 4))

    assert broken(tale.finish()) == {Promise.RELIABLE, Promise.ORDERED}


def test_an_event_that_never_happened_is_not_reliable(tale: Tale) -> None:
    """The watcher was told of a change that nobody made."""
    messages = tale.watch(tale.snapshot(2), *_rest(tale, 2))
    messages[1].change_id = SESSION

    assert broken(tale.finish()) == {Promise.RELIABLE, Promise.RESUMABLE}


def test_a_stream_that_ends_before_the_session_did_is_not_reliable(tale: Tale) -> None:
    """Somebody watched until everything had been at rest for long, and was not told of the last version."""
    tale.watch(tale.snapshot(2), tale.event(3), tale.event(4))
    tale.history.ends[-1].at = GONE_S + 10

    assert broken(tale.finish()) == {Promise.RELIABLE, Promise.PROMPT}


def test_a_resumed_stream_goes_on_after_its_token(tale: Tale) -> None:
    """What was missed comes first, in order."""
    tale.watch(*_rest(tale, 2), token=tale.token(2))

    assert judge(tale.finish()) == []


@pytest.mark.parametrize("first", [4, 5])
def test_a_resumed_stream_that_skips_is_not_resumable(tale: Tale, first: int) -> None:
    """It went on later than its token."""
    tale.watch(*_rest(tale, first - 1), token=tale.token(2))

    assert broken(tale.finish()) == {Promise.RESUMABLE}


def test_a_resumed_stream_with_a_snapshot_for_no_reason_is_not_resumable(tale: Tale) -> None:
    """Nothing was said of a gap."""
    tale.watch(tale.snapshot(3), *_rest(tale, 3), token=tale.token(2))

    assert broken(tale.finish()) == {Promise.RESUMABLE}


def test_a_fork_without_a_power_loss_is_not_reliable(tale: Tale) -> None:
    """History is said to have changed, and has not."""
    tale.watch(tale.snapshot(2), tale.gap(3, GapReason.FORKED), tale.snapshot(3), *_rest(tale, 3))

    assert broken(tale.finish()) == {Promise.RELIABLE}


@pytest.mark.parametrize("marked", [2, 4])
def test_a_mark_that_is_not_where_the_stream_is_is_not_bookmarkable(tale: Tale, marked: int) -> None:
    """Everything up to it was not sent, or more was."""
    tale.watch(tale.snapshot(1), tale.event(2), tale.event(3), tale.beat(FrameKind.PROGRESS, marked, 1_500))

    assert broken(tale.finish()) == {Promise.BOOKMARKABLE}


def test_a_tick_of_another_version_is_not_ephemeral(tale: Tale) -> None:
    """A tick told of a version that the watcher had not been sent."""
    tale.watch(tale.snapshot(2), tale.beat(FrameKind.TICK, 3, 1_500), *_rest(tale, 2))

    assert broken(tale.finish()) == {Promise.EPHEMERAL}


def test_a_tick_beyond_the_deadline_is_not_ephemeral(tale: Tale) -> None:
    """It shows a clock that is over as running."""
    tale.watch(tale.snapshot(2), tale.beat(FrameKind.TICK, 2, 60_000))

    assert Promise.EPHEMERAL in broken(tale.finish())


def test_an_event_before_its_instant_is_early(tale: Tale) -> None:
    """Redis' clock had not come to the instant that the event is stamped with."""
    messages = tale.watch(tale.snapshot(2), *_rest(tale, 2))
    messages[1].heard_ms -= 1

    assert broken(tale.finish()) == {Promise.NEVER_EARLY}


def test_changes_heard_of_late_are_not_prompt() -> None:
    """Every change reaches the watcher with the slow look only."""
    tale = Tale()
    tale.ask(100, "StartSession", pb.StartSessionRequest())
    greeting = tale.snapshot(2)
    for turn in range(10):
        tale.ask(1_000 + turn * 100, "SwitchCycle", pb.SwitchCycleRequest())
    messages = tale.watch(greeting, *map(tale.event, range(3, 13)))
    assert judge(tale.finish()) == []

    for message in messages[1:]:
        message.at += 0.75
    assert broken(tale.finish()) == {Promise.PROMPT}


def test_ticks_of_two_branches_are_told_apart() -> None:
    """Version 3 is made again after a power loss: what its ticks show is judged by the branch they are of."""
    tale = Tale()
    tale.ask(100, "StartSession", pb.StartSessionRequest())
    tale.ask(2_000, "AdjustTime", pb.AdjustTimeRequest(participant_id=ANN, set_ms=1_000, reason="a fine"))
    lost = tale.event(3)
    tale.lose_power(2_500, version=2)
    tale.ask(3_500, "SwitchCycle", pb.SwitchCycleRequest())
    for row in tale.rows[2:]:
        row.is_fork = True
    gap = tale.gap(3, GapReason.FORKED)
    gap.at = tale.event(3).at
    tale.watch(tale.snapshot(2), lost, gap, tale.snapshot(3), tale.beat(FrameKind.TICK, 3, 4_500))

    assert judge(tale.finish()) == []


def test_a_new_stream_that_begins_in_the_past_is_not_linearizable(tale: Tale) -> None:
    """Version 4 had been answered when somebody began to watch, and was shown version 3."""
    tale.watch(tale.snapshot(3, 2_600), *_rest(tale, 3))
    tale.history.streams[-1].opened = 2.5

    assert broken(tale.finish()) == {Promise.LINEARIZABLE}


@pytest.mark.parametrize("is_remade", [True, False], ids=["made again", "gone"])
def test_a_new_stream_that_begins_with_what_was_lost_is_not_linearizable(is_remade: bool) -> None:
    """Version 3 went with the power, and who begins to watch after that is shown it; then the gap."""
    tale = Tale()
    tale.ask(100, "StartSession", pb.StartSessionRequest())
    tale.ask(2_000, "SwitchCycle", pb.SwitchCycleRequest())
    lost = tale.snapshot(3, 2_700)
    tale.lose_power(2_500, version=2)
    kept = [tale.snapshot(2, 2_800)]
    if is_remade:
        tale.ask(3_500, "PauseSession", pb.PauseSessionRequest())
        kept.append(tale.event(3))
        for row in tale.rows[2:]:
            row.is_fork = True
    tale.watch(*kept)
    tale.history.streams[-1].opened = 2.6
    assert judge(tale.finish()) == []

    tale.watch(lost, tale.gap(2, GapReason.FORKED), *kept)
    tale.history.streams[-1].opened = 2.6
    assert broken(tale.finish()) == {Promise.LINEARIZABLE}


def test_a_snapshot_of_the_past_is_not_ordered(tale: Tale) -> None:
    """A slow reader got a gap, and then less than it had."""
    gap = tale.gap(3, GapReason.SLOW_READER)
    tale.watch(tale.snapshot(4), gap, tale.snapshot(3), *_rest(tale, 3), is_slow=True)

    assert broken(tale.finish()) == {Promise.ORDERED}


def test_a_gap_without_need_is_not_resumable(tale: Tale) -> None:
    """Two versions were missed, sixteen are kept."""
    tale.watch(tale.gap(4, GapReason.WINDOW_PASSED), tale.snapshot(4), *_rest(tale, 4), token=tale.token(2))

    assert broken(tale.finish()) == {Promise.RESUMABLE}


def test_a_warning_at_the_wrong_instant_is_not_truthful(tale: Tale) -> None:
    """It is stamped with an instant at which something else was left."""
    session = tale.events[1].session
    due = session.updated_at + BANK_MS
    tale.watch(tale.snapshot(2), frames.warning(session, due - 4_500, 4_500))
    assert judge(tale.finish()) == []

    tale.watch(tale.snapshot(2), frames.warning(session, due - 4_499, 4_500))
    assert broken(tale.finish()) == {Promise.TRUTHFUL}


def test_who_reads_is_not_cut_off_as_slow(tale: Tale) -> None:
    """It is right for who has stopped reading, and for nobody else."""
    tale.watch(tale.snapshot(2), tale.event(3))
    tale.history.ends[-1].reason, tale.history.ends[-1].is_left = SLOW_CONSUMER, False
    assert broken(tale.finish()) == {Promise.RELIABLE}

    tale.history.streams[-1].is_slow = True
    assert judge(tale.finish()) == []
