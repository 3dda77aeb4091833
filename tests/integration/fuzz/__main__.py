"""Fuzzes every method and every parser, led by what of the code each input reaches; ends with figures.

python -m tests.integration.fuzz [--inputs 200000] [--seed 1]
"""

import asyncio
import os
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Final

import atheris
import typer

with atheris.instrument_imports(include=["synckairos"]):
    from synckairos.devstack import PostgresServer, RedisServer
    from synckairos.telemetry import configure_logging
    from tests.integration.fuzz.calls import PATHS, Called, called, seeds_of
    from tests.integration.fuzz.parsers import PARSERS

TARGETS: Final = [*PATHS, *PARSERS]
"""An input's first byte says which of them it is for."""
MAX_BYTES: Final = 4_096
RESTORED_EVERY: Final = 500
REPORTS: Final = 20
GROWTH_MB: Final = 64.0
"""What may be added in the second half: the fuzzer keeps the inputs that led further, and what it knows of them."""


def memory_mb() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


class Run:
    """Takes so many inputs, and ends the process: the fuzzer would never return."""

    def __init__(self, inputs: int, stack: AsyncExitStack, called: Called, loop: asyncio.AbstractEventLoop) -> None:
        self._inputs = inputs
        self._stack = stack
        self._called = called
        self._loop = loop
        self._taken: Counter[str] = Counter()
        self._began = time.monotonic()
        self._memory: list[float] = []

    def take(self, data: bytes) -> None:
        """Try an input."""
        target = TARGETS[data[0] % len(TARGETS)] if data else TARGETS[0]
        try:
            self._try(target, data[1:])
        except Exception:
            traceback.print_exc()
            print(f"BROKEN: {target}: {data[1:]!r}", flush=True)
            self._end(1)
        self._taken[target] += 1
        taken = self._taken.total()
        if taken % RESTORED_EVERY == 0:
            self._loop.run_until_complete(self._called.restore())
        if taken % max(1, self._inputs // REPORTS) == 0:
            self._memory.append(memory_mb())
            seconds = time.monotonic() - self._began
            print(f"{taken} inputs, {seconds:.0f} s, {self._memory[-1]:.0f} MB", flush=True)
        if taken >= self._inputs:
            self._conclude()

    def _try(self, target: str, raw: bytes) -> None:
        if target in PATHS:
            self._loop.run_until_complete(self._called.call(target, raw))
        else:
            PARSERS[target][0](raw)

    def _conclude(self) -> None:
        grown = self._memory[-1] - self._memory[len(self._memory) // 2]
        print("answers:", dict(self._called.codes.most_common()))
        print("inputs:", dict(self._taken.most_common()))
        print(f"memory grew by {grown:.0f} MB in the second half, {GROWTH_MB:.0f} are allowed", flush=True)
        self._end(int(grown > GROWTH_MB))

    def _end(self, code: int) -> None:
        self._loop.run_until_complete(self._stack.aclose())
        sys.stdout.flush()
        os._exit(code)


def write_seeds(folder: Path) -> None:
    """Write something right for every method and parser."""
    for place, target in enumerate(TARGETS):
        seeds = seeds_of(target) if target in PATHS else PARSERS[target][1]
        for number, seed in enumerate(seeds):
            (folder / f"{place}-{number}").write_bytes(bytes([place]) + seed)


def main(
    inputs: Annotated[int, typer.Option(help="How many are tried.")] = 200_000,
    seed: Annotated[int, typer.Option(help="Of the fuzzer; the same one does not repeat a run, for time goes on.")] = 1,
) -> None:
    """Fuzz, and fail if anything breaks or memory grows."""
    configure_logging("error", "json")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    stack = AsyncExitStack()
    # As root, PostgreSQL runs as another account, which has to get in.
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synckairos-fuzz-")))
    folder.chmod(0o711)
    (folder / "seeds").mkdir()
    write_seeds(folder / "seeds")
    redis = stack.enter_context(RedisServer(folder / "redis"))
    postgres = PostgresServer(folder / "postgres")
    postgres.start()
    stack.callback(postgres.wipe)
    stack.callback(postgres.stop)
    server = loop.run_until_complete(stack.enter_async_context(called(redis, postgres)))
    run = Run(inputs, stack, server, loop)
    options = (f"-max_len={MAX_BYTES}", f"-seed={seed}", "-verbosity=0", "-rss_limit_mb=0", "-timeout=60")
    atheris.Setup([sys.argv[0], str(folder / "seeds"), *options], run.take)
    atheris.Fuzz()


if __name__ == "__main__":
    typer.run(main)
