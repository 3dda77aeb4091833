"""One stream's outlet: order, conflation, and readers that do not keep up."""

from collections.abc import Iterable
from typing import Any

import pytest

from synckairos.application.streams import frames
from synckairos.application.streams.frames import EndReason, Frame, FrameKind, GapReason
from synckairos.application.streams.subscriptions import BATCH_BYTES, STREAM_BYTES, Subscription, WaitingBytes
from synckairos.domain.commands import Start, Switch
from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.time_control import MAX_STAGES, Stage, TimeControl
from synckairos.domain.events import Event
from synckairos.domain.model import Group, Participant, full
from testing.harness.playing.plays import BORN, KINDS, SID, Play

OTHER = "10000000-0000-4000-8000-000000000002"
LIMIT = 8


def switches(count: int) -> list[Event]:
    """Return the events of a session that is started and then switched `count` times, a ms apart."""
    play = Play(KINDS["participant"])
    play.do(0, Start())
    for at in range(1, count + 1):
        play.do(at, Switch())
    return play.events


EVENTS = switches(300)
STAGED = controlled_clock.begin(TimeControl(tuple(Stage(1_000, 1) for _ in range(MAX_STAGES))))


def of_other(event: Event) -> Frame:
    """Return the frame of an event as if it had happened to the other session."""
    return frames.of_event(event._replace(session=event.session._replace(session_id=OTHER)))


def tick(event: Event, after_ms: int = 1) -> Frame:
    """Return a tick made after an event."""
    return Frame(FrameKind.TICK, event.session.session_id, event.session, event.session.updated_at + after_ms)


def progress(event: Event) -> Frame:
    """Return the mark that an event was sent."""
    return Frame(FrameKind.PROGRESS, event.session.session_id, event.session, event.session.updated_at)


def told(batch: Iterable[Frame]) -> list[tuple[str, int]]:
    """Return the kind and the version of frames."""
    return [(frame.kind.name, frame.session.version if frame.session else 0) for frame in batch]


async def test_frames_are_read_in_the_order_they_were_put() -> None:
    """Events of several sessions come out as they went in, all that wait at once."""
    subscription = Subscription(limit=LIMIT)
    put = [frames.of_event(EVENTS[0]), of_other(EVENTS[0]), frames.of_event(EVENTS[1])]
    for frame in put:
        subscription.put(frame)

    assert subscription.take() == put


async def test_who_writes_hears_of_every_frame() -> None:
    """However it is put; once the stream is closed nobody does."""
    for put in (Subscription.put, Subscription.put_tick, Subscription.put_progress):
        subscription, heard = Subscription(), []
        subscription.on_ready = lambda heard=heard: heard.append(1)

        put(subscription, tick(EVENTS[1]))

        assert (heard, told(subscription.take()), subscription.take()) == ([1], [("TICK", 2)], [])
        subscription.close()
        put(subscription, tick(EVENTS[1]))
        assert heard == [1]


async def test_only_the_newest_tick_is_kept() -> None:
    """A reader that was away finds one tick a session, the latest, behind the events."""
    subscription = Subscription()
    subscription.put(frames.of_event(EVENTS[1]))
    for after_ms in range(1, 500):
        subscription.put_tick(tick(EVENTS[1], after_ms))
    subscription.put_progress(progress(EVENTS[1]))

    batch = subscription.take()

    assert told(batch) == [("EVENT", 2), ("TICK", 2), ("PROGRESS", 2)]
    assert batch[1].at == EVENTS[1].session.updated_at + 499


async def test_a_tick_that_an_event_overtakes_is_dropped() -> None:
    """A tick or progress made before an event would step back in time behind it; another session's stays."""
    subscription = Subscription()
    subscription.put_tick(tick(EVENTS[1]))
    subscription.put_progress(progress(EVENTS[1]))
    subscription.put_tick(Frame(FrameKind.TICK, OTHER, EVENTS[1].session, BORN + 5))

    subscription.put(frames.of_event(EVENTS[2]))

    assert [(frame.kind.name, frame.session_id) for frame in subscription.take()] == [
        ("EVENT", SID),
        ("TICK", OTHER),
    ]


async def test_up_to_the_limit_nothing_is_lost() -> None:
    """A reader may be behind by the limit."""
    subscription = Subscription(limit=LIMIT)
    for event in EVENTS[:LIMIT]:
        subscription.put(frames.of_event(event))

    assert told(subscription.take()) == [("EVENT", version) for version in range(1, LIMIT + 1)]


async def test_a_slow_reader_is_told_of_the_gap_and_given_a_snapshot() -> None:
    """One more than the limit: the session's frames give way to gap and snapshot at that version, then it goes on."""
    subscription = Subscription(limit=LIMIT)
    for event in EVENTS[: LIMIT + 1]:
        subscription.put(frames.of_event(event))
    subscription.put(frames.of_event(EVENTS[LIMIT + 1]))

    batch = subscription.take()

    assert told(batch) == [("GAP", LIMIT + 1), ("SNAPSHOT", LIMIT + 1), ("EVENT", LIMIT + 2)]
    assert batch[0].reason is GapReason.SLOW_READER


async def test_an_overflow_is_one_sessions_own() -> None:
    """Frames of other sessions stay in their place; its own tick and progress would step back behind the snapshot."""
    subscription = Subscription(limit=LIMIT)
    subscription.put(of_other(EVENTS[0]))
    subscription.put_tick(Frame(FrameKind.TICK, OTHER, EVENTS[0].session, BORN + 5))
    for event in EVENTS[:LIMIT]:
        subscription.put(frames.of_event(event))
    subscription.put_tick(tick(EVENTS[LIMIT - 1]))
    subscription.put_progress(progress(EVENTS[LIMIT - 1]))

    subscription.put(frames.of_event(EVENTS[LIMIT]))

    batch = subscription.take()

    assert [(frame.kind.name, frame.session_id) for frame in batch] == [
        ("EVENT", OTHER), ("GAP", SID), ("SNAPSHOT", SID), ("TICK", OTHER),
    ]  # fmt: skip


def put_gap(subscription: Subscription, event: Event, reason: GapReason) -> None:
    """Tell the subscription of a gap that ends with an event."""
    session, at = event.session, event.session.updated_at
    subscription.put_gap(frames.gap(session, at, reason, 0), frames.snapshot(session, at))


async def test_a_gap_replaces_the_waiting_frames_of_its_session() -> None:
    """Frames, tick and progress of the session give way to the gap and its snapshot; another session's stay."""
    subscription = Subscription(limit=LIMIT)
    subscription.put(of_other(EVENTS[0]))
    for event in EVENTS[5:8]:
        subscription.put(frames.of_event(event))
    subscription.put_tick(tick(EVENTS[7]))
    subscription.put_progress(progress(EVENTS[7]))

    put_gap(subscription, EVENTS[2], GapReason.FORKED)

    batch = subscription.take()
    assert told(batch) == [("EVENT", 1), ("GAP", 3), ("SNAPSHOT", 3)]
    assert batch[1].reason is GapReason.FORKED


@pytest.mark.parametrize(
    ("first", "then", "reason"),
    [
        (GapReason.FORKED, GapReason.WINDOW_PASSED, GapReason.FORKED),
        (GapReason.EPOCH_CHANGED, GapReason.FORKED, GapReason.EPOCH_CHANGED),
        (GapReason.FORKED, GapReason.EPOCH_CHANGED, GapReason.EPOCH_CHANGED),
        (GapReason.WINDOW_PASSED, GapReason.FORKED, GapReason.FORKED),
    ],
)
async def test_of_two_gaps_the_change_of_history_is_told(first: GapReason, then: GapReason, reason: GapReason) -> None:
    """An unread gap gives way to the next one, but its change of history stays."""
    subscription = Subscription(limit=LIMIT)
    put_gap(subscription, EVENTS[2], first)

    put_gap(subscription, EVENTS[4], then)

    batch = subscription.take()
    assert told(batch) == [("GAP", 5), ("SNAPSHOT", 5)]
    assert batch[0].reason is reason


async def test_an_overflow_behind_a_fork_is_told_as_the_fork() -> None:
    """The reader has seen the lost branch: what it is shown next may step back, whatever came in between."""
    subscription = Subscription(limit=LIMIT)
    put_gap(subscription, EVENTS[2], GapReason.FORKED)
    for event in EVENTS[3 : 3 + LIMIT]:
        subscription.put(frames.of_event(event))

    batch = subscription.take()

    assert batch[0].reason is GapReason.FORKED
    assert [kind for kind, _ in told(batch)][:2] == ["GAP", "SNAPSHOT"]


async def test_an_end_arrives_whatever_else_is_lost() -> None:
    """An end that meets a full queue is written behind the gap and the snapshot."""
    subscription = Subscription(limit=LIMIT)
    for event in EVENTS[:LIMIT]:
        subscription.put(frames.of_event(event))
    last = EVENTS[LIMIT - 1].session

    subscription.put(frames.end(SID, last, BORN, EndReason.DRAINING, 300))

    assert [kind for kind, _ in told(subscription.take())] == ["GAP", "SNAPSHOT", "END"]


async def test_a_reader_that_is_away_costs_no_more_than_the_limit() -> None:
    """However long nobody reads, what waits stays bounded, and its end is the newest version."""
    subscription = Subscription(limit=LIMIT)
    for event in EVENTS:
        subscription.put(frames.of_event(event))
        subscription.put_tick(tick(event))
        assert len(subscription._queue) <= LIMIT + 2

    batch = subscription.take()

    versions = [version for kind, version in told(batch) if kind != "GAP"]
    assert told(batch)[0][0] == "GAP"
    assert versions[:-1] == list(range(versions[0], EVENTS[-1].session.version + 1))
    assert told(batch)[-1] == ("TICK", EVENTS[-1].session.version)


async def test_a_replay_is_no_overflow() -> None:
    """A replay may exceed the limit, and the reader may then be behind by the limit."""
    subscription = Subscription(limit=LIMIT)
    subscription.begin([frames.of_event(event) for event in EVENTS[:100]])
    for event in EVENTS[100 : 100 + LIMIT]:
        subscription.put(frames.of_event(event))

    assert told(subscription.take()) == [("EVENT", version) for version in range(1, 101 + LIMIT)]


@pytest.mark.parametrize(
    ("tick_ms", "progress_ms", "intervals"),
    [(0, 0, set()), (100, 0, {100}), (0, 250, {250}), (100, 250, {100, 250}), (100, 100, {100})],
)
def test_a_subscription_names_its_intervals(tick_ms: int, progress_ms: int, intervals: set[int]) -> None:
    """Ticks and progress may share a beat; 0 is none."""
    assert Subscription(tick_ms, progress_ms).intervals == intervals


LARGE = 300_000
"""Bytes of metadata of a large session: decoded and encoded they take twice as much."""


def large(event: Event) -> Frame:
    """Return the frame of an event of a large session."""
    return frames.of_event(event._replace(session=event.session._replace(metadata=bytes(LARGE))))


async def test_large_frames_are_bounded_by_their_bytes() -> None:
    """Long before the limit of frames: what waits is a gap and a snapshot, and the newest frames behind them."""
    subscription = Subscription()
    overflows = [subscription.put(large(event)) for event in EVENTS[:200]]
    waiting = []
    while not waiting or waiting[-1].session != large(EVENTS[199]).session:
        batch = subscription.take()
        assert sum(frame.size for frame in batch[:-1]) < BATCH_BYTES, "no more than it can write soon"
        waiting += batch

    assert any(overflows)
    assert told(waiting)[0][0] == "GAP"
    assert told(waiting)[1][0] == "SNAPSHOT"
    assert sum(frame.size for frame in waiting) < STREAM_BYTES + 2 * waiting[1].size
    assert [version for _, version in told(waiting)[1:]] == list(range(told(waiting)[1][1], 201))


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": b"x" * 8_192},
        {"labels": tuple((f"{number:064}", "x" * 64) for number in range(64))},
        {"groups": tuple(Group(f"{number:036}", full(1_000)) for number in range(32))},
        {"participants": tuple(Participant(f"{number:036}", number, None, full(1_000)) for number in range(32))},
        {"participants": tuple(Participant(f"{number:036}", number, None, STAGED) for number in range(7))},
    ],
    ids=["metadata", "labels", "groups", "participants", "time controls"],
)
async def test_whatever_makes_a_session_large_counts(changes: dict[str, Any]) -> None:
    """What a caller may fill is weighed, encoded and decoded, wherever it is."""
    event = EVENTS[0]
    frame = frames.of_event(event._replace(session=event.session._replace(**changes)))

    assert frame.size - frames.of_event(event).size > 8_192


async def test_the_streams_of_a_process_are_bounded_together() -> None:
    """A frame counts once however many streams share it; beyond the limit every stream keeps a gap and a snapshot."""
    everywhere = WaitingBytes(limit=10 * large(EVENTS[0]).size)
    streams = [Subscription(everywhere=everywhere) for _ in range(8)]
    for event in EVENTS[:10]:
        frame = large(event)
        overflows = [stream.put(frame) for stream in streams]
        assert not any(overflows)
    assert everywhere.bytes == everywhere.limit
    for event in EVENTS[10:60]:
        frame = large(event)
        for stream in streams:
            stream.put(frame)

    assert everywhere.bytes <= everywhere.limit + 2 * len(streams) * frame.size
    for stream in streams:
        stream.close()
    assert everywhere.bytes == 0


async def test_missed_events_too_large_to_wait_are_a_snapshot() -> None:
    """A resumed stream begins with a gap where the events it has missed are more than may wait."""
    subscription = Subscription(everywhere=WaitingBytes(limit=LARGE))
    subscription.begin(map(large, EVENTS[:5]))

    assert told(subscription.take()) == [("GAP", 5), ("SNAPSHOT", 5)]
