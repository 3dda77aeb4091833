"""Unary calls: one kind at a time, mixed, contended, over two servers, at a fixed rate, beside the worker."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import uuid4

from redis.asyncio import Redis

from bench.load.jobs import Lane, StreamJob
from bench.load.load_pool import Measurement
from bench.scenarios.base import PROCESSES, Calls, Scenario
from bench.scenarios.baselines import QUARTER
from bench.testbed import SERVICE, Testbed
from synckairos.adapters.redis.keys import PARTITIONS
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import two_players
from testing.harness.processes.deployment import Deployment, seconds_until
from testing.harness.processes.server_process import ServerProcess

SWITCH: Final = SERVICE + "SwitchCycle"
GET: Final = SERVICE + "GetSession"
DRAIN_S: Final = 60.0
IN_FLIGHT: Final = 64
"""Commands of each stream."""
LOOK_S: Final = 0.25
"""Between two looks at the outbox, which take CPU time from the server."""
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

    async def lanes(self, testbed: Testbed) -> list[Lane]:
        """Every caller reads its own sessions in turn."""
        ids = await testbed.sessions(testbed.sizes.sessions)
        calls = [(0, pb.GetSessionRequest(session_id=session_id).SerializeToString()) for session_id in ids]
        return [calls[place :: self.callers] for place in range(self.callers)]


@dataclass
class Creates(Calls):
    """Creating sessions of two; the server makes the ids."""

    paths: tuple[str, ...] = (SERVICE + "CreateSession",)

    async def lanes(self, testbed: Testbed) -> list[Lane]:
        """Every caller asks for the same game."""
        del testbed
        request = two_players(increment_ms=1_000)
        request.session_id = ""
        return [[(0, request.SerializeToString())] for _ in range(self.callers)]


@dataclass
class Switches(Calls):
    """Switching sessions of `size` participants, each by one caller only."""

    size: int = 2
    paths: tuple[str, ...] = (SWITCH,)
    share: float = 0.0
    """Of the maximum rate, for an open loop."""

    async def lanes(self, testbed: Testbed) -> list[Lane]:
        """Every caller switches its own sessions in turn."""
        count = testbed.sizes.sessions if self.size <= 10 else 64
        return switches(await testbed.sessions(count, self.size), self.callers)

    def rate(self, testbed: Testbed) -> float:
        """Return a share of the rate that switches have just reached."""
        return self.share * testbed.latest["switch"].rate if self.share else 0.0


@dataclass
class Contended(Calls):
    """All callers switching one session."""

    paths: tuple[str, ...] = (SWITCH,)
    callers: int = 64
    server_count: int = 1

    async def lanes(self, testbed: Testbed) -> list[Lane]:
        """Every caller switches the same session."""
        (session_id,) = await testbed.sessions(1)
        return switches([session_id], 1) * self.callers

    def servers(self, testbed: Testbed) -> Sequence[ServerProcess]:
        """Return as many servers as asked for."""
        return [testbed.server(place) for place in range(self.server_count)]


@dataclass
class Pair(Switches):
    """Switching sessions over two servers."""

    def servers(self, testbed: Testbed) -> Sequence[ServerProcess]:
        """Return both."""
        return [testbed.server(0), testbed.server(1)]


LIFE: Final = ("Create", "Start", "Pause", "Resume", "Complete", "Delete")


@dataclass
class Mixed(Calls):
    """The mixture of a typical backend: 80 % reads, 15 % switches, 5 % of everything else."""

    paths: tuple[str, ...] = (GET, SWITCH, *(f"{SERVICE}{verb}Session" for verb in LIFE))
    most_a_second: int = 20_000
    """Calls that are prepared: more than can be made, for none of them may be made twice."""

    async def lanes(self, testbed: Testbed) -> list[Lane]:
        """Every caller reads and switches its own sessions, and leads sessions of its own through their lives."""
        ids = await testbed.sessions(testbed.sizes.sessions)
        cycles = int(self.most_a_second * (testbed.sizes.warm_s + testbed.sizes.run_s) / self.callers / CYCLE) + 1
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

    async def measure(self, testbed: Testbed) -> Measurement:
        """Measure beside a worker that is up to date, then see how far behind it is."""
        deployment = testbed.deployment
        worker = deployment.start_worker(log_level="info")
        try:
            await seconds_until(deployment.is_drained, DRAIN_S, "the outbox is empty before the measurement")
            rows_before = await testbed.stored_events()
            async with _longest_outbox(deployment) as longest:
                measured = await super().measure(testbed)
            left, ended = await deployment.outbox_length(), time.monotonic()
            await seconds_until(deployment.is_drained, DRAIN_S, "the outbox is empty after the measurement")
            measured.extra = {
                "outbox_longest": max(*longest, left),
                "outbox_left": left,
                "behind_s": time.monotonic() - ended,
                "rows": await testbed.stored_events() - rows_before,
            }
        finally:
            worker.stop()
            worker.kill()
        return measured


@asynccontextmanager
async def _longest_outbox(deployment: Deployment) -> AsyncIterator[list[int]]:
    """Look at the outbox now and then while the body runs; yield a list that takes its lengths."""
    lengths = [0]

    async def look() -> None:
        while True:
            lengths.append(await deployment.outbox_length())
            await asyncio.sleep(LOOK_S)

    looking = asyncio.create_task(look())
    try:
        yield lengths
    finally:
        looking.cancel()


@dataclass
class Outage(Switches):
    """Switching while PostgreSQL is stopped and a worker waits for it."""

    takes_turns: ClassVar[bool] = False
    only_on_request: bool = True

    async def measure(self, testbed: Testbed) -> Measurement:
        """Stop PostgreSQL, measure, and see how soon everything is written once it is back."""
        deployment, server = testbed.deployment, testbed.server()
        worker = deployment.start_worker(log_level="info")
        try:
            await seconds_until(deployment.is_drained, DRAIN_S, "the outbox is empty before the measurement")
            await asyncio.to_thread(deployment.postgres.stop)
            try:
                measured = await super().measure(testbed)
                health, queued = await asyncio.to_thread(server.health), await _queued(deployment)
            finally:
                await asyncio.to_thread(deployment.postgres.start)
            drained_s = await seconds_until(deployment.is_drained, 3 * DRAIN_S, "the outbox is empty after the outage")
        finally:
            worker.kill()
        measured.errors["health is not SERVING"] += health != "SERVING"
        measured.errors["more messages than partitions"] += queued > PARTITIONS
        measured.errors = +measured.errors
        measured.extra = {"queued": queued, "drained_s": drained_s}
        return measured


async def _queued(deployment: Deployment) -> int:
    """Return how many messages wait in Dramatiq, delayed ones included."""
    async with Redis.from_url(deployment.broker_url) as broker:
        bodies = [key async for key in broker.scan_iter("dramatiq:*.msgs")]
        return sum([await broker.hlen(key) for key in bodies if b".XQ." not in key])


@dataclass
class Commands(Scenario):
    """Switching 1 000 sessions over one stream a load process, so many in a message."""

    in_a_message: int = 1

    async def measure(self, testbed: Testbed) -> Measurement:
        """Send and take."""
        ids = await testbed.sessions(testbed.sizes.sessions)
        server = testbed.server()
        await testbed.empty_outbox()
        jobs = [
            StreamJob(
                addresses=[server.address],
                path=SERVICE + "ExecuteCommands",
                lanes=[self._messages(ids[place::PROCESSES])],
                in_flight=IN_FLIGHT // self.in_a_message,
                warm_s=testbed.sizes.warm_s,
                run_s=testbed.sizes.run_s,
                failure_field=pb.ExecuteCommandsResponse.STATUS_FIELD_NUMBER,
                in_a_message=self.in_a_message,
                batch_field=pb.ExecuteCommandsResponse.OUTCOMES_FIELD_NUMBER if self.in_a_message > 1 else 0,
            )
            for place in range(PROCESSES)
        ]
        return await testbed.pool.measure(jobs, testbed.pids([server]))

    def _messages(self, ids: Sequence[str]) -> list[bytes]:
        commands = [
            pb.Command(command_id=str(place), switch_cycle=pb.SwitchCycleRequest(session_id=session_id))
            for place, session_id in enumerate(ids)
        ]
        if self.in_a_message == 1:
            # A command by itself is the same on the wire as one of several.
            return [command.SerializeToString() for command in commands]
        whole = range(0, len(commands) - self.in_a_message + 1, self.in_a_message)
        messages = [pb.ExecuteCommandsRequest(commands=commands[start : start + self.in_a_message]) for start in whole]
        return [message.SerializeToString() for message in messages]


def unary(participants: Sequence[int]) -> list[Scenario]:
    """Return all of them."""
    return [
        Gets("get", "GetSession", ("echo",)),
        Creates("create", "CreateSession", ("echo",)),
        Switches("switch", "SwitchCycle on 1 000 sessions", ("echo", "bare")),
        Switches("switch_ids", "the same, each call with a request_id", ("switch",), request_ids=True),
        Switches("switch_1", "SwitchCycle, one caller", ("echo_1", "bare_1"), callers=1),
        Outage("switch_outage", "SwitchCycle, PostgreSQL stopped", ("switch",)),
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
        Commands("commands", "switches over ExecuteCommands, 2 streams x 64 on their way", ("switch", "echo_stream")),
        Commands("commands_32", "the same, 32 in a message", ("switch",), in_a_message=32),
    ]
