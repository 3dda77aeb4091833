"""Drives the load processes: starts them once, sets their jobs off together, and puts their results together."""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from typing import Final, Self, TypeVar

from bench.load import samples, usage
from bench.load.jobs import Go, Job, Opened, Ready, Result, Stop, WatchJob

LEAD_S: Final = 0.02
"""From the order to begin until the beginning, so that all processes have heard it."""
PATIENCE_S: Final = 120.0
BUSY: Final = 0.9
"""Of a core: a load process that uses more may be the bottleneck."""

Expected = TypeVar("Expected", Ready, Opened, Result)


class LoadProcessFailed(Exception):
    """A load process has ended or disobeyed an order."""


@dataclass(slots=True)
class Measurement:
    """The result of one round of a scenario; times in seconds."""

    calls: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    """Calls that were to be made again later."""
    cpu_s: dict[str, float] = field(default_factory=dict)
    """CPU seconds used by `server`, `redis` and the busiest of the `load` processes in the time measured."""
    replies: dict[int, bytes] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)
    """Figures that only this scenario has."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.calls / self.seconds if self.seconds else 0.0

    def cpu_per_call(self, part: str) -> float:
        """Return CPU seconds a call."""
        return self.cpu_s.get(part, 0.0) / self.calls if self.calls else 0.0


class LoadProcess:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "bench.load.load_process", str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )

    def tell(self, order: Job | Go | Stop) -> None:
        """Send an order."""
        self._pipe.send(order)

    async def hear(self, kind: type[Expected], seconds: float = PATIENCE_S) -> Expected:
        """Wait for a report; raises LoadProcessFailed if the process says something else, TimeoutError if nothing."""
        try:
            if not await asyncio.to_thread(self._pipe.poll, seconds):
                raise TimeoutError(f"a load process has not reported for {seconds} s")
            report = self._pipe.recv()
        except EOFError as error:
            raise LoadProcessFailed("a load process has ended; its last words are above") from error
        if not isinstance(report, kind):
            raise LoadProcessFailed(f"a load process says {report} instead of {kind.__name__}")
        return report

    def stop(self) -> None:
        """End it."""
        self._process.kill()  # it holds nothing that is worth a farewell
        self._process.wait()
        self._pipe.close()


class LoadPool:
    """All load processes."""

    def __init__(self, size: int) -> None:
        self._processes = [LoadProcess() for _ in range(size)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.stop()

    @property
    def size(self) -> int:
        """How many processes there are."""
        return len(self._processes)

    async def measure(self, jobs: Sequence[Job], pids: Mapping[str, Sequence[int]]) -> Measurement:
        """Carry out one job a process, together, and read the CPU time of these processes for the time measured."""
        at, processes = await self._begin(jobs)
        first = jobs[0]
        assert not isinstance(first, WatchJob)  # noqa: S101 - those last until they are told to stop
        before, began = await _read_at(at + first.warm_s, pids)
        after, ended = await _read_at(at + first.warm_s + first.run_s, pids)
        results = await asyncio.gather(*(process.hear(Result) for process in processes))
        used = {part: (after[part] - before[part]) * first.run_s / (ended - began) for part in pids}
        return measurement(results, first.run_s, used)

    async def carry_out(self, jobs: Sequence[Job]) -> Counter[str]:
        """Carry out one job a process to its end; returns the errors."""
        _, processes = await self._begin(jobs)
        results = await asyncio.gather(*(process.hear(Result) for process in processes))
        return _sum(result.errors for result in results)

    async def watch(self, jobs: Sequence[WatchJob]) -> "Watch":
        """Open the streams of one job a process, all at once; returns when all are open."""
        _, processes = await self._begin(jobs)
        opened = await asyncio.gather(*(process.hear(Opened) for process in processes))
        return Watch(processes, opened)

    def without(self, count: int) -> "LoadPool":
        """Return the pool without its first processes, which are busy."""
        rest = LoadPool(0)
        rest._processes = self._processes[count:]
        return rest

    async def _begin(self, jobs: Sequence[Job]) -> tuple[float, list[LoadProcess]]:
        processes = self._processes[: len(jobs)]
        if len(processes) < len(jobs):
            raise ValueError(f"{len(jobs)} jobs for {len(processes)} processes")
        for process, job in zip(processes, jobs, strict=True):
            process.tell(job)
        await asyncio.gather(*(process.hear(Ready) for process in processes))
        at = time.monotonic() + LEAD_S
        for process in processes:
            process.tell(Go(at))
        return at, processes


class Watch:
    """Open streams in load processes."""

    def __init__(self, processes: Sequence[LoadProcess], opened: Sequence[Opened]) -> None:
        self._processes = processes
        self.waits = [wait for one in opened for wait in one.latencies]
        """From the opening of all to the first message of each stream, in seconds."""

    async def stop(self) -> list[Result]:
        """Close the streams and return their results."""
        for process in self._processes:
            process.tell(Stop())
        return await asyncio.gather(*(process.hear(Result) for process in self._processes))


def measurement(results: Sequence[Result], seconds: float, used: Mapping[str, float]) -> Measurement:
    """Put together the reports of load processes on the same time."""
    busiest = max((result.cpu_s for result in results), default=0.0)
    return Measurement(
        calls=sum(result.calls for result in results),
        seconds=seconds,
        latencies=[latency for result in results for latency in result.latencies],
        sent=[instant for result in results for instant in result.sent],
        errors=_sum(result.errors for result in results),
        refused=sum(result.refused for result in results),
        cpu_s={**used, "load": busiest},
        replies={path: reply for result in results for path, reply in result.samples.items()},
    )


def arrivals(results: Sequence[Result]) -> list[list[float]]:
    """Return when the n-th message after the first one arrived, on all streams of all processes, in order."""
    most = max((len(result.arrivals) for result in results), default=0)
    return [
        sorted(t for result in results if len(result.arrivals) > place for t in result.arrivals[place])
        for place in range(most)
    ]


def percentiles_ms(latencies: Sequence[float]) -> dict[str, float]:
    """Return p50, p90, p99 and max in ms."""
    return {name: seconds * 1_000 for name, seconds in samples.summary(latencies).items()}


async def _read_at(instant: float, pids: Mapping[str, Sequence[int]]) -> tuple[dict[str, float], float]:
    await asyncio.sleep(instant - time.monotonic())
    return {part: sum(usage.cpu_s(pid) for pid in members) for part, members in pids.items()}, time.monotonic()


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total
