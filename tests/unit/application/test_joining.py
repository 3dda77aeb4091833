"""Joining a session that cannot be followed: deleted, unreadable, in a store that is away, on a server that drains."""

from typing import TYPE_CHECKING, Any, Final

import pytest

from synckairos.application.errors import CatchingUp, Contention, SessionUnreadable, StoreUnavailable
from synckairos.application.frames import Frame
from synckairos.application.ports import Hint
from synckairos.application.subscriptions import Subscription
from synckairos.application.watching import Watching
from synckairos.domain.commands import Cancel, Delete, Start, Switch
from synckairos.domain.errors import SessionNotFound
from testing.harness.client import new_id
from testing.harness.plays import SID
from tests.unit.application.watched import create, do, during, follow, head_of, told, turns
from tests.unit.rpc.world import World

if TYPE_CHECKING:
    from synckairos.domain.model import Head

UNREADABLE: Final = SessionUnreadable("written by a newer version", session_id=SID)


def ends(frames: list[Frame]) -> list[tuple[str, int]]:
    """Return the reason and the pause of the ends among frames."""
    return [(frame.reason.name, frame.value) for frame in frames if frame.kind.name == "END" and frame.reason]


def raising(error: Exception) -> Any:
    """Return a port's method that fails."""

    async def fail(*_: Any) -> Any:
        raise error

    return fail


async def test_a_store_known_to_be_away_is_not_asked(world: World) -> None:
    """The join is refused before anything is sent to Redis or kept here."""

    def refuse() -> None:
        raise StoreUnavailable("known to be away")

    world.feed.subscribe = raising(AssertionError("the feed was asked"))  # type: ignore[method-assign] # stands in for it
    watching = Watching(world.sessions, world.feed, world.clock, world.observed, refuse)

    for join in (watching.join, watching.join_among):
        with pytest.raises(StoreUnavailable, match="known to be away"):
            await join(SID, None, Subscription())

    assert not watching._topics


async def test_missed_events_of_a_deleted_session_are_sent(world: World) -> None:
    """From a position in the retained history: every event up to the deletion, then the end; nothing stays behind."""
    seen = head_of(await create(world))
    await do(world, Start(), Switch(), Delete())
    subscription = Subscription(100)

    await world.watching.join(SID, seen, subscription)
    queued = list(subscription._take())
    world.watching.leave(SID, subscription)

    assert [(frame.kind.name, frame.session and frame.session.version) for frame in queued] == [
        ("EVENT", 2), ("EVENT", 3), ("EVENT", 4), ("END", 4),
    ]  # fmt: skip
    assert ends(queued) == [("DELETED", 0)]
    assert not world.watching._topics
    assert world.observed.open == 0


async def test_a_reader_that_has_seen_the_deletion_is_told_of_the_end(world: World) -> None:
    """Nothing was missed: progress as for any session, then the end."""
    await create(world)
    seen = head_of(await do(world, Delete()))

    subscription = await follow(world, seen)

    assert told(subscription) == [("PROGRESS", 2), ("END", 2)]


@pytest.mark.parametrize("why", ["no position", "window passed", "forked", "another life", "no longer retained"])
async def test_a_deleted_session_whose_history_cannot_be_replayed_is_not_found(world: World, why: str) -> None:
    """There is nothing to show to a newcomer, and no gap and snapshot of what is gone."""
    first = await create(world)
    seen: dict[str, Head | None] = {
        "no position": None,
        "forked": head_of(first)._replace(change_id=new_id()),
        "another life": head_of(first)._replace(epoch=1),
    }
    await do(world, Start(), *([Switch()] * 20 if why == "window passed" else []), Delete())
    if why == "no longer retained":
        world.clock.advance(600_000)
    subscription = Subscription()

    with pytest.raises(SessionNotFound):
        await world.watching.join(SID, seen.get(why, head_of(first)), subscription)

    assert told(subscription) == []
    assert not world.watching._topics


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(CatchingUp("far behind", session_id=SID), id="far behind"),
        pytest.param(Contention("busy", session_id=SID), id="contended"),
        pytest.param(UNREADABLE, id="of a newer version"),
    ],
)
async def test_one_of_many_that_cannot_be_followed_is_ended_alone(world: World, error: Exception) -> None:
    """Its end asks to come back after a pause; alone it is refused with the error itself."""
    world.sessions.get = raising(error)  # type: ignore[method-assign] # stands in for it
    subscription = Subscription()

    followed = await world.watching.join_among(SID, None, subscription)
    with pytest.raises(type(error)):
        await world.watching.join(SID, None, Subscription())

    assert not followed
    assert ends(list(subscription._take())) == [("UNAVAILABLE", 1_000)]
    assert not world.watching._topics


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RuntimeError("a bug")], ids=["store", "bug"])
async def test_an_error_that_concerns_no_single_session_is_raised(world: World, error: Exception) -> None:
    """A store that is away, or a bug, is not dressed up as the end of a session."""
    world.sessions.get = raising(error)  # type: ignore[method-assign] # stands in for it
    subscription = Subscription()

    with pytest.raises(type(error)):
        await world.watching.join_among(SID, None, subscription)

    assert told(subscription) == []


@pytest.mark.parametrize("error", [UNREADABLE, RuntimeError("a bug")], ids=["of a newer version", "bug"])
async def test_a_watched_session_that_cannot_be_read_any_more_ends(world: World, error: Exception) -> None:
    """Readers are told to come back instead of waiting for events that will not come, and nobody polls for them."""
    await create(world)
    subscription = await follow(world)
    asked: list[int] = []
    world.feed.since = raising(error)  # type: ignore[method-assign] # stands in for it

    world.watching.hint(Hint(SID, None))
    await turns()
    queued = list(subscription._take())
    during(world.feed, "heads", lambda: asked.append(1))
    await world.watching._compare()

    assert ends(queued) == [("UNAVAILABLE", 1_000)]
    assert not asked


async def test_an_ended_session_is_ended_once_on_a_draining_server(world: World) -> None:
    """The drain beginning amid a join to a terminal session adds no second end: its stream must be able to close."""
    await create(world)
    await do(world, Cancel())
    during(world.sessions, "get", lambda: world.watching.drain(lambda: 321))

    subscription = await follow(world)

    assert ends(list(subscription._take())) == [("TERMINAL", 0)]


async def test_a_reader_that_missed_the_last_version_is_told_the_warnings_since(world: World) -> None:
    """From the version before: the crossings since the last one as well; from the last one: only later ones."""
    created = await create(world, warning_thresholds_ms=(59_000, 58_000))
    started = await do(world, Start())
    world.clock.advance(1_500)

    readers = {session.version: await follow(world, head_of(session)) for session in (created, started)}
    before = {version: told(reader) for version, reader in readers.items()}
    world.clock.advance(500)
    world.watching._topics[SID]._on_warning(world.clock.ms)

    assert before == {1: [("EVENT", 2), ("WARNING", 2)], 2: [("PROGRESS", 2)]}
    assert [told(reader) for reader in readers.values()] == [[("WARNING", 2)]] * 2
