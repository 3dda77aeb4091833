"""Callers of bidirectional streams: a fixed number of messages unanswered at once, each with the answers it wants."""

import select
import time
from collections import deque
from collections.abc import Iterator
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
        self.answers = 0
        """Those to the oldest message that has not all of them."""
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
        job = self._job
        for answer in answers_in(reply, job.batch_field):
            if job.failure_field and job.failure_field in fields_of(answer):
                self._result.errors["a command was refused"] += 1
            elif now >= self._begin:
                self._result.calls += now < self._end
            stream.answers += 1
            if stream.answers == job.in_a_message:
                self._complete(stream, now)

    def _complete(self, stream: _Stream, now: float) -> None:
        stream.answers = 0
        sent = stream.sent.popleft()
        if now >= self._begin:
            self._result.latencies.append(now - sent)
        if now < self._end:
            stream.send(now)


def answers_in(reply: bytes, field: int) -> list[bytes]:
    """Return the answers that a reply holds in this field; 0: it is one itself."""
    return [part for number, part in parts_of(reply) if number == field] if field else [reply]


def fields_of(encoded: bytes) -> set[int]:
    """Return the numbers of the fields an encoded message has at its top."""
    return {number for number, _ in parts_of(encoded)}


def parts_of(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the fields an encoded message has at its top, with the bytes of those that are texts or messages."""
    place = 0
    while place < len(encoded):
        tag, place = _varint(encoded, place)
        start = place
        match tag & 7:
            case 0:
                _, place = _varint(encoded, place)
            case 1:
                place += 8
            case 2:
                size, start = _varint(encoded, place)
                place = start + size
            case 5:
                place += 4
            case other:
                raise ValueError(f"wire type {other}")
        yield tag >> 3, encoded[start:place] if tag & 7 == 2 else b""


def _varint(encoded: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = encoded[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
