"""Unary calls: one kind at a time, mixed, contended, over two servers, at a fixed rate, beside the worker."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import uuid4

from bench.crew import Measurement
from bench.jobs import Lane
from bench.scenarios.base import Calls
from bench.scenarios.baselines import QUARTER
from bench.world import SERVICE, World
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import two_players
from testing.harness.deployment import eventually
from testing.harness.server_process import ServerProcess

SWITCH: Final = SERVICE + "SwitchCycle"
GET: Final = SERVICE + "GetSession"
DRAIN_S: Final = 60.0
CYCLE: Final = 20
"""Calls of a mixed cycle: 16 to read, 3 to switch, 1 of a session's other verbs."""


def switches(ids: Sequence[str], callers: int) -> list[Lane]:
    """Return callers that switch sessions, each its own ones in turn."""
    calls = [(0, pb.SwitchCycleRequest(session_id=session_id).SerializeToString()) for session_id in ids]
    return [calls[place::callers] for place in range(callers)]


@dataclass
class Gets(Calls):
    """Reading sessions."""

    paths: tuple[str, ...] = (GET,)

    async def lanes(self, world: World) -> list[Lane]:
        """Every caller reads its own sessions in turn."""
        ids = await world.sessions(world.sizes.sessions)
        calls = [(0, pb.GetSessionRequest(session_id=session_id).SerializeToString()) for session_id in ids]
        return [calls[place :: self.callers] for place in range(self.callers)]


@dataclass
class Creates(Calls):
    """Creating sessions of two; the server makes the ids."""

    paths: tuple[str, ...] = (SERVICE + "CreateSession",)

    async def lanes(self, world: World) -> list[Lane]:
        """Every caller asks for the same game."""
        del world
        request = two_players(increment_ms=1_000)
        request.session_id = ""
        return [[(0, request.SerializeToString())] for _ in range(self.callers)]


@dataclass
class Switches(Calls):
    """Switching sessions of so many participants that nobody else switches."""

    size: int = 2
    paths: tuple[str, ...] = (SWITCH,)
    share: float = 0.0
    """Of the maximum rate, for an open loop."""

    async def lanes(self, world: World) -> list[Lane]:
        """Every caller switches its own sessions in turn."""
        count = world.sizes.sessions if self.size <= 10 else 64
        return switches(await world.sessions(count, self.size), self.callers)

    def rate(self, world: World) -> float:
        """Return a share of the rate that switches have just reached."""
        return self.share * world.latest["switch"].rate if self.share else 0.0


@dataclass
class Contended(Calls):
    """All callers switching one session."""

    paths: tuple[str, ...] = (SWITCH,)
    callers: int = 64
    server_count: int = 1

    async def lanes(self, world: World) -> list[Lane]:
        """Every caller switches the same session."""
        (session_id,) = await world.sessions(1)
        return switches([session_id], 1) * self.callers

    def servers(self, world: World) -> Sequence[ServerProcess]:
        """Return as many servers as asked for."""
        return [world.server(place) for place in range(self.server_count)]


@dataclass
class Pair(Switches):
    """Switching sessions over two servers."""

    def servers(self, world: World) -> Sequence[ServerProcess]:
        """Return both."""
        return [world.server(0), world.server(1)]


LIFE: Final = ("Create", "Start", "Pause", "Resume", "Complete", "Delete")


@dataclass
class Mixed(Calls):
    """What a backend does: 80 % reads, 15 % switches, 5 % of everything else."""

    paths: tuple[str, ...] = (GET, SWITCH, *(f"{SERVICE}{verb}Session" for verb in LIFE))
    most_a_second: int = 20_000
    """Calls that are prepared: more than can be made, for none of them may be made twice."""

    async def lanes(self, world: World) -> list[Lane]:
        """Every caller reads and switches its own sessions, and leads sessions of its own through their lives."""
        ids = await world.sessions(world.sizes.sessions)
        cycles = int(self.most_a_second * (world.sizes.warm_s + world.sizes.run_s) / self.callers / CYCLE) + 1
        return [_mixed(ids[place :: self.callers], cycles) for place in range(self.callers)]


def _mixed(ids: list[str], cycles: int) -> Lane:
    gets = [pb.GetSessionRequest(session_id=one).SerializeToString() for one in ids]
    turns = [pb.SwitchCycleRequest(session_id=one).SerializeToString() for one in ids]
    lane: Lane = []
    own = ""
    for cycle in range(cycles):
        for step in range(CYCLE - 1):
            place = (cycle * CYCLE + step) % len(ids)
            lane.append((1, turns[place]) if step % 6 == 5 else (0, gets[place]))
        verb = cycle % len(LIFE)
        own = own if verb else str(uuid4())
        lane.append((2 + verb, _step(verb, own)))
    return lane


def _step(verb: int, session_id: str) -> bytes:
    """Return the request of one step in a session's life; all but the first have the same form."""
    return (pb.StartSessionRequest(session_id=session_id) if verb else two_players(session_id)).SerializeToString()


@dataclass
class Drained(Switches):
    """Switching while a worker writes everything into PostgreSQL, on the same cores."""

    takes_turns: ClassVar[bool] = False

    async def measure(self, world: World) -> Measurement:
        """Start a worker, let it come to its work, and measure with it; then see how long it is behind."""
        worker = world.stack.start_worker(log_level="info")
        try:
            await eventually(world.stack.is_drained, DRAIN_S, "the outbox is empty before the measurement")
            rows_before = await _rows(world)
            measured = await super().measure(world)
            left, ended = await world.stack.outbox_length(), time.monotonic()
            await eventually(world.stack.is_drained, DRAIN_S, "the outbox is empty after the measurement")
            measured.extra = {
                "outbox_left": left,
                "behind_s": time.monotonic() - ended,
                "rows": await _rows(world) - rows_before,
            }
        finally:
            worker.stop()
            worker.kill()
        return measured


async def _rows(world: World) -> int:
    (row,) = await world.stack.query("SELECT count(*) AS rows FROM sync_events")
    return int(row["rows"])


def unary(participants: Sequence[int]) -> list[Calls]:
    """Return all of them."""
    return [
        Gets("get", "GetSession", ("echo",)),
        Creates("create", "CreateSession", ("echo",)),
        Switches("switch", "SwitchCycle on 1 000 sessions", ("echo", "bare")),
        Switches("switch_ids", "the same, each call with a request_id", ("switch",), request_ids=True),
        Switches("switch_1", "SwitchCycle, one caller", ("echo_1", "bare_1"), callers=1),
        Drained("switch_drained", "SwitchCycle, a worker beside it", ("switch",)),
        Contended("contended", "64 callers on one session", ("switch",)),
        Contended("contended_pair", "64 callers on one session, two servers", ("contended",), server_count=2),
        Pair("switch_pair", "SwitchCycle over two servers", ("switch",)),
        Mixed("mixed", "80 % GetSession, 15 % SwitchCycle, 5 % other", ("echo",)),
        *(
            Switches(f"switch_{count}p", f"SwitchCycle, {count:,} participants", ("switch",), size=count)
            for count in participants
            if count != 2
        ),
        Switches("switch_paced", "SwitchCycle at 25 % of the maximum", ("switch", "echo_paced"), share=QUARTER),
    ]
