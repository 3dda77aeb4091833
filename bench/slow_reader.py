"""Does a reader that does not read slow the others down? 500 of one session, with and without one, round by round.

python -m bench.slow_reader [--readers 500] [--changes 100] [--rounds 3]

The reader offers 64 KB, takes nothing, and is stalled before a round begins; the server is told to put up with it for
a minute, so that it is there for the whole round.
"""

import asyncio
import select
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
from google.protobuf.struct_pb2 import Struct
from rich.console import Console
from rich.progress import track

from bench import samples, usage
from bench.crew import Crew, arrivals
from bench.http2 import DEFAULT_WINDOW, Connection, Kind
from bench.jobs import WatchJob
from bench.scenarios.streams import STREAMS, WATCH, switching
from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, running_session, two_players
from testing.harness.server_process import ServerProcess

PROCESSES: Final = 2
"""That read; a third one calls."""
RATE: Final = 20.0
"""Changes a second."""
FILLING: Final = 800
"""Changes that nobody but the stalled reader is sent: more than its window, its queue and what is in hand take."""
SETTLE_S: Final = 1.0
QUIET_S: Final = 0.2
"""Without another byte, before a stalled stream counts as read to where it stands."""


class Round(NamedTuple):
    """What the others saw, in seconds a message; what the stalled one took, in bytes; the server's memory in bytes."""

    is_stalled: bool
    latencies: Sequence[float]
    lost: int
    taken: int
    memory: int


@contextmanager
def one_server() -> Iterator[ServerProcess]:
    """Yield a server on a Redis of its own, without an audit trail."""
    directory = Path(tempfile.mkdtemp(prefix="synckairos-bench-"))
    try:
        with (
            RedisServer(directory / "redis") as redis,
            ServerProcess(redis.url, directory / "server.log", log_level="error", stream_stall_s="60") as server,
        ):
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def watch_jobs(address: str, session_id: str, readers: int) -> list[WatchJob]:
    """Return the jobs of the others."""
    request = pb.WatchSessionRequest(session_id=session_id).SerializeToString()
    shares = [len(range(place, readers, PROCESSES)) for place in range(PROCESSES)]
    return [
        WatchJob(addresses=[address], connections=max(1, share // STREAMS), path=WATCH, requests=[request] * share)
        for share in shares
    ]


async def session_of_a_kilobyte(address: str) -> str:
    """Start a session whose events are large enough to fill a window soon."""
    metadata = Struct()
    metadata["text"] = "x" * 1_000
    async with connect(address) as stub:
        return (await running_session(stub, two_players(bank_ms=86_400_000, metadata=metadata))).session_id


async def stall(address: str, session_id: str) -> Connection:
    """Open a stream that nobody reads, and fill it."""
    connection = Connection(address, DEFAULT_WINDOW)
    connection.open(WATCH, pb.WatchSessionRequest(session_id=session_id).SerializeToString())
    connection.flush()
    async with connect(address) as stub:
        for _ in range(FILLING):
            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
    return connection


def taken_by(connection: Connection) -> int:
    """Return how many bytes of messages have come, now that somebody looks."""
    taken = 0
    while select.select([connection], (), (), QUIET_S)[0]:
        taken += sum(len(arrival.payload) for arrival in connection.receive() if arrival.kind is Kind.DATA)
    return taken


async def play_round(crew: Crew, server: ServerProcess, readers: int, changes: int, *, is_stalled: bool) -> Round:
    """Tell the others of so many changes, and time every message."""
    session_id = await session_of_a_kilobyte(server.address)
    stalled = await stall(server.address, session_id) if is_stalled else None
    watching = await crew.watch(watch_jobs(server.address, session_id, readers - is_stalled))
    job = switching(server.address, session_id, rate=RATE, changes=changes)
    measured = await crew.without(PROCESSES).measure([job], {"server": [server.pid]})
    await asyncio.sleep(SETTLE_S)
    memory = usage.resident_bytes(server.pid)
    times = arrivals(await watching.stop())[-len(measured.sent) :]
    latencies = [at - sent for sent, each in zip(measured.sent, times, strict=True) for at in each]
    taken = 0
    if stalled is not None:
        taken = taken_by(stalled)
        stalled.close()
    lost = len(measured.sent) * (readers - is_stalled) - len(latencies)
    return Round(is_stalled, latencies, lost, taken, memory)


async def measure(readers: int, changes: int, rounds: int) -> bool:
    """Alternate, print every round, and return whether the others were sent all of it and the reader was stalled."""
    played: list[Round] = []
    with one_server() as server:
        async with Crew(PROCESSES + 1) as crew:
            await play_round(crew, server, readers, changes // 2, is_stalled=False)  # warms everything up
            for _ in track(range(rounds), "rounds", console=Console(stderr=True)):
                played += [
                    await play_round(crew, server, readers, changes, is_stalled=is_stalled)
                    for is_stalled in (False, True)
                ]
    for one in played:
        found = {name: seconds * 1_000 for name, seconds in samples.summary(one.latencies).items()}
        sys.stdout.write(
            f"{'one stalled' if one.is_stalled else 'none stalled'}: {len(one.latencies):,} messages, p50 "
            f"{found['p50']:.1f} ms, p99 {found['p99']:.1f} ms, {one.lost} lost; server {one.memory / 1e6:.0f} MB"
            f"{f'; it took {one.taken:,} bytes' if one.is_stalled else ''}\n"
        )
    with_one, without = (
        samples.median(samples.summary(one.latencies)["p99"] for one in played if one.is_stalled is kind)
        for kind in (True, False)
    )
    sys.stdout.write(f"p99 of the others with a stalled reader / without: {with_one / without:.2f}\n")
    was_stalled = all(one.taken <= DEFAULT_WINDOW for one in played)
    return was_stalled and not any(one.lost for one in played)


def main(
    readers: Annotated[int, typer.Option(help="Readers of the session, the stalled one among them.")] = 500,
    changes: Annotated[int, typer.Option(help="Changes in each round.")] = 100,
    rounds: Annotated[int, typer.Option(help="Pairs of rounds.")] = 3,
) -> None:
    """Compare what 500 readers see with and without a stalled one among them."""
    sys.exit(0 if asyncio.run(measure(readers, changes, rounds)) else 1)


if __name__ == "__main__":
    typer.run(main)
