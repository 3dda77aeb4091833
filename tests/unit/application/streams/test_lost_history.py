"""The store loses versions, or all, while the feed is down: no reader gets one branch's version after another's."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from synckairos.application.errors import StoreUnavailable
from synckairos.application.ports import Hint, Request, Since
from synckairos.application.streams.frames import FrameKind, GapReason
from synckairos.application.streams.subscriptions import QUEUE_LIMIT
from synckairos.domain.commands import Pause, Resume, Start, Switch
from synckairos.domain.errors import SessionNotFound
from synckairos.domain.model import Session
from synckairos.domain.recovery import RecoveryPolicy
from testing.harness.playing.plays import SID
from tests.unit.application.streams.watched import (
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
from tests.unit.rpc.use_cases import UseCases

LINE_IS_BACK = Hint("", None)


@contextmanager
def without_hints(cases: UseCases) -> Iterator[list[Hint]]:
    """Keep hints from the process meanwhile, and yield them."""
    kept: list[Hint] = []
    listeners, cases.data.listeners = cases.data.listeners, [kept.append]
    yield kept
    cases.data.listeners = listeners


def hinting_behind_readings(cases: UseCases, hints: list[Hint]) -> list[int]:
    """Deliver one of the hints behind every reading of what was missed; return the versions that are read from."""
    since, readings = cases.feed.since, list[int]()

    async def with_a_hint_behind_it(session_id: str, version: int) -> Since:
        readings.append(version)
        found = await since(session_id, version)
        cases.watching.hint(hints.pop(0))
        return found

    cases.feed.since = with_a_hint_behind_it  # type: ignore[method-assign] # stands in for it
    return readings


async def recover(cases: UseCases) -> Session:
    """Lose the session and bring it back from the trail, into another life."""
    del cases.data.sessions[SID], cases.data.events[SID]
    view = await cases.recovery.recover(SID, RecoveryPolicy.CONTINUE, CALLER.author, Request(), FAR)
    return view.session


async def fork(cases: UseCases) -> tuple[Session, Session]:
    """Change the session once more, lose that, and change it differently; return both branches' third version.

    The process has heard of the first and not of the second.
    """
    with lost_afterwards(cases):
        lost = await do(cases, Switch())
    with without_hints(cases):
        kept = await do(cases, Pause())
    assert (lost.version, kept.version) == (3, 3)
    return lost, kept


@pytest.mark.parametrize("polls", [True, False], ids=["the poll is first", "the hint is first"])
async def test_the_next_version_of_another_branch_is_a_gap(cases: UseCases, polls: bool) -> None:
    """The store lost version 3 and made another; the hint of version 4 does not pass for the next event."""
    _, subscription = await running(cases)
    await fork(cases)
    poll = asyncio.ensure_future(cases.watching.poll())
    await turns()
    told(subscription)

    cases.watching.hint(LINE_IS_BACK)
    if polls:
        await turns()
    await do(cases, Resume())
    await turns()
    poll.cancel()

    came = told(subscription)
    assert came[0][0] == "GAP"
    assert came[1:] in ([("SNAPSHOT", 4)], [("SNAPSHOT", 3), ("EVENT", 4)])
    assert cases.observed.gaps == ["FORKED"]


@pytest.mark.parametrize("waiting", [1, QUEUE_LIMIT - 2, QUEUE_LIMIT - 1, QUEUE_LIMIT])
async def test_a_slow_reader_is_told_of_the_fork(cases: UseCases, waiting: int) -> None:
    """However much waits for the reader, the step back in version is told as the fork that it is, and once."""
    _, subscription = await running(cases)
    with lost_afterwards(cases):
        await do(cases, *[Switch()] * waiting)

    cases.watching.hint(Hint(SID, None))
    await turns()

    gap, snapshot = subscription.take()
    assert (gap.kind, gap.reason) == (FrameKind.GAP, GapReason.FORKED)
    assert (snapshot.kind, snapshot.session) == (FrameKind.SNAPSHOT, cases.stored(SID))
    assert cases.observed.gaps == ["FORKED"]


async def test_hints_of_another_branch_do_not_pass_for_the_next_event(cases: UseCases) -> None:
    """Two of them come at once, the first for a version that was sent otherwise: both wait for a reading."""
    _, subscription = await running(cases)
    await fork(cases)
    with without_hints(cases) as kept:
        await do(cases, Resume())
    third = cases.data.retained(SID)[-2]
    told(subscription)

    for hint in (Hint(SID, third), *kept):
        cases.watching.hint(hint)
    await turns()

    assert told(subscription) == [("GAP", 4), ("SNAPSHOT", 4)]
    assert cases.observed.gaps == ["FORKED"]


async def test_a_line_that_broke_without_a_loss_costs_no_gap(cases: UseCases) -> None:
    """Nothing was lost: what was missed is sent as events, and hints count again."""
    _, subscription = await running(cases)
    poll = asyncio.ensure_future(cases.watching.poll())
    with without_hints(cases):
        await do(cases, Switch())

    cases.watching.hint(LINE_IS_BACK)
    await do(cases, Switch())
    await turns()
    await do(cases, Switch())
    poll.cancel()

    assert told(subscription) == [("EVENT", 3), ("EVENT", 4), ("EVENT", 5)]


@pytest.mark.parametrize("comes_back", [False, True], ids=["newcomer", "with a token"])
async def test_a_reader_that_joins_after_a_fork_is_shown_the_living_branch(cases: UseCases, comes_back: bool) -> None:
    """Others still stand on the lost branch: they are told, and the one who joins never sees it."""
    _, first = await running(cases)
    _, kept = await fork(cases)
    told(first)

    second = await follow(cases, head_of(kept) if comes_back else None)

    assert told(first) == [("GAP", 3), ("SNAPSHOT", 3)]
    assert told(second) == [("PROGRESS" if comes_back else "SNAPSHOT", 3)]
    assert cases.stored(SID) == kept


@pytest.mark.parametrize("standing", ["newcomer", "with a token", "with a lost token"])
async def test_who_joins_a_store_that_went_back_is_not_shown_what_it_lost(cases: UseCases, standing: str) -> None:
    """The store is at an earlier version than others are shown, and the line has not been found to be broken yet."""
    kept, first = await running(cases)
    with lost_afterwards(cases):
        lost = await do(cases, Switch(), Switch())
    told(first)

    second = await follow(cases, {"with a token": head_of(kept), "with a lost token": head_of(lost)}.get(standing))

    shown = {"with a token": [("PROGRESS", 2)], "with a lost token": [("GAP", 2), ("SNAPSHOT", 2)]}
    assert told(first) == [("GAP", 2), ("SNAPSHOT", 2)]
    assert told(second) == shown.get(standing, [("SNAPSHOT", 2)])


@pytest.mark.parametrize("comes_back", [False, True], ids=["newcomer", "with a token"])
async def test_late_hints_of_the_lost_branch_keep_nobody_from_joining(cases: UseCases, comes_back: bool) -> None:
    """The store went back and on differently; what it lost is still being heard of, a version with every reading."""
    kept, first = await running(cases)
    with lost_afterwards(cases), without_hints(cases) as late:
        await do(cases, *[Switch()] * 40)
    with without_hints(cases):
        await do(cases, Pause())
    cases.watching.hint(late.pop(0))
    cases.watching.hint(late.pop(0))
    readings = hinting_behind_readings(cases, late)
    told(first)

    second = await follow(cases, head_of(kept) if comes_back else None)

    assert told(second) == [("EVENT" if comes_back else "SNAPSHOT", 3)]
    assert told(first) == [("GAP", 3), ("SNAPSHOT", 3)]
    assert len(readings) <= 3


@pytest.mark.parametrize("comes_back", [False, True], ids=["newcomer", "with a token"])
async def test_a_reading_that_a_hint_overtakes_is_no_fork(cases: UseCases, comes_back: bool) -> None:
    """The hint of a change comes before the reading that was begun before it: one more reading, and no gap."""
    seen = head_of(await create(cases))
    first = await follow(cases)
    during(cases.feed if comes_back else cases.sessions, "since" if comes_back else "get", lambda: do(cases, Start()))

    second = await follow(cases, seen if comes_back else None)

    assert told(first) == [("SNAPSHOT", 1), ("EVENT", 2)]
    assert told(second) == [("EVENT" if comes_back else "SNAPSHOT", 2)]
    assert not cases.observed.gaps


async def test_a_reading_that_hints_overtake_is_no_gap(cases: UseCases) -> None:
    """While a joiner reads what was missed the hints of it come after all: the reading is old then, and no fork."""
    await create(cases)
    first = await follow(cases)
    with without_hints(cases) as late:
        await do(cases, Start())

    async def overtake() -> None:
        cases.watching.hint(late[0])
        await do(cases, Switch())

    during(cases.feed, "since", overtake)
    second = await follow(cases)

    assert told(first) == [("SNAPSHOT", 1), ("EVENT", 2), ("EVENT", 3)]
    assert told(second) == [("SNAPSHOT", 3)]
    assert not cases.observed.gaps


async def test_hints_of_a_former_life_come_too_late(cases: UseCases) -> None:
    """Delayed until after a recovery they are old news, in whatever order they come."""
    started, subscription = await running(cases)
    await cases.drain()
    with without_hints(cases) as late:
        await do(cases, Switch(), Switch())
        recovered = await recover(cases)
    *former, new_life = late

    for hint in (former[1], new_life, former[0], former[1], new_life):
        cases.watching.hint(hint)
        await turns()

    assert told(subscription) == [("GAP", recovered.version), ("SNAPSHOT", recovered.version)]
    assert cases.observed.gaps == ["EPOCH_CHANGED"]
    assert recovered.epoch > started.epoch


async def test_a_token_of_a_former_life_is_a_gap(cases: UseCases) -> None:
    """Whoever comes back after a recovery is told that the life it knew has ended."""
    await create(cases)
    seen = head_of(await do(cases, Start()))
    await cases.drain()
    recovered = await recover(cases)

    subscription = await follow(cases, seen)

    assert told(subscription) == [("GAP", recovered.version), ("SNAPSHOT", recovered.version)]


@pytest.mark.parametrize("error", [StoreUnavailable("lost"), SessionNotFound(SID)], ids=["lost", "removed"])
async def test_a_store_lost_amid_a_join_is_no_deletion(cases: UseCases, error: Exception) -> None:
    """What was missed cannot be read, for nothing is there any more: whether that is a loss is the store's to say."""
    await create(cases)
    first = await follow(cases)
    with without_hints(cases):
        await do(cases, Start())

    async def fail(_: str) -> Any:
        raise error

    def lose() -> None:
        del cases.data.sessions[SID], cases.data.events[SID]
        cases.sessions.get = fail  # type: ignore[method-assign] # stands in for it

    during(cases.sessions, "get", lose)
    with pytest.raises(type(error)):
        await follow(cases)

    assert told(first) == [("SNAPSHOT", 1)]
