"""Attacks a server's port, in the clear and with TLS, while others call; fails if they are not served.

python -m testing.attacks [--seconds 10] [--only WORD]
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
import uvloop

from synckairos.devstack import RedisServer
from testing.attacks.attacks import ATTACKS, attack_for_ever
from testing.attacks.bystander import Bystander, memory_mb
from testing.harness.certificates import HOST, Certificates
from testing.harness.processes.server_process import ServerProcess

MODES: Final = ("plain", "tls", "tls, certificates optional")
SLOWEST_S: Final = 10.0
PEAK_MB: Final = 1_500.0
"""At 10 000 connections with TLS, which keep some 100 KB each."""
REST_S: Final = 3.0
"""After an attack, until the memory that stays is looked at."""
SETTLING_S: Final = 90.0
"""For all connections of an attack to be there."""


class Fared(NamedTuple):
    """What an attack did."""

    descriptors: int
    calls: int
    failures: list[str]
    slowest_s: float
    before_mb: float
    peak_mb: float
    after_mb: float

    @property
    def is_well(self) -> bool:
        """Whether the others were served, and the memory was bounded."""
        return self.calls > 0 and not self.failures and self.slowest_s < SLOWEST_S and self.peak_mb < PEAK_MB


@contextmanager
def strangers(name: str, port: int, authority: str) -> Iterator[None]:
    """Attack from a process of their own while the body runs."""
    process = multiprocessing.get_context("spawn").Process(target=attack_for_ever, args=(name, HOST, port, authority))
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def descriptors(process: int) -> int:
    """Return how many files and connections a process has open."""
    return len(os.listdir(f"/proc/{process}/fd"))


async def settled(process: int) -> int:
    """Wait until a process gets no more connections; return its descriptors."""
    until, before = time.monotonic() + SETTLING_S, 0
    await asyncio.sleep(REST_S)
    while (now := descriptors(process)) > before + 10 and time.monotonic() < until:
        before = now
        await asyncio.sleep(2.0)  # not a wait: the pace of looking
    return now


async def attack(server: ServerProcess, name: str, authority: str, seconds: float) -> Fared:
    """Attack for a while, and tell how a caller fares from the moment on at which that is under way."""
    bystander = Bystander(server.address, server.credentials)
    before = memory_mb(server.pid)
    with strangers(name, server.port, authority):
        opened = await settled(server.pid)
        peak, until = memory_mb(server.pid), time.monotonic() + seconds
        calling = asyncio.create_task(bystander.call_while(lambda: time.monotonic() < until))
        while not calling.done():
            peak = max(peak, memory_mb(server.pid))
            await asyncio.wait([calling], timeout=0.1)
    await asyncio.sleep(REST_S)
    slowest = max(bystander.seconds, default=0.0)
    return Fared(opened, len(bystander.seconds), bystander.failures, slowest, before, peak, memory_mb(server.pid))


async def attack_all(redis: RedisServer, folder: Path, mode: str, seconds: float, only: str) -> bool:
    """Run all attacks, each on a server of its own; return whether all were borne."""
    files = Certificates(folder / "tls")
    of_modes = {"plain": {}, "tls": files.settings}
    settings = of_modes.get(mode, {**files.mutual, "tls_client_auth": "optional"})
    is_well = True
    for name, (_, connections) in ATTACKS.items():
        if only not in name or (not settings and "handshakes" in name):
            continue
        server = ServerProcess(redis.url, folder / "server.log", redis_prefix="attacked", log_level="error", **settings)
        server.credentials = files.credentials() if settings else None
        with server:
            fared = await attack(server, name, str(files.ca) if settings else "", seconds)
        is_well &= fared.is_well
        typer.echo(
            f"| {mode} | {name} | {connections} | {fared.descriptors} | {fared.calls} | {len(fared.failures)} "
            f"| {fared.slowest_s:.2f} s | {fared.before_mb:.0f} | {fared.peak_mb:.0f} | {fared.after_mb:.0f} |"
        )
        for failure in fared.failures[:3]:
            typer.echo(f"  {failure}", err=True)
    return is_well


def main(
    seconds: Annotated[float, typer.Option(help="How long others call during each attack.")] = 10.0,
    only: Annotated[str, typer.Option(help="A part of the names of the attacks to run.")] = "",
) -> None:
    """Attack in every mode."""
    typer.echo(
        "| port | attack | connections | descriptors | others' calls | failed | slowest | MB before | most | after |"
    )
    typer.echo("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory, RedisServer(Path(directory) / "redis") as redis:
        bore = [uvloop.run(attack_all(redis, Path(directory), mode, seconds, only)) for mode in MODES]
    sys.exit(not all(bore))


if __name__ == "__main__":
    typer.run(main)
