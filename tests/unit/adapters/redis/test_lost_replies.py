"""What became of a commit whose reply was lost."""

import pytest

from synckairos.adapters.redis.store.lost_replies import ReplyLost, UnresolvedCommits
from synckairos.application.errors import OutcomeUnknown
from synckairos.domain.commands import Start, Switch
from synckairos.domain.events import Event
from synckairos.domain.model import Session
from testing.harness.builders import SESSION_ID, Game, per_participant

OTHER = "22222222-0000-4000-8000-000000000000"


@pytest.fixture
def game() -> Game:
    """A session of four versions: 1 created, 2 started, 3 and 4 switched."""
    game = Game(per_participant())
    for ms, command in ((0, Start()), (1_000, Switch()), (2_000, Switch())):
        game.ok(ms, command)
    return game


def lost_after(before: Session | None, event: Event) -> tuple[UnresolvedCommits, ReplyLost]:
    """Return the lost commits of a call that tried to store this event."""
    lost, reply = UnresolvedCommits(SESSION_ID), ReplyLost(before.head if before else None, event.session.head)
    lost.add(reply)
    return lost, reply


def window(*events: Event) -> object:
    """Return a reader of retained events."""

    async def event_at(version: int) -> Event | None:
        return next((event for event in events if event.session.version == version), None)

    return event_at


def by_another(event: Event) -> Event:
    """Return the event as another process would have made it."""
    return event._replace(session=event.session._replace(change_id=OTHER))


@pytest.mark.parametrize(
    ("now", "is_applied"),
    [
        (lambda game: game.events[1].session, False),
        (lambda game: game.events[2].session, True),
        (lambda game: by_another(game.events[2]).session, False),
        (lambda game: game.events[3].session, True),
        (lambda _: None, False),
    ],
    ids=["as before", "ours", "another's", "ours and one more", "gone"],
)
async def test_the_change_id_tells(game: Game, now: object, is_applied: bool) -> None:
    """Ours was applied if the version it leads to carries our change id, now or in the window."""
    lost, reply = lost_after(game.events[1].session, game.events[2])

    found = await lost.find_applied(now(game), window(*game.events))  # type: ignore[arg-type, operator] # functions

    assert found == (reply if is_applied else None)


async def test_another_one_further_on(game: Game) -> None:
    """Somebody else's version in our place, and more after it: ours was not applied."""
    lost, _ = lost_after(game.events[1].session, game.events[2])
    theirs = by_another(game.events[2])

    assert await lost.find_applied(game.events[3].session, window(theirs, game.events[3])) is None  # type: ignore[arg-type] # a function


async def test_out_of_the_window_nothing_can_be_told(game: Game) -> None:
    """The version we would have led to is retained no more: the caller is told so."""
    lost, _ = lost_after(game.events[1].session, game.events[2])

    with pytest.raises(OutcomeUnknown):
        await lost.find_applied(game.events[3].session, window(game.events[3]))  # type: ignore[arg-type] # a function


async def test_another_life_of_the_session_tells_nothing(game: Game) -> None:
    """A session recovered meanwhile counts anew: what became of our change is not known."""
    lost, _ = lost_after(game.events[1].session, game.events[2])
    later = game.events[2].session._replace(epoch=game.session.epoch + 1)

    with pytest.raises(OutcomeUnknown):
        await lost.find_applied(later, window(game.events[2]._replace(session=later)))  # type: ignore[arg-type] # a function


async def test_the_one_of_several_that_was_applied_is_found(game: Game) -> None:
    """The first of two attempts arrived late: it holds, not the second."""
    lost, first = lost_after(game.events[1].session, game.events[2])
    lost.add(ReplyLost(first.before, by_another(game.events[2]).session.head))

    assert await lost.find_applied(game.events[2].session, window()) == first  # type: ignore[arg-type] # a function


@pytest.mark.parametrize(
    ("now", "is_open"),
    [(lambda game: game.events[1].session, True), (lambda game: by_another(game.events[2]).session, False)],
    ids=["as before", "changed"],
)
def test_a_changed_session_defeats_what_was_made_for_the_one_before(game: Game, now: object, is_open: bool) -> None:
    """Only while the session is the one that was watched can a late EXEC still be applied."""
    lost, _ = lost_after(game.events[1].session, game.events[2])

    lost.drop_defeated(now(game).head)  # type: ignore[operator] # a function

    assert bool(lost) is is_open


def test_a_lost_creation_may_land_while_there_is_no_session(game: Game) -> None:
    """No session before and none now: the creation may still arrive."""
    lost, _ = lost_after(None, game.events[0])

    lost.drop_defeated(None)
    still_open = bool(lost)
    lost.drop_defeated(by_another(game.events[0]).session.head)

    assert (still_open, bool(lost)) == (True, False)
