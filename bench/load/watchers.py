"""Many watchers in one process: each is a stream, whose messages are noted with their times and thrown away."""

import select
import time
from multiprocessing.connection import Connection as Pipe
from typing import Any

from bench.load.http2 import Connection, Kind, MessageReader, status_of
from bench.load.jobs import Opened, Result, WatchJob


class _Stream:
    """The messages a watcher has been sent."""

    __slots__ = ("messages", "reader")

    def __init__(self) -> None:
        self.messages = 0
        self.reader = MessageReader()


class Watchers:
    """Opens the streams of one job and reads them."""

    def __init__(self, job: WatchJob, pipe: Pipe) -> None:
        self._job = job
        self._pipe = pipe
        self._connections = [Connection(job.addresses[n % len(job.addresses)]) for n in range(job.connections)]
        self._streams: dict[tuple[Connection, int], _Stream] = {}
        self._waits: list[float] = []
        self._result = Result()
        self._opened_at = 0.0

    def run(self, at: float) -> Result:
        """Open everything at `at` (monotonic seconds), say so when all are there, read until told to stop."""
        time.sleep(max(0.0, at - time.monotonic()))
        cpu = time.process_time()
        self._opened_at = time.monotonic()
        for place, request in enumerate(self._job.requests):
            connection = self._connections[place % len(self._connections)]
            self._streams[connection, connection.open(self._job.path, request)] = _Stream()
        for connection in self._connections:
            connection.flush()
        until = self._opened_at + self._job.open_within_s
        while self._open_ones() < len(self._job.requests) and (left := until - time.monotonic()) > 0:
            self._read(left)
        missing = len(self._job.requests) - self._open_ones()
        if missing:
            self._result.errors["no first message"] += missing
        self._pipe.send(Opened(self._waits))
        sources: list[Any] = [*self._connections, self._pipe]
        while self._pipe not in (readable := select.select(sources, (), ())[0]):
            self._drain([one for one in readable if isinstance(one, Connection)])
        self._pipe.recv()
        self._result.cpu_s = time.process_time() - cpu
        return self._result

    def close(self) -> None:
        """Close the connections, and with them the streams."""
        for connection in self._connections:
            connection.close()

    def _open_ones(self) -> int:
        return len(self._waits) + self._result.errors.total()

    def _read(self, seconds: float) -> None:
        readable, _, _ = select.select(self._connections, (), (), seconds)
        self._drain(readable)

    def _drain(self, connections: list[Connection]) -> None:
        for connection in connections:
            arrivals = connection.receive()
            now = time.monotonic()
            for kind, number, payload in arrivals:
                if kind is not Kind.DATA:
                    text = status_of(payload) if kind is Kind.END else f"reset {int.from_bytes(payload)}"
                    self._result.errors[f"stream ended: {text}"] += 1
                    continue
                stream = self._streams[connection, number]
                for _ in stream.reader.complete(payload):
                    self._note(stream, now)
            connection.flush()

    def _note(self, stream: _Stream, now: float) -> None:
        stream.messages += 1
        if stream.messages == 1:
            self._waits.append(now - self._opened_at)
            return
        self._result.messages += 1
        if not self._job.keeps_times:
            return
        while len(self._result.arrivals) < stream.messages - 1:
            self._result.arrivals.append([])
        self._result.arrivals[stream.messages - 2].append(now)
