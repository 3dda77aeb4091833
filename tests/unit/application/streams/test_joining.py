"""Joining a session that cannot be followed: deleted, unreadable, in a store that is away, on a server that drains."""

from typing import TYPE_CHECKING, Any, Final

import pytest

from synckairos.application.errors import CatchingUp, Contention, SessionUnreadable, StoreUnavailable
from synckairos.application.ports import Hint
from synckairos.application.streams.frames import Frame
from synckairos.application.streams.subscriptions import Subscription
from synckairos.application.streams.watching import Watching
from synckairos.domain.commands import Cancel, Delete, Start, Switch
from synckairos.domain.errors import SessionNotFound
from testing.harness.client import new_id
from testing.harness.playing.plays import SID
from tests.unit.application.streams.watched import create, do, during, follow, head_of, told, turns
from tests.unit.rpc.use_cases import UseCases

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


async def test_a_store_known_to_be_away_is_not_asked(cases: UseCases) -> None:
    """The join is refused before anything is sent to Redis or kept here."""

    def refuse() -> None:
        raise StoreUnavailable("known to be away")

    cases.feed.subscribe = raising(AssertionError("the feed was asked"))  # type: ignore[method-assign] # stands in for it
    watching = Watching(cases.sessions, cases.feed, cases.clock, cases.observed, refuse)

    for join in (watching.join, watching.join_among):
        with pytest.raises(StoreUnavailable, match="known to be away"):
            await join(SID, None, Subscription())

    assert not watching._topics


async def test_missed_events_of_a_deleted_session_are_sent(cases: UseCases) -> None:
    """From a position in the retained history: every event up to the deletion, then the end; nothing stays behind."""
    seen = head_of(await create(cases))
    await do(cases, Start(), Switch(), Delete())
    subscription = Subscription(100)

    await cases.watching.join(SID, seen, subscription)
    queued = list(subscription.take())
    cases.watching.leave(SID, subscription)

    assert [(frame.kind.name, frame.session and frame.session.version) for frame in queued] == [
        ("EVENT", 2), ("EVENT", 3), ("EVENT", 4), ("END", 4),
    ]  # fmt: skip
    assert ends(queued) == [("DELETED", 0)]
    assert not cases.watching._topics
    assert cases.observed.open == 0


async def test_a_reader_that_has_seen_the_deletion_is_told_of_the_end(cases: UseCases) -> None:
    """Nothing was missed: progress as for any session, then the end."""
    await create(cases)
    seen = head_of(await do(cases, Delete()))

    subscription = await follow(cases, seen)

    assert told(subscription) == [("PROGRESS", 2), ("END", 2)]


@pytest.mark.parametrize("why", ["no position", "window passed", "forked", "another life", "no longer retained"])
async def test_a_deleted_session_whose_history_cannot_be_replayed_is_not_found(cases: UseCases, why: str) -> None:
    """There is nothing to show to a newcomer, and no gap and snapshot of what is gone."""
    first = await create(cases)
    seen: dict[str, Head | None] = {
        "no position": None,
        "forked": head_of(first)._replace(change_id=new_id()),
        "another life": head_of(first)._replace(epoch=1),
    }
    await do(cases, Start(), *([Switch()] * 20 if why == "window passed" else []), Delete())
    if why == "no longer retained":
        cases.clock.advance(600_000)
    subscription = Subscription()

    with pytest.raises(SessionNotFound):
        await cases.watching.join(SID, seen.get(why, head_of(first)), subscription)

    assert told(subscription) == []
    assert not cases.watching._topics


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(CatchingUp("far behind", session_id=SID), id="far behind"),
        pytest.param(Contention("busy", session_id=SID), id="contended"),
        pytest.param(UNREADABLE, id="of a newer version"),
    ],
)
async def test_one_of_many_that_cannot_be_followed_is_ended_alone(cases: UseCases, error: Exception) -> None:
    """Its end asks to come back after a pause; alone it is refused with the error itself."""
    cases.sessions.get = raising(error)  # type: ignore[method-assign] # stands in for it
    subscription = Subscription()

    followed = await cases.watching.join_among(SID, None, subscription)
    with pytest.raises(type(error)):
        await cases.watching.join(SID, None, Subscription())

    assert not followed
    assert ends(list(subscription.take())) == [("UNAVAILABLE", 1_000)]
    assert not cases.watching._topics


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RuntimeError("a bug")], ids=["store", "bug"])
async def test_an_error_that_concerns_no_single_session_is_raised(cases: UseCases, error: Exception) -> None:
    """A store that is away, or a bug, is not dressed up as the end of a session."""
    cases.sessions.get = raising(error)  # type: ignore[method-assign] # stands in for it
    subscription = Subscription()

    with pytest.raises(type(error)):
        await cases.watching.join_among(SID, None, subscription)

    assert told(subscription) == []


@pytest.mark.parametrize("error", [UNREADABLE, RuntimeError("a bug")], ids=["of a newer version", "bug"])
async def test_a_watched_session_that_cannot_be_read_any_more_ends(cases: UseCases, error: Exception) -> None:
    """Readers are told to come back instead of waiting for events that will not come, and nobody polls for them."""
    await create(cases)
    subscription = await follow(cases)
    asked: list[int] = []
    cases.feed.since = raising(error)  # type: ignore[method-assign] # stands in for it

    cases.watching.hint(Hint(SID, None))
    await turns()
    queued = list(subscription.take())
    during(cases.feed, "heads", lambda: asked.append(1))
    await cases.watching._compare()

    assert ends(queued) == [("UNAVAILABLE", 1_000)]
    assert not asked


async def test_an_ended_session_is_ended_once_on_a_draining_server(cases: UseCases) -> None:
    """The drain beginning amid a join to a terminal session adds no second end: its stream must be able to close."""
    await create(cases)
    await do(cases, Cancel())
    during(cases.sessions, "get", lambda: cases.watching.drain(lambda: 321))

    subscription = await follow(cases)

    assert ends(list(subscription.take())) == [("TERMINAL", 0)]


async def test_a_reader_that_missed_the_last_version_is_told_the_warnings_since(cases: UseCases) -> None:
    """From the version before: the crossings since the last one as well; from the last one: only later ones."""
    created = await create(cases, warning_thresholds_ms=(59_000, 58_000))
    started = await do(cases, Start())
    cases.clock.advance(1_500)

    readers = {session.version: await follow(cases, head_of(session)) for session in (created, started)}
    before = {version: told(reader) for version, reader in readers.items()}
    cases.clock.advance(500)
    cases.watching._topics[SID]._on_warning(cases.clock.ms)

    assert before == {1: [("EVENT", 2), ("WARNING", 2)], 2: [("PROGRESS", 2)]}
    assert [told(reader) for reader in readers.values()] == [[("WARNING", 2)]] * 2
