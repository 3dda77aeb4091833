"""What the checks of streams say to histories made by hand."""

import pytest

from synckairos.application import frames
from synckairos.application.frames import Frame, FrameKind, GapReason
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.checks_streams import SLOW_CONSUMER
from testing.robustness.history_builder import ANN, BANK_MS, GONE_S, SESSION, HistoryBuilder
from testing.robustness.promises import Promise
from testing.robustness.verdict import broken, judge


@pytest.fixture
def built() -> HistoryBuilder:
    """A session of five versions, the last of them its end."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.ask(1_000, "SwitchCycle", pb.SwitchCycleRequest())
    built.ask(2_000, "SwitchCycle", pb.SwitchCycleRequest())
    built.ask(3_000, "CompleteSession", pb.CompleteSessionRequest())
    return built


def _rest(built: HistoryBuilder, version: int) -> list[Frame]:
    """Return what comes after a version."""
    return [*map(built.event, range(version + 1, 6)), built.end(5)]


def test_a_flawless_stream_breaks_nothing(built: HistoryBuilder) -> None:
    """Snapshot, ticks, events, a mark, the end."""
    built.watch(
        built.snapshot(2, 500),
        built.mark(FrameKind.TICK, 2, 700),
        built.event(3),
        built.mark(FrameKind.PROGRESS, 3, 1_500),
        *_rest(built, 3),
    )

    assert judge(built.finish()) == []


def test_a_hole_is_not_reliable(built: HistoryBuilder) -> None:
    """Version 4 never came, and no gap was told."""
    built.watch(built.snapshot(2), built.event(3), built.event(5), built.end(5))

    assert broken(built.finish()) == {Promise.RELIABLE}


def test_a_hole_that_is_told_is_one_promise_kept(built: HistoryBuilder) -> None:
    """A gap, then a snapshot."""
    gap = built.gap(4, GapReason.SLOW_READER)
    built.watch(built.snapshot(1), gap, built.snapshot(4), *_rest(built, 4), is_slow=True)

    assert judge(built.finish()) == []


def test_an_event_that_comes_twice_is_not_unique(built: HistoryBuilder) -> None:
    """Version 3 was sent once more."""
    built.watch(built.snapshot(2), built.event(3), built.event(3), *_rest(built, 3))

    assert broken(built.finish()) == {Promise.UNIQUE}


def test_events_out_of_order_are_not_ordered(built: HistoryBuilder) -> None:
    """Version 4 came before version 3."""
    built.watch(built.snapshot(2), built.event(4), built.event(3), *_rest(built, 4))

    assert broken(built.finish()) == {Promise.RELIABLE, Promise.ORDERED}


def test_an_event_that_never_happened_is_not_reliable(built: HistoryBuilder) -> None:
    """The watcher was told of a change that nobody made."""
    messages = built.watch(built.snapshot(2), *_rest(built, 2))
    messages[1].change_id = SESSION

    assert broken(built.finish()) == {Promise.RELIABLE, Promise.RESUMABLE}


def test_a_stream_that_ends_before_the_session_did_is_not_reliable(built: HistoryBuilder) -> None:
    """Somebody watched until everything had been at rest for long, and was not told of the last version."""
    built.watch(built.snapshot(2), built.event(3), built.event(4))
    built.history.ends[-1].at = GONE_S + 10

    assert broken(built.finish()) == {Promise.RELIABLE, Promise.PROMPT}


def test_a_resumed_stream_goes_on_after_its_token(built: HistoryBuilder) -> None:
    """What was missed comes first, in order."""
    built.watch(*_rest(built, 2), token=built.token(2))

    assert judge(built.finish()) == []


@pytest.mark.parametrize("first", [4, 5])
def test_a_resumed_stream_that_skips_is_not_resumable(built: HistoryBuilder, first: int) -> None:
    """It went on later than its token."""
    built.watch(*_rest(built, first - 1), token=built.token(2))

    assert broken(built.finish()) == {Promise.RESUMABLE}


def test_a_resumed_stream_with_a_snapshot_for_no_reason_is_not_resumable(built: HistoryBuilder) -> None:
    """Nothing was said of a gap."""
    built.watch(built.snapshot(3), *_rest(built, 3), token=built.token(2))

    assert broken(built.finish()) == {Promise.RESUMABLE}


def test_a_fork_without_a_power_loss_is_not_reliable(built: HistoryBuilder) -> None:
    """History is said to have changed, and has not."""
    built.watch(built.snapshot(2), built.gap(3, GapReason.FORKED), built.snapshot(3), *_rest(built, 3))

    assert broken(built.finish()) == {Promise.RELIABLE}


@pytest.mark.parametrize("marked", [2, 4])
def test_a_mark_that_is_not_where_the_stream_is_is_not_bookmarkable(built: HistoryBuilder, marked: int) -> None:
    """Everything up to it was not sent, or more was."""
    built.watch(built.snapshot(1), built.event(2), built.event(3), built.mark(FrameKind.PROGRESS, marked, 1_500))

    assert broken(built.finish()) == {Promise.BOOKMARKABLE}


def test_a_tick_of_another_version_is_not_ephemeral(built: HistoryBuilder) -> None:
    """A tick told of a version that the watcher had not been sent."""
    built.watch(built.snapshot(2), built.mark(FrameKind.TICK, 3, 1_500), *_rest(built, 2))

    assert broken(built.finish()) == {Promise.EPHEMERAL}


def test_a_tick_beyond_the_deadline_is_not_ephemeral(built: HistoryBuilder) -> None:
    """It shows a clock that is over as running."""
    built.watch(built.snapshot(2), built.mark(FrameKind.TICK, 2, 60_000))

    assert Promise.EPHEMERAL in broken(built.finish())


def test_an_event_before_its_instant_is_early(built: HistoryBuilder) -> None:
    """Redis' clock had not come to the instant that the event is stamped with."""
    messages = built.watch(built.snapshot(2), *_rest(built, 2))
    messages[1].heard_ms -= 1

    assert broken(built.finish()) == {Promise.NEVER_EARLY}


def test_changes_heard_of_late_are_not_prompt() -> None:
    """Every change reaches the watcher with the slow look only."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    greeting = built.snapshot(2)
    for turn in range(10):
        built.ask(1_000 + turn * 100, "SwitchCycle", pb.SwitchCycleRequest())
    messages = built.watch(greeting, *map(built.event, range(3, 13)))
    assert judge(built.finish()) == []

    for message in messages[1:]:
        message.at += 0.75
    assert broken(built.finish()) == {Promise.PROMPT}


def test_ticks_of_two_branches_are_told_apart() -> None:
    """Version 3 is made again after a power loss: what its ticks show is judged by the branch they are of."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.ask(2_000, "AdjustTime", pb.AdjustTimeRequest(participant_id=ANN, set_ms=1_000, reason="a fine"))
    lost = built.event(3)
    built.lose_power(2_500, version=2)
    built.ask(3_500, "SwitchCycle", pb.SwitchCycleRequest())
    for row in built.rows[2:]:
        row.is_fork = True
    gap = built.gap(3, GapReason.FORKED)
    gap.at = built.event(3).at
    built.watch(built.snapshot(2), lost, gap, built.snapshot(3), built.mark(FrameKind.TICK, 3, 4_500))

    assert judge(built.finish()) == []


def test_a_new_stream_that_begins_in_the_past_is_not_linearizable(built: HistoryBuilder) -> None:
    """Version 4 had been answered when somebody began to watch, and was shown version 3."""
    built.watch(built.snapshot(3, 2_600), *_rest(built, 3))
    built.history.streams[-1].opened = 2.5

    assert broken(built.finish()) == {Promise.LINEARIZABLE}


@pytest.mark.parametrize("is_remade", [True, False], ids=["made again", "gone"])
def test_a_new_stream_that_begins_with_what_was_lost_is_not_linearizable(is_remade: bool) -> None:
    """Version 3 went with the power, and who begins to watch after that is shown it; then the gap."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    built.ask(2_000, "SwitchCycle", pb.SwitchCycleRequest())
    lost = built.snapshot(3, 2_700)
    built.lose_power(2_500, version=2)
    kept = [built.snapshot(2, 2_800)]
    if is_remade:
        built.ask(3_500, "PauseSession", pb.PauseSessionRequest())
        kept.append(built.event(3))
        for row in built.rows[2:]:
            row.is_fork = True
    built.watch(*kept)
    built.history.streams[-1].opened = 2.6
    assert judge(built.finish()) == []

    built.watch(lost, built.gap(2, GapReason.FORKED), *kept)
    built.history.streams[-1].opened = 2.6
    assert broken(built.finish()) == {Promise.LINEARIZABLE}


def test_a_snapshot_of_the_past_is_not_ordered(built: HistoryBuilder) -> None:
    """A slow reader got a gap, and then less than it had."""
    gap = built.gap(3, GapReason.SLOW_READER)
    built.watch(built.snapshot(4), gap, built.snapshot(3), *_rest(built, 3), is_slow=True)

    assert broken(built.finish()) == {Promise.ORDERED}


def test_a_gap_without_need_is_not_resumable(built: HistoryBuilder) -> None:
    """Two versions were missed, sixteen are kept."""
    built.watch(built.gap(4, GapReason.WINDOW_PASSED), built.snapshot(4), *_rest(built, 4), token=built.token(2))

    assert broken(built.finish()) == {Promise.RESUMABLE}


def test_a_warning_at_the_wrong_instant_is_not_truthful(built: HistoryBuilder) -> None:
    """It is stamped with an instant at which something else was left."""
    session = built.events[1].session
    due = session.updated_at + BANK_MS
    built.watch(built.snapshot(2), frames.warning(session, due - 4_500, 4_500))
    assert judge(built.finish()) == []

    built.watch(built.snapshot(2), frames.warning(session, due - 4_499, 4_500))
    assert broken(built.finish()) == {Promise.TRUTHFUL}


def test_who_reads_is_not_cut_off_as_slow(built: HistoryBuilder) -> None:
    """It is right for who has stopped reading, and for nobody else."""
    built.watch(built.snapshot(2), built.event(3))
    built.history.ends[-1].reason, built.history.ends[-1].is_left = SLOW_CONSUMER, False
    assert broken(built.finish()) == {Promise.RELIABLE}

    built.history.streams[-1].is_slow = True
    assert judge(built.finish()) == []
