"""Nothing depends on how often anybody looks: a game in many small steps is the game in a few large ones."""

import asyncio
from random import Random
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub
from testing.harness.playing.played_sessions import PlayedSession
from tests.integration.controls.drawn_controls import seeds
from tests.integration.controls.random_play import drawn_request, move

AT_ONCE = 8
MOVES = 25


class NotedSession(PlayedSession):
    """A session whose calls are noted, but for reads."""

    def __init__(self, stub: Stub, session: session_pb2.Session) -> None:
        super().__init__(stub, session)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def call(self, name: str, **fields: Any) -> session_pb2.Session:
        """Note a call, and make it."""
        self.calls.append((name, fields))
        return await super().call(name, **fields)


async def play_again(draw: Random, game: NotedSession, request: pb.CreateSessionRequest) -> PlayedSession:
    """Make the same calls in another session, every advance in several steps, with reads between."""
    again = await PlayedSession.create(game.stub, request, starts=False)
    for name, fields in game.calls:
        if name != "AdvanceClock":
            await again.call(name, **fields)
            continue
        left_ms = fields["by_ms"]
        while left_ms and again.is_live:
            step_ms = min(left_ms, draw.choice((1, 500, draw.randint(1, 20_000), left_ms)))
            await again.advance(step_ms)
            await again.get()
            left_ms -= step_ms
    return again


def bare(session: session_pb2.Session) -> session_pb2.Session:
    """Return a session with its instants in ms since its creation, without its identity and versions."""
    made = session_pb2.Session()
    made.CopyFrom(session)
    for name in ("session_id", "epoch", "version", "updated_at"):
        made.ClearField(name)  # type: ignore[arg-type] # all of them are fields
    created_at = session.created_at.ToMilliseconds()
    for instant in _instants(made):
        instant.FromMilliseconds(instant.ToMilliseconds() - created_at)
    return made


def _instants(message: Message) -> list[Timestamp]:
    found: list[Timestamp] = []
    for field, value in message.ListFields():
        for one in value if field.is_repeated else [value]:
            if isinstance(one, Timestamp):
                found.append(one)
            elif isinstance(one, session_pb2.Session | type(session_pb2.Session().phases.add())):
                found += _instants(one)
    return found


async def compare(stub: Stub, seed: int) -> None:
    """Play a random game twice."""
    draw = Random(seed)
    request = drawn_request(draw, manual_clock=True)
    request.session_id = ""
    game = await NotedSession.create(stub, request)
    for _ in range(MOVES):
        await move(draw, game)
    await game.get()

    again = await play_again(draw, game, request)
    assert bare(again.session) == bare(game.session), (seed, game.calls)


async def test_a_game_in_small_steps_is_the_game_in_large_ones(stub: Stub) -> None:
    """Every clock, phase and instant at its end, whatever fell due on the way."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> None:
        async with places:
            await compare(stub, seed)

    await asyncio.gather(*map(one, seeds(40, 1_000)))
