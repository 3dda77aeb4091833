"""One watched session: what hints and readings mean for its subscribers."""

from typing import Any

import pytest

from synckairos.application.ports import Since
from synckairos.application.streams.frames import FrameKind, GapReason
from synckairos.application.streams.subscriptions import Subscription
from synckairos.application.streams.topics import Replay, replay_from
from synckairos.domain.commands import Cancel, Delete, Start, Switch
from synckairos.domain.events import Event
from synckairos.domain.model import Head
from testing.harness.playing.plays import KINDS, Play

OTHER_CHANGE = "50000000-0000-4000-8000-000000000009"


def play_of(versions: int) -> Play:
    """Return a play that has come to this version."""
    play = Play(KINDS["participant"])
    play.do(0, Start())
    for at in range(1, versions - 1):
        play.do(at, Switch())
    return play


PLAY = play_of(30)
EVENTS = PLAY.events
NOW = PLAY.session
WINDOW = EVENTS[-16:]


def head(version: int, *, epoch: int = NOW.epoch, change_id: str = "") -> Head:
    """Return what identifies a version of the play."""
    known = EVENTS[version - 1].session.change_id if version <= len(EVENTS) else OTHER_CHANGE
    return Head(epoch, version, change_id or known)


def since(version: int) -> Since:
    """Return what a store with a window of 16 retains from a version on."""
    events = [event for event in WINDOW if event.session.version >= version]
    return Since(events, NOW, EVENTS[events[0].session.version - 2].session.change_id if events else "")


@pytest.mark.parametrize(
    ("position", "versions", "gap", "min_version"),
    [
        pytest.param(head(30), [], None, 0, id="nothing missed"),
        pytest.param(head(29), [30], None, 0, id="one missed"),
        pytest.param(head(15), list(range(16, 31)), None, 0, id="the oldest that is retained"),
        pytest.param(head(14), list(range(15, 31)), None, 0, id="as many missed as are retained"),
        pytest.param(head(14, change_id=OTHER_CHANGE), [], GapReason.FORKED, 15, id="forked just before the window"),
        pytest.param(head(13), [], GapReason.WINDOW_PASSED, 15, id="one too old"),
        pytest.param(head(1), [], GapReason.WINDOW_PASSED, 15, id="much too old"),
        pytest.param(head(20, epoch=NOW.epoch - 1), [], GapReason.EPOCH_CHANGED, 0, id="an earlier life"),
        pytest.param(head(30, epoch=NOW.epoch + 1), [], GapReason.EPOCH_CHANGED, 0, id="another life"),
        pytest.param(head(31), [], GapReason.FORKED, 0, id="ahead of the store"),
        pytest.param(head(30, change_id=OTHER_CHANGE), [], GapReason.FORKED, 0, id="forked at the end"),
        pytest.param(head(20, change_id=OTHER_CHANGE), [], GapReason.FORKED, 20, id="forked earlier"),
    ],
)
def test_a_position_is_replayed_or_refused_with_a_reason(
    position: Head, versions: list[int], gap: GapReason | None, min_version: int
) -> None:
    """Same life, same history, still in the window: the missed events exactly; else the reason."""
    replay = replay_from(position, since(position.version), NOW)

    assert [event.session.version for event in replay.events] == versions
    assert (replay.gap, replay.min_version) == (gap, min_version)


def test_what_an_older_version_retained_cannot_be_told_from_a_fork() -> None:
    """Its entries do not say what they followed: a position just before them is a gap."""
    position = head(14)

    replay = replay_from(position, since(position.version)._replace(before=""), NOW)

    assert (replay.events, replay.gap, replay.min_version) == ((), GapReason.WINDOW_PASSED, 15)


def test_an_empty_window_is_a_gap() -> None:
    """A store that retains nothing cannot replay anything."""
    assert replay_from(head(20), Since([], NOW), NOW) == Replay(gap=GapReason.WINDOW_PASSED)


def changed(event: Event, **fields: Any) -> Event:
    """Return the event with its session changed."""
    return event._replace(session=event.session._replace(**fields))


@pytest.mark.parametrize(
    ("hint", "is_enough", "told"),
    [
        pytest.param(EVENTS[10], True, [("EVENT", 11)], id="the next version"),
        pytest.param(EVENTS[9], True, [], id="the same again"),
        pytest.param(EVENTS[3], True, [], id="an old one"),
        pytest.param(EVENTS[11], False, [], id="one skipped"),
        pytest.param(changed(EVENTS[9], change_id=OTHER_CHANGE), False, [], id="the same version of a fork"),
        pytest.param(changed(EVENTS[0], epoch=NOW.epoch + 1), False, [], id="a new life"),
        pytest.param(changed(EVENTS[10], epoch=NOW.epoch - 1), True, [], id="a former life"),
    ],
)
async def test_a_hint_moves_the_topic_by_one_version_or_not_at_all(
    staged: Any, hint: Event, is_enough: bool, told: list[Any]
) -> None:
    """Only the very next version is passed on; what does not fit asks for a reading, and old news is no news."""
    stage = staged(EVENTS[9].session)

    assert stage.topic.take(hint) is is_enough
    assert stage.told() == told


async def test_a_hint_behind_a_broken_line_proves_nothing(staged: Any) -> None:
    """The next version may be another branch's: it is taken only after a reading begun since the line broke."""
    stage = staged(EVENTS[19].session)
    begun_before = stage.topic.doubts
    stage.topic.doubt()

    refused = stage.topic.take(EVENTS[20])
    stage.topic.reconcile(Since(EVENTS[19:21], EVENTS[20].session), begun_before)
    still_refused = stage.topic.take(EVENTS[21])
    stage.topic.clear_doubt(stage.topic.doubts)

    assert (refused, still_refused) == (False, False)
    assert stage.topic.take(EVENTS[21])
    assert stage.told() == [("EVENT", 21), ("EVENT", 22)]


async def test_missed_events_are_read_and_sent(staged: Any) -> None:
    """A reading brings the subscribers up by every missed event, in order."""
    stage = staged(EVENTS[19].session)

    stage.topic.reconcile(since(20), 0)

    assert stage.told() == [("EVENT", version) for version in range(21, 31)]
    assert not stage.gaps


@pytest.mark.parametrize(
    ("version", "fields", "reason"),
    [
        pytest.param(3, {}, GapReason.WINDOW_PASSED, id="the window has passed"),
        pytest.param(20, {"change_id": OTHER_CHANGE}, GapReason.FORKED, id="the store forked"),
        pytest.param(20, {"epoch": NOW.epoch - 1}, GapReason.EPOCH_CHANGED, id="a new life began"),
    ],
)
async def test_events_that_cannot_be_replayed_become_a_gap_and_a_snapshot(
    staged: Any, version: int, fields: dict[str, Any], reason: GapReason
) -> None:
    """Subscribers are never brought up silently: a gap with its reason, the state, and from there on the next event."""
    stage = staged(EVENTS[version - 1].session._replace(**fields))

    stage.topic.reconcile(since(version), 0)

    assert stage.told() == [("GAP", reason.name), ("SNAPSHOT", 30)]
    assert stage.gaps == [reason]
    assert stage.topic.is_at(head(30))


async def test_every_gap_that_is_sent_is_counted(staged: Any) -> None:
    """One for each subscriber that gets it: those that overflow, and all when events cannot be read."""
    stage = staged(EVENTS[0].session)
    slow = Subscription(limit=4)
    stage.topic.add(slow, EVENTS[0].session.updated_at)

    for event in EVENTS[1:6]:
        stage.topic.take(event)
    counted = list(stage.gaps)
    stage.topic.reconcile(since(30), 0)

    assert counted == [GapReason.SLOW_READER]
    assert stage.gaps[1:] == [GapReason.WINDOW_PASSED] * 2


@pytest.mark.parametrize(
    ("command", "end"),
    [pytest.param(Cancel(), "TERMINAL", id="terminal"), pytest.param(Delete(), "DELETED", id="deleted")],
)
async def test_the_end_of_a_session_ends_its_subscriptions(staged: Any, command: Any, end: str) -> None:
    """After the last event comes the end, and then nothing, not even to a subscription that joins in between."""
    play = play_of(5)
    stage = staged(play.session)
    play.do(100, command)

    stage.topic.take(play.events[-1])
    late = Subscription()
    stage.topic.add(late, 0)

    assert stage.told() == [("EVENT", 6), ("END", end)]
    assert [frame.reason.name for frame in late.take() if frame.kind is FrameKind.END and frame.reason] == [end]
    assert not stage.topic.subscribers
    assert not stage.topic.sends_to(stage.subscription)


async def test_a_session_that_is_gone_without_an_event_ends_as_deleted(staged: Any) -> None:
    """Removed by the sweep, its hint lost: the end still comes."""
    stage = staged(NOW)

    stage.topic.vanish()

    assert stage.told() == [("END", "DELETED")]
