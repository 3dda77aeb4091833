"""Callers of bidirectional streams: a fixed number of messages unanswered at once, with one answer for each."""

import select
import time
from collections import deque
from typing import Final

from bench.load.http2 import Connection, Kind, MessageReader, status_of
from bench.load.jobs import Result, StreamJob

DRAIN_S: Final = 10.0


class _Stream:
    """One stream on a connection of its own, and the times of its unanswered messages."""

    def __init__(self, address: str, path: str, messages: list[bytes]) -> None:
        self.connection = Connection(address)
        self.number = self.connection.open_stream(path)
        self.sent: deque[float] = deque()
        self._messages = messages
        self._place = 0
        self.reader = MessageReader()

    def send(self, now: float) -> None:
        """Send the next message."""
        self.connection.send(self.number, self._messages[self._place])
        self._place = (self._place + 1) % len(self._messages)
        self.sent.append(now)


class StreamCallers:
    """Drives the streams of one job."""

    def __init__(self, job: StreamJob) -> None:
        self._job = job
        self._streams = {
            place: _Stream(job.addresses[place % len(job.addresses)], job.path, messages)
            for place, messages in enumerate(job.lanes)
        }
        self._by_connection = {stream.connection: stream for stream in self._streams.values()}
        self._begin = self._end = 0.0
        self._result = Result()

    def run(self, at: float) -> Result:
        """Send from `at` (monotonic seconds) on; measuring begins after the warm-up.

        An answer's latency is taken from the oldest message under way, exact where answers keep the order.
        """
        self._begin, self._end = at + self._job.warm_s, at + self._job.warm_s + self._job.run_s
        time.sleep(max(0.0, at - time.monotonic()))
        cpu = time.process_time()
        for stream in self._by_connection.values():
            for _ in range(self._job.in_flight):
                stream.send(time.monotonic())
            stream.connection.flush()
        while (now := time.monotonic()) < self._end and self._under_way():
            self._read(self._end - now)
        cpu = time.process_time() - cpu
        self._finish()
        self._result.cpu_s = cpu * self._job.run_s / (self._job.warm_s + self._job.run_s)
        return self._result

    def close(self) -> None:
        """Close the connections."""
        for connection in self._by_connection:
            connection.close()

    def _under_way(self) -> int:
        return sum(len(stream.sent) for stream in self._by_connection.values())

    def _finish(self) -> None:
        until = time.monotonic() + DRAIN_S
        while self._under_way() and (left := until - time.monotonic()) > 0:
            self._read(left)
        if missing := self._under_way():
            self._result.errors["never answered"] += missing

    def _read(self, seconds: float) -> None:
        readable, _, _ = select.select(list(self._by_connection), (), (), seconds)
        for connection in readable:
            stream = self._by_connection[connection]
            arrivals = connection.receive()
            now = time.monotonic()
            for arrival in arrivals:
                if arrival.kind is Kind.DATA:
                    for reply in stream.reader.complete(arrival.payload):
                        self._answered(stream, reply, now)
                else:
                    self._result.errors[f"stream ended: {status_of(arrival.payload)}"] += 1
                    stream.sent.clear()
            connection.flush()

    def _answered(self, stream: _Stream, reply: bytes, now: float) -> None:
        sent = stream.sent.popleft()
        if self._job.failure_field and self._job.failure_field in fields_of(reply):
            self._result.errors["a command was refused"] += 1
        elif now >= self._begin:
            self._result.calls += now < self._end
            self._result.latencies.append(now - sent)
        if now < self._end:
            stream.send(now)


def fields_of(encoded: bytes) -> set[int]:
    """Return the numbers of the fields an encoded message has at its top."""
    numbers, place = set(), 0
    while place < len(encoded):
        tag, place = _varint(encoded, place)
        numbers.add(tag >> 3)
        match tag & 7:
            case 0:
                _, place = _varint(encoded, place)
            case 1:
                place += 8
            case 2:
                size, place = _varint(encoded, place)
                place += size
            case 5:
                place += 4
            case other:
                raise ValueError(f"wire type {other}")
    return numbers


def _varint(encoded: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = encoded[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
