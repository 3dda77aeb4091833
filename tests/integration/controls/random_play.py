"""Random moves in sessions with manual clocks, drawn so that they meet boundaries to the millisecond."""

from random import Random
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, new_id
from testing.harness.playing.played_sessions import PlayedSession, manual, with_control
from tests.integration.controls.drawn_controls import drawn_controls

END, ELIMINATE, ADVANCE, NOTIFY = (
    session_pb2.ON_EXPIRE_END_SESSION,
    session_pb2.ON_EXPIRE_ELIMINATE,
    session_pb2.ON_EXPIRE_ADVANCE,
    session_pb2.ON_EXPIRE_NOTIFY,
)

MOST_PARTICIPANTS = 6


def drawn_request(draw: Random, **more: Any) -> pb.CreateSessionRequest:
    """Return the request for a session whose holders have random controls."""
    odds = tuple(drawn_controls(draw, draw.choice((1, 2, 2, 3))))
    request = with_control(odds=odds, on_expire=draw.choice((END, END, ELIMINATE, NOTIFY, NOTIFY)), **more)
    if draw.random() < 0.3:
        _form_groups(request)
    is_per_turn = all(len(one.stages) == 1 and one.stages[0].HasField("per_turn") for one in odds)
    if is_per_turn and draw.random() < 0.5:
        request.on_expire = ADVANCE
    if draw.random() < 0.2:
        request.session_limit_ms = draw.randint(1_000, 200_000)
    return request


def _form_groups(request: pb.CreateSessionRequest) -> None:
    """Give each control to a group of two."""
    request.mode = session_pb2.MODE_PER_GROUP
    controls = [participant.time_control for participant in request.participants]
    groups = [session_pb2.GroupSpec(group_id=new_id(), time_control=control) for control in controls]
    members = [
        session_pb2.ParticipantSpec(participant_id=new_id(), group_id=one.group_id) for one in (*groups, *groups)
    ]
    del request.participants[:]
    request.participants.extend(members)
    request.groups.extend(groups)


async def drawn_session(draw: Random, stub: Stub, **more: Any) -> PlayedSession:
    """Create a random session with a manual clock, and start it."""
    request = drawn_request(draw, **more)
    if draw.random() < 0.2:
        game = await manual(stub, request, starts=False)
        close_at = Timestamp()
        close_at.FromMilliseconds(game.now + draw.randint(10_000, 200_000))
        request.close_at.CopyFrom(close_at)
        request.session_id = ""
    return await manual(stub, request)


def drawn_step(draw: Random, session: session_pb2.Session, now: int) -> int:
    """Draw a time to let pass, in ms: often to the beginning of a phase, or 1 ms beside it."""
    begins = [phase.starts_at.ToMilliseconds() - now for phase in session.phases]
    chosen = draw.choice([*begins, draw.randint(0, 5_000), draw.randint(0, 40_000)])
    return max(0, chosen + draw.choice((-1, 0, 0, 1)))


async def move(draw: Random, game: PlayedSession) -> None:
    """Make a random call, if the session has not ended."""
    if not game.is_live:
        return
    if not game.is_running:
        await game.advance(draw.choice((0, draw.randint(0, 60_000))))
        if game.is_live:
            await (_adjust(draw, game) if draw.random() < 0.3 else game.resume())
        return
    await game.advance(drawn_step(draw, game.session, game.now) if draw.random() < 0.7 else 0)
    if game.is_running:
        await draw.choice((_switch, _switch, _switch, _pause, _adjust, _adjust, _join, _leave))(draw, game)


async def _switch(draw: Random, game: PlayedSession) -> None:
    has_lag = game.running.time_control.HasField("lag_compensation")
    await game.switch(lag_ms=draw.randint(0, 2_000) if has_lag else 0)


async def _pause(_: Random, game: PlayedSession) -> None:
    await game.pause()


async def _join(draw: Random, game: PlayedSession) -> None:
    """Let somebody join, with a control that one of the others has."""
    joining = session_pb2.ParticipantSpec(participant_id=new_id())
    holder = draw.choice(_in_play(game))
    if game.session.groups:
        joining.group_id = holder.group_id
    else:
        joining.time_control.CopyFrom(holder.time_control)
    if len(game.session.participants) < MOST_PARTICIPANTS:
        await game.call("AddParticipant", participant=joining)


async def _leave(draw: Random, game: PlayedSession) -> None:
    """Let somebody leave, the active one as often as any other; two stay."""
    members = game.session.participants
    leaving = draw.choice([game.active, *members])
    if len(members) > 2:
        await game.call("RemoveParticipant", participant_id=leaving.participant_id)


def _in_play(game: PlayedSession) -> list[Any]:
    """Return the holders that have not left the game."""
    is_out = game.session.on_expire == ELIMINATE
    members = {one.group_id for one in game.session.participants}
    in_play = [one for one in game.holders if not (is_out and one.has_expired)]
    return [one for one in in_play if one.group_id in members]


async def _adjust(draw: Random, game: PlayedSession) -> None:
    holder = draw.choice(_in_play(game))
    amounts: list[dict[str, int]] = [
        {"delta_ms": draw.choice((-1, 1)) * draw.randint(1, 20_000)},
        {"set_ms": draw.randint(0, 20_000)},
        {"at_least_ms": draw.randint(1, 20_000)},
    ]
    stage = holder.time_control.stages[holder.clock.stage]
    if stage.HasField("byo_yomi"):
        amounts.append({"set_periods": draw.randint(1, 12)})
    holder_id = holder.group_id if game.session.groups else holder.participant_id
    await game.adjust(holder_id, **draw.choice(amounts))
