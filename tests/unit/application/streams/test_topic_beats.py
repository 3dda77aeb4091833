"""The frames of a watched session between its versions: ticks, warnings, progress."""

import asyncio
from typing import Any

import pytest

from synckairos.application.ports import Since
from synckairos.application.streams.frames import SMALL_BYTES, FrameKind, GapReason
from synckairos.application.streams.subscriptions import Subscription, WaitingBytes
from synckairos.application.streams.topics import Topic
from synckairos.domain.commands import AdjustTime, AdvanceClock, Cancel, Pause, Resume, Start, Switch, Update
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.events import Event
from synckairos.domain.families import ByoYomi
from synckairos.domain.model import OnExpire, Session
from testing.harness.builders import started
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.playing.plays import BORN, BUDGET, KINDS, SID, Play
from tests.unit.domain.controls.control_builders import players

CROSSING = BORN + 10_000
"""When a running session crosses its threshold of 50 s left."""


@pytest.mark.parametrize(
    ("commands", "at", "ticks"),
    [
        pytest.param([], 10, False, id="pending"),
        pytest.param([(0, Start())], 0, False, id="at its start"),
        pytest.param([(0, Start())], 1, True, id="running"),
        pytest.param([(0, Start())], BUDGET - 1, True, id="a ms before the deadline"),
        pytest.param([(0, Start())], BUDGET, False, id="at the deadline"),
        pytest.param([(0, Start())], BUDGET + 500, False, id="behind the deadline"),
        pytest.param([(0, Start()), (5, Pause())], 10, False, id="paused"),
        pytest.param([(0, Start()), (5, Pause()), (9, Resume())], 10, True, id="resumed"),
        pytest.param([(0, Start()), (5, Cancel())], 10, False, id="ended"),
        pytest.param([(0, Start()), (5, Switch())], 5, False, id="at its last version"),
    ],
)
async def test_only_a_running_clock_ticks(staged: Any, commands: list[Any], at: int, ticks: bool) -> None:
    """Nothing ticks that does not run, behind its deadline, or before the version it would be a tick of."""
    play = Play(KINDS["participant"])
    for when, command in commands:
        play.do(when, command)

    tick = staged(play.session).topic.tick(BORN + at)

    assert (tick is not None) is ticks


async def test_overtime_ticks_on(staged: Any) -> None:
    """Under NOTIFY the clock runs on past the deadline, and so do its ticks."""
    play = Play(KINDS["global"]._replace(on_expire=OnExpire.NOTIFY))
    play.do(0, Start())
    play.do(BUDGET, None)

    assert staged(play.session).topic.tick(BORN + BUDGET + 1) is not None


def warned(thresholds: tuple[int, ...]) -> Play:
    """Return a running play of one countdown with warnings."""
    play = Play(KINDS["global"]._replace(warning_thresholds_ms=thresholds))
    play.do(0, Start())
    return play


async def test_warnings_come_before_the_event_that_follows_them(staged: Any) -> None:
    """An event says how late it is: the thresholds crossed until then are told first, each once, highest first."""
    play = warned((50_000, 1_000, 40_000))
    stage = staged(play.session)
    play.do(25_000, Update(labels=(("a", "b"),)))
    stage.topic.take(play.events[-1])
    play.do(30_000, Pause())
    stage.topic.take(play.events[-1])

    assert stage.told() == [("WARNING", 50_000), ("WARNING", 40_000), ("EVENT", 3), ("EVENT", 4)]


async def test_a_threshold_is_crossed_again_only_after_an_adjustment(staged: Any) -> None:
    """A pause repeats nothing; more time does."""
    play = warned((50_000,))
    stage = staged(play.session)
    for at, command in (
        (12_000, Pause()), (20_000, Resume()), (25_000, AdjustTime(set_ms=55_000)), (31_000, Pause()),
    ):  # fmt: skip
        play.do(at, command)
        stage.topic.take(play.events[-1])

    assert stage.told() == [
        ("WARNING", 50_000), ("EVENT", 3), ("EVENT", 4), ("EVENT", 5), ("WARNING", 50_000), ("EVENT", 6),
    ]  # fmt: skip


async def test_thresholds_above_the_budget_are_never_crossed(staged: Any) -> None:
    """Only a threshold below what there is at the start can be crossed; one equal to it is not."""
    play = warned((BUDGET, BUDGET + 1, BUDGET - 1))
    stage = staged(play.session)
    play.do(1_000, Pause())
    stage.topic.take(play.events[-1])

    assert stage.told() == [("WARNING", BUDGET - 1), ("EVENT", 3)]


async def timers() -> None:
    """Let the timers that are due run."""
    for _ in range(5):
        await asyncio.sleep(0)


def warnings(subscription: Subscription) -> list[tuple[int, int]]:
    """Return the instant and the threshold of what was queued since, which must be warnings."""
    queued = list(subscription.take())
    assert {frame.kind.name for frame in queued} <= {"WARNING"}
    return [(frame.at, frame.value) for frame in queued]


async def test_a_threshold_crossed_before_the_first_reading_is_not_told() -> None:
    """A reader that begins behind a threshold sees that in the snapshot; only the next one is a warning."""
    clock = FakeClock((CROSSING + 1) * 1_000)
    topic, reader = Topic(SID, clock, lambda _: None), Subscription()

    topic.begin(warned((50_000, 40_000)).session, CROSSING)
    topic.add(reader, CROSSING)
    await timers()
    before = warnings(reader)
    topic._on_warning(CROSSING + 10_000)
    topic.close()

    assert before == []
    assert warnings(reader) == [(CROSSING + 10_000, 40_000)]


@pytest.mark.parametrize(
    ("told_until", "is_told"),
    [
        pytest.param(CROSSING - 1, True, id="snapshot just before"),
        pytest.param(CROSSING, False, id="snapshot at the crossing"),
        pytest.param(CROSSING + 1, False, id="snapshot just behind"),
    ],
)
@pytest.mark.parametrize("is_early", [True, False], ids=["joined before the timer", "joined behind the timer"])
async def test_a_crossing_amid_a_join_is_told_once_or_shown(
    staged: Any, told_until: int, is_told: bool, is_early: bool
) -> None:
    """Whichever comes first, timer or reader: a warning if its snapshot is older than the crossing, and only then."""
    stage, reader = staged(warned((50_000,)).session), Subscription()

    if is_early:
        stage.topic.add(reader, told_until)
    stage.clock.us = (CROSSING + 2) * 1_000
    stage.topic._on_warning(CROSSING)
    if not is_early:
        stage.topic.add(reader, told_until)
    stage.topic._on_warning(CROSSING)

    assert stage.told() == [("WARNING", 50_000)]
    assert warnings(reader) == [(CROSSING, 50_000)] * is_told


async def test_thresholds_crossed_before_the_snapshot_of_a_gap_are_not_told_again(staged: Any) -> None:
    """Thresholds crossed before the snapshot that follows a gap are not told again behind it."""
    play = warned((50_000, 40_000))
    stage = staged(play.session)
    play.do(1_000, Update(labels=(("a", "b"),)))
    stage.clock.us = (CROSSING + 1) * 1_000

    stage.topic.reconcile(Since([], play.session), 0)
    await timers()
    before = stage.told()
    stage.topic._on_warning(CROSSING + 10_000)

    assert [kind for kind, _ in before] == ["GAP", "SNAPSHOT"]
    assert stage.told() == [("WARNING", 40_000)]


async def test_a_version_that_came_late_is_followed_by_its_warnings(staged: Any) -> None:
    """Readers are not told less because a hint was lost, nor because their snapshot is younger than the version."""
    play = warned((50_000,))
    stage, reader = staged(play.session), Subscription()
    stage.topic.add(reader, BORN + 9_000)
    play.do(2_000, AdjustTime(set_ms=51_000))
    stage.clock.us = (BORN + 9_000) * 1_000

    stage.topic.take(play.events[-1])
    await timers()

    assert stage.told() == [("EVENT", 3), ("WARNING", 50_000)]
    assert [frame.kind.name for frame in reader.take()] == ["EVENT", "WARNING"]


async def test_a_version_that_came_late_repeats_no_warning(staged: Any) -> None:
    """A change that leaves the clock alone is heard of behind a crossing it came before: that is not told again."""
    play = warned((50_000, 40_000))
    stage = staged(play.session)
    play.do(2_000, Update(labels=(("a", "b"),)))
    stage.clock.us = (CROSSING + 1) * 1_000
    stage.topic._on_warning(CROSSING)

    stage.topic.take(play.events[-1])
    await timers()
    stage.topic._on_warning(CROSSING + 10_000)

    assert stage.told() == [("WARNING", 50_000), ("EVENT", 3), ("WARNING", 40_000)]


async def test_a_new_cycle_warns_anew(staged: Any) -> None:
    """Each cycle has its own crossing; the one of the turn before is not repeated."""
    play = Play(KINDS["cycle"]._replace(warning_thresholds_ms=(50_000,)))
    play.do(0, Start())
    stage = staged(play.session)
    for at in (15_000, 20_000, 40_000):
        play.do(at, Switch())
        stage.topic.take(play.events[-1])

    assert stage.told() == [
        ("WARNING", 50_000), ("EVENT", 3), ("EVENT", 4), ("WARNING", 50_000), ("EVENT", 5),
    ]  # fmt: skip


async def test_progress_needs_a_reading(staged: Any) -> None:
    """Before the first reading there is nothing that could have been sent; after it, everything up to its version."""
    assert Topic(SID, FakeClock(), lambda _: None).progress(BORN) is None
    assert staged(warned(()).session).topic.progress(BORN) is not None


def advanced(periods: int, by_ms: int) -> tuple[Session, list[Event]]:
    """Return a session with a manual clock in byo-yomi, begun, and the events of an advance."""
    control = TimeControl((Stage(0, 0, ByoYomi(periods, 1_000)),))
    game = started(players(control, manual_clock=True))
    begun, known = game.session._replace(session_id=SID), len(game.events)
    game.decide(0, AdvanceClock(by_ms))
    return begun, [event._replace(session=event.session._replace(session_id=SID)) for event in game.events[known:]]


async def test_a_manual_clock_passes_more_than_may_wait() -> None:
    """Nobody can read while it is told, so a reader that keeps up hears of all of it."""
    begun, events = advanced(1_000, 900_500)
    topic, subscription = Topic(SID, FakeClock(begun.updated_at * 1_000), pytest.fail), Subscription()
    topic.begin(begun, begun.updated_at)
    topic.add(subscription, begun.updated_at)

    assert all(map(topic.take, events))

    told = subscription.take()
    assert [frame.kind for frame in told] == [FrameKind.EVENT, *[FrameKind.PHASE] * 900]
    assert [frame.at - begun.updated_at for frame in told[1:]] == [*range(1_000, 901_000, 1_000)]


async def test_what_follows_a_gap_is_not_older_than_its_snapshot() -> None:
    """A reader that must skip a part of what a manual clock passes goes on from there."""
    begun, events = advanced(1_000, 900_500)
    gaps = list[GapReason]()
    everywhere = WaitingBytes(limit=300 * SMALL_BYTES)
    topic = Topic(SID, FakeClock(begun.updated_at * 1_000), gaps.append)
    subscription = Subscription(everywhere=everywhere)
    topic.begin(begun, begun.updated_at)
    topic.add(subscription, begun.updated_at)

    assert all(map(topic.take, events))

    instants = [frame.at for frame in subscription.take()]
    assert gaps
    assert instants == sorted(instants)
    assert instants[-1] == begun.updated_at + 900_000
