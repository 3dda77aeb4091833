"""Kills primaries under load, lets their replicas take their place, and counts the acknowledged changes that are lost.

python -m testing.robustness.primary_kills [--kills 100] [--durability replicas:1]
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import grpc
import typer

from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, problem_of, running_session
from testing.harness.processes.replica_pair import ReplicaPair
from testing.harness.processes.server_process import ServerProcess
from testing.harness.processes.tcp_proxy import TcpProxy
from testing.harness.waiting import eventually

SESSIONS: Final = 12
CHANGES_BETWEEN: Final = 60
"""Acknowledged changes from the end of one failover to the next kill."""
LAG_S: Final = 0.2
"""How far the replica is behind when its primary dies."""
RECOVERY_S: Final = 30.0


@dataclass
class Tally:
    """What became of the changes."""

    kills: int = 0
    acknowledged: int = 0
    unknown: int = 0
    """Times that a caller was told that nobody knows."""
    lost: int = 0
    """Acknowledged, and gone after a failover."""


class Movable(TcpProxy):
    """An address that leads to the primary, whichever that is."""

    def move(self, port: int) -> None:
        """Lead to another server from now on."""
        self._target = ("127.0.0.1", port)
        self.refuse = self.blackhole = False

    def close(self) -> None:
        """Lead nowhere."""
        self.refuse = True
        self.cut()


async def lost_over(kills: int, durability: str, directory: Path) -> Tally:
    """Change sessions while their primary is killed so many times."""
    tally = Tally()
    async with _served(durability, directory) as (stub, pair, address, link):
        sessions = [await running_session(stub) for _ in range(SESSIONS)]
        writers = [asyncio.create_task(_change_for_ever(stub, one, tally)) for one in sessions]
        try:
            for _ in range(kills):
                await _more(tally, writers)
                link.blackhole = True
                await asyncio.sleep(LAG_S)  # so far is the replica behind when it takes over
                pair.primary.kill()
                address.close()
                link.close()
                link.move(pair.replica.port)
                await asyncio.to_thread(pair.fail_over)
                address.move(pair.primary.port)
                tally.kills += 1
            await _more(tally, writers)
        finally:
            for writer in writers:
                writer.cancel()
            ends = await asyncio.gather(*writers, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    return tally


@asynccontextmanager
async def _served(durability: str, directory: Path) -> AsyncIterator[tuple[Stub, ReplicaPair, Movable, Movable]]:
    """Yield a client of a server, the servers of its store, and where that server and the replica find the primary."""
    with ReplicaPair(directory) as pair:
        port = pair.primary.port
        async with Movable("127.0.0.1", port) as address, Movable("127.0.0.1", port) as link:
            pair.link_port = link.port
            await asyncio.to_thread(pair.follow)
            settings = {"durability": durability, "durability_timeout_ms": "2500", "store_init": "auto"}
            with ServerProcess(f"redis://127.0.0.1:{address.port}/0", directory / "server.log", **settings) as server:
                await asyncio.to_thread(server.await_answer, "SERVING")
                async with connect(server.address) as stub:
                    yield stub, pair, address, link


async def _more(tally: Tally, writers: list["asyncio.Task[None]"]) -> None:
    """Wait until so many more changes are acknowledged, or a writer has failed."""
    wanted = tally.acknowledged + CHANGES_BETWEEN
    await eventually(lambda: tally.acknowledged >= wanted or any(writer.done() for writer in writers), RECOVERY_S)


async def _change_for_ever(stub: Stub, session: Any, tally: Tally) -> None:
    """Make one change after the other, each upon the version acknowledged last, by the same request until it is."""
    version = session.version
    while True:
        request = pb.SwitchCycleRequest(session_id=session.session_id, request_id=new_id(), expected_version=version)
        try:
            reply = await _answered(stub, request, tally)
        except _Lost as lost:
            tally.lost += max(1, version - lost.found)
            version = lost.found
        else:
            tally.acknowledged += 1
            version = reply.session.version


class _Lost(Exception):
    """The session is at another version than was acknowledged."""

    def __init__(self, found: int) -> None:
        super().__init__(f"at version {found}")
        self.found = found


async def _answered(stub: Stub, request: pb.SwitchCycleRequest, tally: Tally) -> pb.SwitchCycleResponse:
    while True:
        try:
            reply: pb.SwitchCycleResponse = await stub.SwitchCycle(request, timeout=10)
        except grpc.RpcError as error:
            problem = problem_of(error)
            if problem.reason == "VERSION_CONFLICT":
                raise _Lost(int(problem.metadata["actual"])) from error
            if problem.code is not grpc.StatusCode.UNAVAILABLE:
                raise
            tally.unknown += problem.reason == "OUTCOME_UNKNOWN"
            await asyncio.sleep(0.05)  # as a client's retries do
        else:
            return reply


def main(
    kills: Annotated[int, typer.Option(help="How many primaries are killed.")] = 100,
    durability: Annotated[str, typer.Option(help="As SYNCKAIROS_DURABILITY.")] = "replicas:1",
) -> None:
    """Print what was lost; ends with 1 if it was anything."""
    with tempfile.TemporaryDirectory() as directory:
        tally = asyncio.run(lost_over(kills, durability, Path(directory)))
    typer.echo(
        f"{durability}: {tally.kills} primaries killed, {tally.acknowledged} changes acknowledged, "
        f"{tally.lost} of them lost, {tally.unknown} times OUTCOME_UNKNOWN"
    )
    raise typer.Exit(1 if tally.lost else 0)


if __name__ == "__main__":
    typer.run(main)
