"""What a call costs without gRPC: requests judged in this process, against a real Redis, by several callers at once.

    python -m bench.core

CPU time a call includes the event loop, the exchanges with Redis and the bytes of request and reply. The steps of a
switch are timed by themselves below it: the difference is what waiting and waking cost. Bounds and limits come last.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import typer
import uvloop

from bench.admission_steps import admission_steps
from bench.switch_steps import best_us, switch_steps
from synckairos.adapters.ids import new_change_id, new_session_id
from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.adapters.redis.store.writes import CommitWriter
from synckairos.application.sessions import Sessions
from synckairos.devstack import RedisServer
from synckairos.domain.timing import Lifetimes
from synckairos.rpc.requests import Sender
from synckairos.rpc.session_commands import SessionCommands, fill_reply
from synckairos.telemetry import Metrics, configure_logging
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import two_players

CALLERS: Final = (1, 4, 16, 32)
SESSIONS: Final = 1_000
SENDER: Final = Sender("", "ipv4:127.0.0.1:50000")


class Kind(NamedTuple):
    """A call: its request and its reply."""

    name: str
    request: Any
    reply: Any


KINDS: Final = (
    Kind("GetSession", pb.GetSessionRequest, pb.GetSessionResponse),
    Kind("SwitchCycle", pb.SwitchCycleRequest, pb.SwitchCycleResponse),
)


def _until() -> float:
    return time.monotonic() + 10.0


async def _commands(connections: RedisConnections) -> SessionCommands:
    keys, metrics = Keys(), Metrics()
    guard = StoreIdentityGuard(connections, keys, new_change_id)
    writer = CommitWriter(Lifetimes(), event_window=16, request_ttl_ms=3_600_000)
    store = RedisSessionStore(connections, keys, guard, writer, EstimatedClock(), metrics)
    await guard.open(may_init=True)
    return SessionCommands(Sessions(store, Lifetimes(), new_change_id, new_session_id))


async def _running(commands: SessionCommands, count: int) -> list[str]:
    ids = [str(uuid4()) for _ in range(count)]
    for session_id in ids:
        await commands.judge(two_players(session_id), SENDER, _until())
        await commands.judge(pb.StartSessionRequest(session_id=session_id), SENDER, _until())
    return ids


async def cpu_us(commands: SessionCommands, kind: Kind, ids: Sequence[str], callers: int, seconds: float) -> float:
    """Return the CPU time of a call, in microseconds, when this many callers call at once, each its own sessions."""
    calls = 0
    end = time.monotonic() + seconds

    async def caller(own: Sequence[str]) -> None:
        nonlocal calls
        for encoded in cycle([kind.request(session_id=session_id).SerializeToString() for session_id in own]):
            if time.monotonic() >= end:
                return
            reply = kind.reply()
            fill_reply(reply, await commands.judge(kind.request.FromString(encoded), SENDER, _until()))
            reply.SerializeToString()
            calls += 1

    started = time.process_time()
    await asyncio.gather(*(caller(ids[place::callers]) for place in range(callers)))
    return (time.process_time() - started) / calls * 1e6


async def _measure(sessions: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as directory, RedisServer(Path(directory)) as redis:
        connections = RedisConnections(redis.url)
        try:
            commands = await _commands(connections)
            ids = await _running(commands, sessions)
            sys.stdout.write("callers " + "".join(f"{kind.name:>14}" for kind in KINDS) + "\n")
            for callers in CALLERS:
                row = [await cpu_us(commands, kind, ids, callers, seconds) for kind in KINDS]
                sys.stdout.write(f"{callers:>7} " + "".join(f"{figure:>11.0f} us" for figure in row) + "\n")
        finally:
            await connections.close()
    steps = {name: best_us(step) for name, step in switch_steps().items()}
    steps["the steps of a switch, in a loop"] = sum(steps.values())
    steps |= {name: best_us(step) for name, step in admission_steps().items()}
    for name, took in steps.items():
        sys.stdout.write(f"{name:<34}{took:>6.1f} us\n")


def main(sessions: int = SESSIONS, seconds: float = 2.0) -> None:
    """Measure."""
    configure_logging("warning", "auto")
    uvloop.run(_measure(sessions, seconds))


if __name__ == "__main__":
    typer.run(main)
