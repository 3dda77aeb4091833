"""The clocks of an hourglass as they are read in the middle of a turn: the sum never changes by itself."""

import pytest

from synckairos.v1 import session_pb2
from testing.harness.client import Stub, new_id
from testing.harness.playing.played_sessions import PlayedSession, manual, with_control


def banks(game: PlayedSession) -> list[int]:
    """Return every holder's bank."""
    return [one.clock.bank_ms for one in game.session.participants]


@pytest.fixture
async def game(stub: Stub) -> PlayedSession:
    """Three holders of 60 s, the first one's turn has run for 10 001 ms."""
    game = await manual(stub, with_control("*60", holders=3))
    await game.advance(10_001)
    return game


async def test_what_a_turn_takes_is_seen_at_once(game: PlayedSession) -> None:
    """In the reply of the call and in a read."""
    assert banks(game) == [49_999, 65_001, 65_000]
    await game.get()
    assert banks(game) == [49_999, 65_001, 65_000]


async def test_a_pause_changes_no_clock(game: PlayedSession) -> None:
    """Paused, read, resumed and read."""
    for call in (game.pause, game.get, lambda: game.advance(3_000), game.resume, game.get):
        await call()
        assert banks(game) == [49_999, 65_001, 65_000]


@pytest.mark.parametrize("is_paused", [False, True])
async def test_an_adjustment_changes_one_clock(game: PlayedSession, is_paused: bool) -> None:
    """The others have what the turn has passed on, before it and after it."""
    if is_paused:
        await game.pause()
    await game.adjust(game.active.participant_id, delta_ms=5_000)
    assert banks(game) == [54_999, 65_001, 65_000]
    await game.get()
    assert banks(game) == [54_999, 65_001, 65_000]
    if is_paused:
        await game.resume()

    await game.advance(2)
    assert banks(game) == [54_997, 65_002, 65_001]
    await game.switch()

    assert banks(game) == [54_997, 65_002, 65_001]


@pytest.mark.parametrize("mode", ["MODE_PER_PARTICIPANT", "MODE_PER_GROUP"])
async def test_who_is_given_time_has_run_out_no_longer(stub: Stub, mode: str) -> None:
    """Under NOTIFY, while the turn that gives it still runs."""
    request = with_control("*1", on_expire=session_pb2.ON_EXPIRE_NOTIFY)
    if mode == "MODE_PER_GROUP":
        request.mode = session_pb2.MODE_PER_GROUP
        for participant in request.participants:
            participant.group_id = new_id()
            request.groups.add(group_id=participant.group_id)
    game = await manual(stub, request)
    await game.advance(2_000)
    await game.switch()
    assert [one.has_expired for one in game.session.participants] == [True, False]

    await game.advance(300)

    rows = game.session.groups or game.session.participants
    assert [(one.has_expired, one.time_remaining_ms) for one in rows] == [(False, 300), (False, 1_700)]
    assert [one.has_expired for one in game.session.participants] == [False, False]
