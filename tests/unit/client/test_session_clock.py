"""What SessionClock takes, and how its views are read."""

from typing import NamedTuple

import pytest

from synckairos.client.session_clock import SessionClock, Update
from synckairos.domain.commands import Pause
from synckairos.domain.controls.notation import parse
from synckairos.domain.model import Mode
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from synckairos.rpc.timestamps import timestamp
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.clock_vectors.figures import reply
from testing.harness import builders
from testing.harness.builders import ANN, BOB, Game, at, started

CONTROLLED = SessionSpec(
    Mode.PER_PARTICIPANT, (ParticipantSpec(ANN), ParticipantSpec(BOB)), time_control=parse("10|2x5")
)


class Told(NamedTuple):
    """A server's time that a test sets."""

    ms: int

    def now_ms(self) -> int:
        """Return it."""
        return self.ms


def session_of(game: Game, ms: int) -> session_pb2.Session:
    """Return a session as it was read at this time, without the reply around it."""
    return reply(game.session, at(ms)).session


def test_every_message_with_a_session_is_taken() -> None:
    """Replies, both kinds of streams, and events by themselves, as a list of events has them."""
    game = started(CONTROLLED)
    read = reply(game.session, at(0))
    event = event_pb2.Event(session=read.session, occurred_at=timestamp(at(0)))
    updates: list[Update] = [
        read,
        pb.StartSessionResponse(session=read.session, server_time=read.server_time),
        pb.CommandResult(session=read.session, server_time=read.server_time),
        pb.WatchSessionResponse(snapshot=read.session, server_time=read.server_time),
        pb.WatchSessionResponse(event=event, server_time=read.server_time),
        pb.WatchSessionsResponse(event=event, server_time=read.server_time),
        event,
        read.session,
    ]

    views = {SessionClock(update).at(at(12_345)) for update in updates}

    (view,) = views
    assert view.running is not None
    assert (view.running.holder_id, view.running.display_ms, view.running.periods_left) == (ANN, 2_655, 2)
    assert view.of(BOB).remaining_ms == 20_000


@pytest.mark.parametrize("update", [pb.WatchSessionResponse(tick=event_pb2.Tick()), pb.WatchSessionsResponse()])
def test_an_update_without_a_session_is_refused(update: Update) -> None:
    """A tick tells only one clock, and nothing of what follows."""
    with pytest.raises(ValueError, match="no session"):
        SessionClock(update)


@pytest.mark.parametrize(
    "game",
    [
        started(CONTROLLED),
        started(builders.per_participant(20_000, 20_000)),
        started(builders.per_group(20_000, 20_000)),
        started(builders.per_cycle(20_000)),
        started(builders.countdown(20_000)),
        started(builders.stopwatch(20_000)),
    ],
    ids=["control", "banks", "groups", "cycle", "countdown", "limit"],
)
def test_a_lone_session_tells_when_it_was_read(game: Game) -> None:
    """By its phases, or by what was left up to its deadline."""
    assert SessionClock(session_of(game, 3_210)).taken_at_ms == at(3_210)


def test_a_lone_session_whose_clocks_stand_needs_no_instant() -> None:
    """It shows the same for ever."""
    game = started(builders.per_participant(20_000, 20_000))
    game.ok(4_000, Pause())

    view = SessionClock(session_of(game, 60_000)).at(at(90_000))

    assert view.running is None
    assert [holder.display_ms for holder in view.holders] == [16_000, 20_000]


@pytest.mark.parametrize(
    "spec",
    [builders.stopwatch(), builders.per_participant(20_000, 20_000)._replace(session_limit_ms=5_000)],
    ids=["no deadline", "another deadline"],
)
def test_a_lone_session_that_does_not_tell_is_refused(spec: SessionSpec) -> None:
    """Its clocks would be drawn wrong; with the instant they are right."""
    session = session_of(started(spec), 3_000)

    with pytest.raises(ValueError, match="server_time_ms"):
        SessionClock(session)
    assert SessionClock(session, at(3_000)).at(at(4_000)).elapsed_ms == 4_000


def test_a_manual_clock_stands_between_its_calls() -> None:
    """Whatever the server's time is; it can still be asked what it will show."""
    clock = SessionClock(reply(started(CONTROLLED._replace(manual_clock=True)).session, at(0)))

    assert clock.now(Told(at(9_000))).of(ANN).remaining_ms == 20_000
    assert clock.at(at(9_000)).of(ANN).remaining_ms == 11_000


def test_any_other_clock_goes_by_the_servers_time() -> None:
    """That is what it is for."""
    clock = SessionClock(reply(started(CONTROLLED).session, at(0)))

    assert clock.now(Told(at(9_000))).of(ANN).remaining_ms == 11_000


def test_a_stranger_has_no_clock() -> None:
    """As in any mapping."""
    view = SessionClock(reply(started(CONTROLLED).session, at(0))).at(at(0))

    with pytest.raises(KeyError):
        view.of(builders.ZOE)
