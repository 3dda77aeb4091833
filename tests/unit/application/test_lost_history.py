"""The store loses versions, or all, while the feed is down: no reader gets one branch's version after another's."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from synckairos.application.errors import StoreUnavailable
from synckairos.application.frames import FrameKind, GapReason
from synckairos.application.ports import Hint, Request, Since
from synckairos.application.subscriptions import QUEUE_LIMIT
from synckairos.domain.commands import Pause, Resume, Start, Switch
from synckairos.domain.errors import SessionNotFound
from synckairos.domain.model import Session
from synckairos.domain.recovery import RecoveryPolicy
from testing.harness.plays import SID
from tests.unit.application.watched import (
    CALLER,
    FAR,
    create,
    do,
    during,
    follow,
    head_of,
    lost_afterwards,
    running,
    told,
    turns,
)
from tests.unit.rpc.world import World

LINE_IS_BACK = Hint("", None)


@contextmanager
def without_hints(world: World) -> Iterator[list[Hint]]:
    """Keep hints from the process meanwhile, and yield them."""
    kept: list[Hint] = []
    listeners, world.data.listeners = world.data.listeners, [kept.append]
    yield kept
    world.data.listeners = listeners


def hinting_behind_readings(world: World, hints: list[Hint]) -> list[int]:
    """Deliver one of the hints behind every reading of what was missed; return the versions that are read from."""
    since, readings = world.feed.since, list[int]()

    async def with_a_hint_behind_it(session_id: str, version: int) -> Since:
        readings.append(version)
        found = await since(session_id, version)
        world.watching.hint(hints.pop(0))
        return found

    world.feed.since = with_a_hint_behind_it  # type: ignore[method-assign] # stands in for it
    return readings


async def recover(world: World) -> Session:
    """Lose the session and bring it back from the trail, into another life."""
    del world.data.sessions[SID], world.data.events[SID]
    view = await world.recovery.recover(SID, RecoveryPolicy.CONTINUE, CALLER.author, Request(), FAR)
    return view.session


async def fork(world: World) -> tuple[Session, Session]:
    """Change the session once more, lose that, and change it differently; return both branches' third version.

    The process has heard of the first and not of the second.
    """
    with lost_afterwards(world):
        lost = await do(world, Switch())
    with without_hints(world):
        kept = await do(world, Pause())
    assert (lost.version, kept.version) == (3, 3)
    return lost, kept


@pytest.mark.parametrize("polls", [True, False], ids=["the poll is first", "the hint is first"])
async def test_the_next_version_of_another_branch_is_a_gap(world: World, polls: bool) -> None:
    """The store lost version 3 and made another; the hint of version 4 does not pass for the next event."""
    _, subscription = await running(world)
    await fork(world)
    poll = asyncio.ensure_future(world.watching.poll())
    await turns()
    told(subscription)

    world.watching.hint(LINE_IS_BACK)
    if polls:
        await turns()
    await do(world, Resume())
    await turns()
    poll.cancel()

    came = told(subscription)
    assert came[0][0] == "GAP"
    assert came[1:] in ([("SNAPSHOT", 4)], [("SNAPSHOT", 3), ("EVENT", 4)])
    assert world.observed.gaps == ["FORKED"]


@pytest.mark.parametrize("waiting", [1, QUEUE_LIMIT - 2, QUEUE_LIMIT - 1, QUEUE_LIMIT])
async def test_a_slow_reader_is_told_of_the_fork(world: World, waiting: int) -> None:
    """However much waits for the reader, the step back in version is told as the fork that it is, and once."""
    _, subscription = await running(world)
    with lost_afterwards(world):
        await do(world, *[Switch()] * waiting)

    world.watching.hint(Hint(SID, None))
    await turns()

    gap, snapshot = subscription._take()
    assert (gap.kind, gap.reason) == (FrameKind.GAP, GapReason.FORKED)
    assert (snapshot.kind, snapshot.session) == (FrameKind.SNAPSHOT, world.stored(SID))
    assert world.observed.gaps == ["FORKED"]


async def test_hints_of_another_branch_do_not_pass_for_the_next_event(world: World) -> None:
    """Two of them come at once, the first for a version that was sent otherwise: both wait for a reading."""
    _, subscription = await running(world)
    await fork(world)
    with without_hints(world) as kept:
        await do(world, Resume())
    third = world.data.retained(SID)[-2]
    told(subscription)

    for hint in (Hint(SID, third), *kept):
        world.watching.hint(hint)
    await turns()

    assert told(subscription) == [("GAP", 4), ("SNAPSHOT", 4)]
    assert world.observed.gaps == ["FORKED"]


async def test_a_line_that_broke_without_a_loss_costs_no_gap(world: World) -> None:
    """Nothing was lost: what was missed is sent as events, and hints count again."""
    _, subscription = await running(world)
    poll = asyncio.ensure_future(world.watching.poll())
    with without_hints(world):
        await do(world, Switch())

    world.watching.hint(LINE_IS_BACK)
    await do(world, Switch())
    await turns()
    await do(world, Switch())
    poll.cancel()

    assert told(subscription) == [("EVENT", 3), ("EVENT", 4), ("EVENT", 5)]


@pytest.mark.parametrize("comes_back", [False, True], ids=["newcomer", "with a token"])
async def test_a_reader_that_joins_after_a_fork_is_shown_the_living_branch(world: World, comes_back: bool) -> None:
    """Others still stand on the lost branch: they are told, and the one who joins never sees it."""
    _, first = await running(world)
    _, kept = await fork(world)
    told(first)

    second = await follow(world, head_of(kept) if comes_back else None)

    assert told(first) == [("GAP", 3), ("SNAPSHOT", 3)]
    assert told(second) == [("PROGRESS" if comes_back else "SNAPSHOT", 3)]
    assert world.stored(SID) == kept


@pytest.mark.parametrize("standing", ["newcomer", "with a token", "with a lost token"])
async def test_who_joins_a_store_that_went_back_is_not_shown_what_it_lost(world: World, standing: str) -> None:
    """The store is at an earlier version than others are shown, and the line has not been found to be broken yet."""
    kept, first = await running(world)
    with lost_afterwards(world):
        lost = await do(world, Switch(), Switch())
    told(first)

    second = await follow(world, {"with a token": head_of(kept), "with a lost token": head_of(lost)}.get(standing))

    shown = {"with a token": [("PROGRESS", 2)], "with a lost token": [("GAP", 2), ("SNAPSHOT", 2)]}
    assert told(first) == [("GAP", 2), ("SNAPSHOT", 2)]
    assert told(second) == shown.get(standing, [("SNAPSHOT", 2)])


@pytest.mark.parametrize("comes_back", [False, True], ids=["newcomer", "with a token"])
async def test_late_hints_of_the_lost_branch_keep_nobody_from_joining(world: World, comes_back: bool) -> None:
    """The store went back and on differently; what it lost is still being heard of, a version with every reading."""
    kept, first = await running(world)
    with lost_afterwards(world), without_hints(world) as late:
        await do(world, *[Switch()] * 40)
    with without_hints(world):
        await do(world, Pause())
    world.watching.hint(late.pop(0))
    world.watching.hint(late.pop(0))
    readings = hinting_behind_readings(world, late)
    told(first)

    second = await follow(world, head_of(kept) if comes_back else None)

    assert told(second) == [("EVENT" if comes_back else "SNAPSHOT", 3)]
    assert told(first) == [("GAP", 3), ("SNAPSHOT", 3)]
    assert len(readings) <= 3


@pytest.mark.parametrize("comes_back", [False, True], ids=["newcomer", "with a token"])
async def test_a_reading_that_a_hint_overtakes_is_no_fork(world: World, comes_back: bool) -> None:
    """The hint of a change comes before the reading that was begun before it: one more reading, and no gap."""
    seen = head_of(await create(world))
    first = await follow(world)
    during(world.feed if comes_back else world.sessions, "since" if comes_back else "get", lambda: do(world, Start()))

    second = await follow(world, seen if comes_back else None)

    assert told(first) == [("SNAPSHOT", 1), ("EVENT", 2)]
    assert told(second) == [("EVENT" if comes_back else "SNAPSHOT", 2)]
    assert not world.observed.gaps


async def test_a_reading_that_hints_overtake_is_no_gap(world: World) -> None:
    """While a joiner reads what was missed the hints of it come after all: the reading is old then, and no fork."""
    await create(world)
    first = await follow(world)
    with without_hints(world) as late:
        await do(world, Start())

    async def overtake() -> None:
        world.watching.hint(late[0])
        await do(world, Switch())

    during(world.feed, "since", overtake)
    second = await follow(world)

    assert told(first) == [("SNAPSHOT", 1), ("EVENT", 2), ("EVENT", 3)]
    assert told(second) == [("SNAPSHOT", 3)]
    assert not world.observed.gaps


async def test_hints_of_a_former_life_come_too_late(world: World) -> None:
    """Delayed until after a recovery they are old news, in whatever order they come."""
    started, subscription = await running(world)
    await world.drain()
    with without_hints(world) as late:
        await do(world, Switch(), Switch())
        recovered = await recover(world)
    *former, new_life = late

    for hint in (former[1], new_life, former[0], former[1], new_life):
        world.watching.hint(hint)
        await turns()

    assert told(subscription) == [("GAP", recovered.version), ("SNAPSHOT", recovered.version)]
    assert world.observed.gaps == ["EPOCH_CHANGED"]
    assert recovered.epoch > started.epoch


async def test_a_token_of_a_former_life_is_a_gap(world: World) -> None:
    """Whoever comes back after a recovery is told that the life it knew has ended."""
    await create(world)
    seen = head_of(await do(world, Start()))
    await world.drain()
    recovered = await recover(world)

    subscription = await follow(world, seen)

    assert told(subscription) == [("GAP", recovered.version), ("SNAPSHOT", recovered.version)]


@pytest.mark.parametrize("error", [StoreUnavailable("lost"), SessionNotFound(SID)], ids=["lost", "removed"])
async def test_a_store_lost_amid_a_join_is_no_deletion(world: World, error: Exception) -> None:
    """What was missed cannot be read, for nothing is there any more: whether that is a loss is the store's to say."""
    await create(world)
    first = await follow(world)
    with without_hints(world):
        await do(world, Start())

    async def fail(_: str) -> Any:
        raise error

    def lose() -> None:
        del world.data.sessions[SID], world.data.events[SID]
        world.sessions.get = fail  # type: ignore[method-assign] # stands in for it

    during(world.sessions, "get", lose)
    with pytest.raises(type(error)):
        await follow(world)

    assert told(first) == [("SNAPSHOT", 1)]
