"""Callers without tasks or threads: each answer sets off the next call, and calls of one moment leave together."""

import os
import select
import time
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from bench.load.http2 import OK, Arrival, Connection, Kind, pause_of, status_of
from bench.load.jobs import CallsJob, Lane, Result

DRAIN_S: Final = 10.0
"""How long answers are waited for after the last call."""
SAMPLE_LENGTH: Final = 5
"""Of the bytes before a gRPC message."""
REFUSED_STREAM: Final = 7
"""HTTP/2's code for a stream that was not processed at all (RFC 9113, section 7)."""


class _Lane:
    """One caller: a connection and the calls to make on it, over and over."""

    def __init__(self, connection: Connection, calls: Lane) -> None:
        self.connection = connection
        self._calls = calls
        self._place = 0

    @property
    def is_through(self) -> bool:
        """Whether every call has been made."""
        return self._place >= len(self._calls)

    def next_call(self) -> tuple[int, bytes]:
        """Return the path and the request of the next call, the first one after the last."""
        call = self._calls[self._place % len(self._calls)]
        self._place += 1
        return call


class Callers:
    """Makes the calls of one job."""

    def __init__(self, job: CallsJob) -> None:
        self._job = job
        count = max(1, min(job.connections, len(job.lanes)))
        self._connections = [Connection(job.addresses[place % len(job.addresses)]) for place in range(count)]
        self._lanes = [_Lane(self._connections[place % count], calls) for place, calls in enumerate(job.lanes)]
        self._waiting: dict[tuple[Connection, int], tuple[_Lane, float, int]] = {}
        self._sampling: dict[tuple[Connection, int], bytes] = {}
        self._resting: list[tuple[float, int]] = []
        """Lanes that pause, by the instant at which they go on."""
        self._begin = self._end = 0.0
        self._result = Result()
        self._id_prefix = os.urandom(8).hex()
        self._ids = 0

    def run(self, at: float) -> Result:
        """Call from `at` (monotonic seconds) on; measuring begins after the warm-up."""
        job = self._job
        self._begin, self._end = at + job.warm_s, at + job.warm_s + job.run_s
        time.sleep(max(0.0, at + job.phase_s - time.monotonic()))
        cpu = time.process_time()
        if job.rate:
            self._on_schedule(at + job.phase_s)
        else:
            self._as_answered()
        cpu = time.process_time() - cpu
        self._finish()
        self._result.cpu_s = cpu * job.run_s / (job.warm_s + job.run_s)
        return self._result

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    def _as_answered(self) -> None:
        """Closed loop: every answer is followed by the caller's next call."""
        for lane in self._lanes:
            self._again(lane, time.monotonic())
        self._flush()
        while (now := time.monotonic()) < self._end and (self._waiting or self._resting):
            until = min(self._end, self._resting[0][0]) if self._resting else self._end
            self._read(max(0.0, until - now), self._again)
            self._wake()

    def _wake(self) -> None:
        now = time.monotonic()
        while self._resting and self._resting[0][0] <= now:
            self._again(self._lanes[heappop(self._resting)[1]], now)
        self._flush()

    def _again(self, lane: _Lane, now: float) -> None:
        if now < self._end and not (self._job.is_once and lane.is_through):
            self._call(lane, now)

    def _on_schedule(self, at: float) -> None:
        """Open loop: calls leave when they are due, and wait counts from there, however late the answers come."""
        due = deque(at + call / self._job.rate for call in range(round((self._end - at) * self._job.rate)))
        place = 0
        while due:
            now = time.monotonic()
            while due and due[0] <= now:
                self._call(self._lanes[place % len(self._lanes)], due.popleft())
                place += 1
            self._flush()
            if due:
                self._read(max(0.0, due[0] - time.monotonic()), lambda *_: None)

    def _finish(self) -> None:
        until = time.monotonic() + DRAIN_S
        while self._waiting and (left := until - time.monotonic()) > 0:
            self._read(left, lambda *_: None)
        if self._waiting:
            self._result.errors["never answered"] += len(self._waiting)

    def _call(self, lane: _Lane, due: float) -> None:
        path, request = lane.next_call()
        if self._job.request_ids:
            request += self._request_id()
        key = (lane.connection, lane.connection.open(self._job.paths[path], request))
        self._waiting[key] = (lane, due, path)
        if path not in self._result.samples:
            self._result.samples[path] = b""
            self._sampling[key] = b""

    def _request_id(self) -> bytes:
        """Return field 2 with a UUID: fields may stand in any order, so it goes behind the prepared request."""
        self._ids += 1
        digits = f"{self._id_prefix}{self._ids:016x}"
        uuid = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
        return b"\x12\x24" + uuid.encode()

    def _flush(self) -> None:
        for connection in self._connections:
            connection.flush()

    def _read(self, seconds: float, follow: Callable[[_Lane, float], None]) -> None:
        readable, _, _ = select.select(self._connections, (), (), seconds)
        for connection in readable:
            arrivals = connection.receive()
            now = time.monotonic()
            for arrival in arrivals:
                if arrival.kind is Kind.DATA:
                    self._sample(connection, arrival)
                elif (call := self._waiting.pop((connection, arrival.stream), None)) is not None:
                    pause_s = self._answered(connection, arrival, call, now)
                    if pause_s:
                        heappush(self._resting, (now + pause_s, self._lanes.index(call[0])))
                    else:
                        follow(call[0], now)
            connection.flush()

    def _sample(self, connection: Connection, arrival: Arrival) -> None:
        if self._sampling and (connection, arrival.stream) in self._sampling:
            self._sampling[connection, arrival.stream] += arrival.payload

    def _answered(self, connection: Connection, arrival: Arrival, call: tuple[_Lane, float, int], now: float) -> float:
        """Take note of an answer; return the seconds that its caller is to pause."""
        result, (_, due, path) = self._result, call
        sample = self._sampling.pop((connection, arrival.stream), None)
        if sample is not None:
            result.samples[path] = sample[SAMPLE_LENGTH:]
        if arrival.kind is not Kind.END or OK not in arrival.payload:
            pause_s = pause_of(arrival.payload) if self._job.takes_pauses and arrival.kind is Kind.END else 0.0
            if pause_s or (self._job.takes_pauses and _is_refused_stream(arrival)):
                result.refused += 1
            else:
                result.errors[_failure(arrival)] += 1
            return pause_s
        if self._job.rate:
            is_counted, is_measured = self._begin <= due < self._end, self._begin <= due
        else:
            is_counted, is_measured = self._begin <= now < self._end, self._begin <= now
        result.calls += is_counted
        if is_measured:
            result.latencies.append(now - due)
            if self._job.keeps_order:
                result.sent.append(due)
        return 0.0


def _is_refused_stream(arrival: Arrival) -> bool:
    """Whether a call came beyond the limit of its connection, which clients' libraries heed: nothing was looked at."""
    return arrival.kind is Kind.RESET and int.from_bytes(arrival.payload) == REFUSED_STREAM


def _failure(arrival: Arrival) -> str:
    if arrival.kind is Kind.RESET:
        return f"reset with HTTP/2 code {int.from_bytes(arrival.payload)}"
    return status_of(arrival.payload)
