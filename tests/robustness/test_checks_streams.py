"""The checks of streams on histories made by hand."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import pytest

from synckairos.application.streams import frames
from synckairos.application.streams.frames import Frame, FrameKind, GapReason
from synckairos.application.streams.subscriptions import QUEUE_LIMIT
from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.checks.streams import SLOW_CONSUMER
from testing.robustness.history_builder import ANN, BANK_MS, GONE_S, SESSION, HistoryBuilder
from testing.robustness.promises import Promise
from testing.robustness.verdict import broken, judge


class Ended(HistoryBuilder):
    """A session of five versions, the last of them its end."""

    def __init__(self) -> None:
        super().__init__()
        self.ask(100, "StartSession", pb.StartSessionRequest())
        self.ask(1_000, "SwitchCycle", pb.SwitchCycleRequest())
        self.ask(2_000, "SwitchCycle", pb.SwitchCycleRequest())
        self.ask(3_000, "CompleteSession", pb.CompleteSessionRequest())

    def rest(self, version: int) -> list[Frame]:
        """Return the frames that come after a version."""
        return [*map(self.event, range(version + 1, 6)), self.end(5)]


class Crowded(HistoryBuilder):
    """A session with more changes than may wait for a reader, within a second."""

    def __init__(self) -> None:
        super().__init__()
        for at in range(100, 110 + QUEUE_LIMIT):
            request = pb.UpdateSessionRequest()
            request.metadata.update({"at": at})
            self.ask(at, "UpdateSession", request, returned=(at + 0.5) / 1_000)


class Forked(HistoryBuilder):
    """Version 3 was lost with the power, and made again."""

    def __init__(self) -> None:
        super().__init__()
        self.ask(100, "StartSession", pb.StartSessionRequest())
        self.ask(2_000, "SwitchCycle", pb.SwitchCycleRequest())
        self.lost = self.event(3)
        self.lost_token = self.token(3)
        self.lose_power(2_500, version=2)
        self.ask(3_500, "SwitchCycle", pb.SwitchCycleRequest())
        for row in self.rows[2:]:
            row.is_fork = True
        self.ask(4_000, "CompleteSession", pb.CompleteSessionRequest())

    def told(self, version: int, reason: GapReason = GapReason.FORKED) -> list[Frame]:
        """Return the frames that tell of the fork, and those that come after it."""
        gap, snapshot = self.gap(version, reason), self.snapshot(version, 3_600)
        return [gap, snapshot, *map(self.event, range(version + 1, 5)), self.end(4)]


@pytest.fixture
def built() -> Ended:
    """A session that has ended."""
    return Ended()


class Stream(NamedTuple):
    """The frames of a stream of a session made by hand, and the promises that they break."""

    name: str
    frames: Callable[[Any], list[Frame]]
    broken: AbstractSet[Promise] = frozenset()
    token: Callable[[Any], str] = lambda _: ""
    is_slow: bool = False


STREAMS = (
    Stream(
        "snapshot, ticks, events, a mark and the end",
        lambda b: [
            b.snapshot(2, 500),
            b.mark(FrameKind.TICK, 2, 700),
            b.event(3),
            b.mark(FrameKind.PROGRESS, 3, 1_500),
            *b.rest(3),
        ],
    ),
    Stream("a hole", lambda b: [b.snapshot(2), b.event(3), b.event(5), b.end(5)], {Promise.RELIABLE}),
    Stream(
        "a hole that is told as slowness, and too small for it",
        lambda b: [b.snapshot(1), b.gap(4, GapReason.SLOW_READER), b.snapshot(4), *b.rest(4)],
        {Promise.RELIABLE},
        is_slow=True,
    ),
    Stream("an event twice", lambda b: [b.snapshot(2), b.event(3), b.event(3), *b.rest(3)], {Promise.UNIQUE}),
    Stream(
        "events out of order",
        lambda b: [b.snapshot(2), b.event(4), b.event(3), *b.rest(4)],
        {Promise.RELIABLE, Promise.ORDERED},
    ),
    Stream("a message after the end", lambda b: [b.snapshot(2), *b.rest(2), b.event(5)], {Promise.ORDERED}),
    Stream("resumed right after the token", lambda b: b.rest(2), token=lambda b: b.token(2)),
    Stream("resumed one version late", lambda b: b.rest(3), {Promise.RESUMABLE}, token=lambda b: b.token(2)),
    Stream("resumed two versions late", lambda b: b.rest(4), {Promise.RESUMABLE}, token=lambda b: b.token(2)),
    Stream(
        "resumed with a snapshot for no reason",
        lambda b: [b.snapshot(3), *b.rest(3)],
        {Promise.RESUMABLE},
        token=lambda b: b.token(2),
    ),
    Stream(
        "resumed with a gap although two of sixteen retained versions were missed",
        lambda b: [b.gap(4, GapReason.WINDOW_PASSED), b.snapshot(4), *b.rest(4)],
        {Promise.RESUMABLE},
        token=lambda b: b.token(2),
    ),
    Stream(
        "a fork without a power loss",
        lambda b: [b.snapshot(2), b.gap(3, GapReason.FORKED), b.snapshot(3), *b.rest(3)],
        {Promise.RELIABLE},
    ),
    Stream(
        "a mark behind the stream",
        lambda b: [b.snapshot(1), b.event(2), b.event(3), b.mark(FrameKind.PROGRESS, 2, 1_500)],
        {Promise.BOOKMARKABLE},
    ),
    Stream(
        "a mark ahead of the stream",
        lambda b: [b.snapshot(1), b.event(2), b.event(3), b.mark(FrameKind.PROGRESS, 4, 1_500)],
        {Promise.BOOKMARKABLE},
    ),
    Stream(
        "a tick of a version that was not sent",
        lambda b: [b.snapshot(2), b.mark(FrameKind.TICK, 3, 1_500), *b.rest(2)],
        {Promise.EPHEMERAL},
    ),
    Stream(
        "a snapshot of less than the reader had",
        lambda b: [b.snapshot(4), b.gap(3, GapReason.SLOW_READER), b.snapshot(3), *b.rest(3)],
        {Promise.ORDERED, Promise.RELIABLE},
        is_slow=True,
    ),
)


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_stream_breaks_these_promises_and_no_others(built: Ended, stream: Stream) -> None:
    """Every broken promise is found, and no other is named."""
    built.watch(*stream.frames(built), token=stream.token(built), is_slow=stream.is_slow)

    assert broken(built.finish()) == stream.broken


FORKED_STREAMS = (
    Stream("told to an open stream", lambda b: [b.snapshot(2), b.lost, *b.told(3)]),
    Stream("told to the lost version's token", lambda b: b.told(3), token=lambda b: b.lost_token),
    Stream(
        "not told to a token of both branches",
        lambda b: [b.event(3), b.event(4), b.end(4)],
        token=lambda b: b.token(2),
    ),
    Stream("hidden from an open stream", lambda b: [b.snapshot(2), b.lost, b.event(4), b.end(4)], {Promise.RELIABLE}),
    Stream("hidden from a token", lambda b: [b.event(4), b.end(4)], {Promise.RESUMABLE}, token=lambda b: b.lost_token),
    Stream(
        "a mark of the other branch",
        lambda b: [b.snapshot(2), b.lost, b.mark(FrameKind.PROGRESS, 3, 3_700), *b.told(4)[:1]],
        {Promise.BOOKMARKABLE},
    ),
    Stream(
        "a tick of the other branch",
        lambda b: [b.snapshot(2), b.lost, b.mark(FrameKind.TICK, 3, 3_700), *b.told(4)[:1]],
        {Promise.EPHEMERAL},
    ),
    Stream("told to a reader it does not concern", lambda b: b.told(3), {Promise.RELIABLE}, token=lambda b: b.token(2)),
    Stream(
        "told as another life, which is the same",
        lambda b: b.told(3, GapReason.EPOCH_CHANGED),
        {Promise.RELIABLE},
        token=lambda b: b.token(2),
    ),
    Stream(
        "told as slowness to a reader that reads",
        lambda b: [b.snapshot(2), *b.told(3, GapReason.SLOW_READER)],
        {Promise.RELIABLE},
    ),
    Stream(
        "told as a window to a reader that begins", lambda b: b.told(3, GapReason.WINDOW_PASSED), {Promise.RESUMABLE}
    ),
)


@pytest.mark.parametrize("stream", FORKED_STREAMS, ids=lambda stream: stream.name)
def test_a_fork_is_told_where_there_was_one_and_nowhere_else(stream: Stream) -> None:
    """The numbers fit; only change ids tell the branches apart."""
    built = Forked()
    built.watch(*stream.frames(built), token=stream.token(built))

    assert broken(built.finish()) == stream.broken


def test_a_reader_of_the_lost_head_only_never_saw_the_end() -> None:
    """The stream stayed open, at the number that the new branch came to."""
    built = Forked()
    del built.rows[4:], built.events[3:], built.history.calls[4:]
    built.watch(built.snapshot(2), built.lost)
    built.history.ends[-1].at = GONE_S + 10

    assert broken(built.finish()) == {Promise.RELIABLE}


@pytest.mark.parametrize(
    ("waited_s", "is_slow", "found"),
    [(0.0, False, set()), (0.0, True, set()), (11.0, True, set()), (11.0, False, {Promise.RELIABLE, Promise.PROMPT})],
    ids=["a burst", "a burst, and a pause", "a long pause", "a long wait, and no pause"],
)
def test_a_hole_is_told_as_slowness(waited_s: float, is_slow: bool, found: set[Promise]) -> None:
    """A burst outruns any reader; what comes one by one reaches those that keep reading."""
    built = Crowded()
    last = built.session.version
    messages = built.watch(
        built.snapshot(2), built.gap(last, GapReason.SLOW_READER), built.snapshot(last), is_slow=is_slow
    )
    for message in messages[1:]:
        message.at += waited_s
    built.history.ends[-1].at += waited_s

    assert broken(built.finish()) == found


def test_an_event_that_never_happened_is_not_reliable(built: Ended) -> None:
    """The watcher was told of a change that was never made."""
    messages = built.watch(built.snapshot(2), *built.rest(2))
    messages[1].change_id = SESSION

    assert broken(built.finish()) == {Promise.RELIABLE, Promise.RESUMABLE}


def test_a_stream_that_ends_before_the_session_did_is_not_reliable(built: Ended) -> None:
    """A watcher stayed until long after the end, and was not told of the last version."""
    built.watch(built.snapshot(2), built.event(3), built.event(4))
    built.history.ends[-1].at = GONE_S + 10

    assert broken(built.finish()) == {Promise.RELIABLE, Promise.PROMPT}


def test_a_tick_beyond_the_deadline_is_not_ephemeral(built: Ended) -> None:
    """It shows a clock that is over as running."""
    built.watch(built.snapshot(2), built.mark(FrameKind.TICK, 2, 60_000))

    assert Promise.EPHEMERAL in broken(built.finish())


def test_an_event_before_its_instant_is_early(built: Ended) -> None:
    """Redis' clock had not come to the instant that the event is stamped with."""
    messages = built.watch(built.snapshot(2), *built.rest(2))
    messages[1].heard_ms -= 1

    assert broken(built.finish()) == {Promise.NEVER_EARLY}


@pytest.mark.parametrize(
    ("late_s", "is_flooded", "expected"),
    [(0.75, False, {Promise.PROMPT}), (0.75, True, set()), (3.5, True, {Promise.PROMPT})],
)
def test_changes_heard_of_late_are_not_prompt(late_s: float, is_flooded: bool, expected: set[Promise]) -> None:
    """Every change reaches the watcher with the slow look only; where a slow reader has a session flooded, it may."""
    built = HistoryBuilder()
    built.ask(100, "StartSession", pb.StartSessionRequest())
    greeting = built.snapshot(2)
    for turn in range(10):
        built.ask(1_000 + turn * 100, "SwitchCycle", pb.SwitchCycleRequest())
    messages = built.watch(greeting, *map(built.event, range(3, 13)))
    if is_flooded:
        built.watch(greeting, is_slow=True)
    assert judge(built.finish()) == []

    for message in messages[1:]:
        message.at += late_s
    assert broken(built.finish()) == expected


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


def test_a_new_stream_that_begins_in_the_past_is_not_linearizable(built: Ended) -> None:
    """Version 4 had been answered when a watcher began, and was shown version 3."""
    built.watch(built.snapshot(3, 2_600), *built.rest(3))
    built.history.streams[-1].opened = 2.5

    assert broken(built.finish()) == {Promise.LINEARIZABLE}


@pytest.mark.parametrize("is_remade", [True, False], ids=["made again", "gone"])
def test_a_new_stream_that_begins_with_what_was_lost_is_not_linearizable(is_remade: bool) -> None:
    """Version 3 went with the power, and a watcher that begins after that is shown it; then the gap."""
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


def test_a_warning_at_the_wrong_instant_is_not_truthful(built: Ended) -> None:
    """It is stamped with an instant at which another time was left."""
    session = built.events[1].session
    due = session.updated_at + BANK_MS
    built.watch(built.snapshot(2), frames.moment(session, due - 4_500, 4_500))
    assert judge(built.finish()) == []

    built.watch(built.snapshot(2), frames.moment(session, due - 4_499, 4_500))
    assert broken(built.finish()) == {Promise.TRUTHFUL}


def test_a_reader_that_reads_is_not_cut_off_as_slow(built: Ended) -> None:
    """Only a reader that has stopped may be cut off."""
    built.watch(built.snapshot(2), built.event(3))
    built.history.ends[-1].reason, built.history.ends[-1].is_left = SLOW_CONSUMER, False
    assert broken(built.finish()) == {Promise.RELIABLE}

    built.history.streams[-1].is_slow = True
    assert judge(built.finish()) == []
