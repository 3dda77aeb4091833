"""The sample games: a game of Go with byo-yomi, an auction with a soft close, an exam with a countdown.

Each is a session and somebody who plays it: a coroutine that makes real calls after real pauses. All times shrink with
the speed, those of the sessions too, so that a game at ten times the speed is the same game, a tenth as long.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from synckairos.cli.sessions.values import participant
from synckairos.cli.views.words import NAME
from synckairos.client import SyncKairos, SyncKairosError
from synckairos.domain.families.words import counted
from synckairos.v1 import session_pb2, time_control_pb2

LABEL: Final = "demo"
SPEEDS: Final = (0.1, 20.0)
LEAST_MS: Final = 1_000
"""The shortest time that a session takes."""


class Game(NamedTuple):
    """A kind of game: its word on the command line, its name, and who plays it."""

    kind: str
    name: str
    play: "Callable[[Stage, Game], Awaitable[None]]"


Say = Callable[[Game, str, str], None]
"""Takes a game, its session's id, and what has happened."""


@dataclass
class Stage:
    """Where a game is played: a server, how fast, and who hears of it; `running` are the sessions not over yet."""

    client: SyncKairos
    speed: float
    hears: Say
    dice: random.Random
    running: list[str] = field(default_factory=list)

    async def pause(self, seconds: float) -> None:
        """Wait, by the demo's own time."""
        await asyncio.sleep(seconds / self.speed)

    def ms(self, seconds: float, least: int = 1) -> int:
        """Return a duration of the demo's own time in ms."""
        return max(round(seconds * 1_000 / self.speed), least)

    async def begin(self, game: Game, **fields: Any) -> str:  # noqa: ANN401 - each of its own type
        """Create and start a session; return its id."""
        reply = await self.client.create_session(metadata={NAME: game.name}, labels={LABEL: game.kind}, **fields)
        session_id: str = reply.session.session_id
        self.running.append(session_id)
        await self.client.start_session(session_id)
        self.say(game, f"begins; synckairos watch {session_id}")
        return session_id

    def say(self, game: Game, said: str) -> None:
        """Say what has happened in the game that is on."""
        self.hears(game, self.running[-1], said)

    def over(self, game: Game, said: str) -> None:
        """Say how the game has ended."""
        self.say(game, said)
        self.running.pop()


async def go(stage: Stage, game: Game) -> None:
    """Play Go on 30 s and three periods of 10 s: Black thinks longer and longer, and loses on time."""
    control = time_control_pb2.TimeControl(
        stages=[
            time_control_pb2.TimeStage(
                base_ms=stage.ms(30, LEAST_MS),
                byo_yomi=time_control_pb2.ByoYomi(periods=3, period_ms=stage.ms(10, LEAST_MS)),
            )
        ]
    )
    players = [participant("Black"), participant("White")]
    session_id = await stage.begin(
        game, mode=session_pb2.MODE_PER_PARTICIPANT, participants=players, time_control=control
    )
    move = 0
    while True:
        who = players[move % 2]
        move += 1
        await stage.pause(stage.dice.uniform(1, 4) + (move if who is players[0] else 0))
        try:
            reply = await stage.client.switch_cycle(
                session_id, expected_active_participant_id=who.participant_id, reason=f"move {move}"
            )
        except SyncKairosError as error:
            stage.over(game, _end(error, "Black has lost on time"))
            return
        moved = next(one for one in reply.session.participants if one.participant_id == who.participant_id)
        in_overtime = moved.clock.bank_ms == 0
        stage.say(
            game,
            f"move {move}, {who.metadata[NAME]}"
            + (f", {counted(moved.clock.periods_left, 'period')} left" if in_overtime else ""),
        )


async def auction(stage: Stage, game: Game) -> None:
    """Auction a lot for 30 s: a bid in the last 5 s leaves 8 s for others."""
    bidders = [participant(bidder) for bidder in ("Ada", "Grace", "Edsger")]
    session_id = await stage.begin(
        game,
        mode=session_pb2.MODE_GLOBAL,
        total_time_ms=stage.ms(30, LEAST_MS),
        participants=bidders,
        soft_close=time_control_pb2.SoftClose(
            window_ms=stage.ms(5), extend_ms=stage.ms(8), policy=time_control_pb2.SOFT_CLOSE_POLICY_RESET
        ),
    )
    price = 100
    for pause in [*(stage.dice.uniform(3, 5) for _ in range(6)), *(stage.dice.uniform(4, 6) for _ in range(4))]:
        await stage.pause(pause)
        bidder, price = stage.dice.choice(bidders), price + 10 * stage.dice.randint(1, 5)
        try:
            await stage.client.switch_cycle(
                session_id, next_participant_id=bidder.participant_id, reason=f"{price} by {bidder.metadata[NAME]}"
            )
        except SyncKairosError as error:
            stage.over(game, _end(error, "too late: the hammer has fallen"))
            return
        stage.say(game, f"{bidder.metadata[NAME]} bids {price}")
    await _until_over(stage, session_id)
    stage.over(game, f"sold for {price}")


async def exam(stage: Stage, game: Game) -> None:
    """Sit an exam of 45 s, with a fire alarm in the middle."""
    total_ms = stage.ms(45, LEAST_MS)
    session_id = await stage.begin(
        game,
        mode=session_pb2.MODE_GLOBAL,
        total_time_ms=total_ms,
        warning_thresholds_ms=[ms for ms in (stage.ms(20), stage.ms(10)) if ms < total_ms],
    )
    await stage.pause(12)
    await stage.client.pause_session(session_id, reason="fire alarm")
    stage.say(game, "fire alarm: the clock stands")
    await stage.pause(6)
    await stage.client.resume_session(session_id, reason="all clear")
    stage.say(game, "all are back: the clock goes on")
    await stage.pause(4)
    await stage.client.adjust_time(session_id, delta_ms=stage.ms(5), reason="for the alarm")
    stage.say(game, "5 s more for everybody")
    await _until_over(stage, session_id)
    stage.over(game, "pens down")


GAMES: Final = {
    game.kind: game
    for game in (
        Game("go", "Go, 30 s + 3x10 s", go),
        Game("auction", "Auction with a soft close", auction),
        Game("exam", "Exam of 45 s", exam),
    )
}


async def _until_over(stage: Stage, session_id: str) -> None:
    """Watch a session to its end."""
    async for message in stage.client.watch(session_id):
        if message.HasField("end"):
            return


def _end(error: SyncKairosError, said: str) -> str:
    """Return what to say of a call that came when time was up; raises any other error."""
    if error.reason in ("PARTICIPANT_EXPIRED", "SESSION_EXPIRED", "INVALID_STATE_TRANSITION"):
        return said
    raise error
