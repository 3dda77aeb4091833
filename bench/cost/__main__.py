"""Instructions and CPU time of a SwitchCycle in the server's process, with each thing on and off.

python -m bench.cost [--calls N] [--rounds N] [--only NAME ...]

Instructions are counted by `valgrind --tool=callgrind` (apt install valgrind), so that other work on the machine makes
no difference; what the server does by itself meanwhile is measured while nobody calls, and taken off. CPU time is that
of a server without valgrind, the least of several rounds. One caller calls at a time: then no two calls share anything.
"""

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, Final, NamedTuple

import grpc
import typer
from rich.console import Console
from rich.table import Table

from bench.cost.servers import CountedServer, Start, TimedServer
from bench.cost.variants import VARIANTS, Metadata, Prepared, Variant
from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import new_id, two_players

WARM_UP: Final = 300
TIMED: Final = 3_000
"""Calls of a round without valgrind."""
IDLE_S: Final = 3.0
BANK_MS: Final = 604_800_000


class Cost(NamedTuple):
    """Of a call: thousands of instructions, and microseconds of CPU time."""

    instructions: float
    cpu_us: float


class _Swallow(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take spans, and forget them."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _receiver() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Swallow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _session(stub: Any, metadata: Metadata) -> str:
    session_id = new_id()
    stub.CreateSession(two_players(session_id, bank_ms=BANK_MS), metadata=metadata)
    stub.StartSession(pb.StartSessionRequest(session_id=session_id), metadata=metadata)
    return session_id


def _spent(start: Start, redis: RedisServer, prepared: Prepared, calls: int) -> float:
    """Return what a switch takes in a server of its own, in the server's unit."""
    with (
        tempfile.TemporaryDirectory() as folder,
        start(redis.url, Path(folder), prepared) as server,
        server.channel() as channel,
    ):
        stub: Any = SessionServiceStub(channel)
        request = pb.SwitchCycleRequest(session_id=_session(stub, prepared.metadata))
        for _ in range(WARM_UP):
            stub.SwitchCycle(request, metadata=prepared.metadata)
        server.begin()
        stub.SwitchCycle(request, metadata=prepared.metadata)
        server.spent()
        time.sleep(IDLE_S)
        idle_a_second = server.spent() / IDLE_S
        started = time.monotonic()
        for _ in range(calls):
            stub.SwitchCycle(request, metadata=prepared.metadata)
        took = time.monotonic() - started
        return (server.spent() - idle_a_second * took) / calls


def _measured(variant: Variant, redis: RedisServer, receiver: str, calls: int, rounds: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        prepared = variant.prepare(Path(folder), receiver)
        counted = _spent(CountedServer, redis, prepared, calls) if calls else math.nan
        timed = min((_spent(TimedServer, redis, prepared, TIMED) for _ in range(rounds)), default=math.nan)
    return Cost(counted / 1_000, timed)


def _table(found: dict[str, Cost]) -> Table:
    table = Table("", "thousand instructions a call", "beside", "more", "bound", "CPU µs a call")
    for variant in VARIANTS:
        cost = found.get(variant.name)
        if cost is None:
            continue
        base = found.get(variant.against)
        more = "" if base is None else _told(cost.instructions / base.instructions - 1, "+.2%")
        bound = "" if variant.bound is None else f"{variant.bound:.0%}"
        instructions, cpu_us = _told(cost.instructions, ".1f"), _told(cost.cpu_us, ".0f")
        table.add_row(variant.name, instructions, variant.against, more, bound, cpu_us)
    return table


def _told(value: float, form: str) -> str:
    """Return a figure, or nothing for one that was not asked for."""
    return "" if math.isnan(value) else format(value, form)


def main(
    calls: Annotated[int, typer.Option(min=0, help="Calls that are counted; 0 counts none.")] = 500,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds without valgrind, for CPU time.")] = 3,
    only: Annotated[list[str], typer.Option(help="Measure only the variant of this name; may be repeated.")] = [],  # noqa: B006 - never changed
) -> None:
    """Measure what each thing costs a switch; takes a minute a variant alone on the machine."""
    found: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "redis") as redis, _receiver() as receiver:
        for variant in VARIANTS:
            if not only or variant.name in only:
                try:
                    found[variant.name] = _measured(variant, redis, receiver, calls, rounds)
                except grpc.RpcError as error:
                    typer.echo(f"{variant.name}: cannot be measured: {error}", err=True)
                    continue
                typer.echo(f"{variant.name} is measured", err=True)
    Console().print(_table(found))


if __name__ == "__main__":
    typer.run(main)
