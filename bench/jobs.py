"""What the bench and its load processes say to each other: jobs there, results back, in msgpack over pipes."""

import struct
import sys
from array import array
from io import FileIO, RawIOBase
from typing import Final

import msgspec

LENGTH: Final = struct.Struct("!I")

Lane = list[tuple[int, bytes]]
"""The calls of one caller, in order: the number of the path, and the encoded request."""


class CallsJob(msgspec.Struct, tag="calls", kw_only=True):
    """Call for a while: as fast as the answers come (rate 0), or at a fixed rate a second, answers or not."""

    addresses: list[str]
    connections: int
    paths: list[str]
    lanes: list[Lane]
    warm_s: float
    run_s: float
    rate: float = 0.0
    phase_s: float = 0.0
    """How far this process's schedule is behind those of the others."""
    request_ids: bool = False
    """Give every request an id of its own; field 2 in every mutation."""
    keeps_order: bool = False
    """Return when each call was sent, not only how long it took."""
    is_once: bool = False
    """Make each call once, and end when all are answered, or when the time is over."""


class StreamJob(msgspec.Struct, tag="stream", kw_only=True):
    """Send prepared messages over bidirectional streams, so many of each on their way at once."""

    addresses: list[str]
    path: str
    lanes: list[list[bytes]]
    in_flight: int
    warm_s: float
    run_s: float
    failure_field: int = 0
    """The field that a reply has only if its command failed; 0: none can."""


class WatchJob(msgspec.Struct, tag="watch", kw_only=True):
    """Open streams, all at once, and note when what arrives, until told to stop."""

    addresses: list[str]
    connections: int
    path: str
    requests: list[bytes]
    keeps_times: bool = True
    open_within_s: float = 60.0


class TransactionJob(msgspec.Struct, tag="transactions", kw_only=True):
    """Carry out the two round trips of a switch against Redis, without gRPC and without a decision."""

    redis_url: str
    prefix: str
    sessions: int
    callers: int
    warm_s: float
    run_s: float


Job = CallsJob | StreamJob | WatchJob | TransactionJob


class Ready(msgspec.Struct, tag="ready"):
    """Connected and prepared."""


class Go(msgspec.Struct, tag="go"):
    """Begin at this instant of the machine's monotonic clock, which all processes share."""

    at: float


class Stop(msgspec.Struct, tag="stop"):
    """End a watch, or, between jobs, the process."""


class Opened(msgspec.Struct, tag="opened"):
    """Every stream has had its first message, or never will; seconds from the opening to it."""

    latencies: bytes


class Result(msgspec.Struct, tag="result", kw_only=True):
    """What came of a job; `latencies` and `sent` are packed doubles, in seconds."""

    calls: int = 0
    """Answers within the time measured."""
    latencies: bytes = b""
    sent: bytes = b""
    errors: dict[str, int] = {}
    cpu_s: float = 0.0
    samples: dict[int, bytes] = {}
    """A reply to each path, to be looked at."""
    arrivals: list[bytes] = []
    """Of a watch: when the n-th message after the first one arrived, on every stream that got one."""
    messages: int = 0


Report = Ready | Opened | Result
Order = Job | Go | Stop

_encoder: Final = msgspec.msgpack.Encoder()


def pack(values: list[float]) -> bytes:
    """Pack numbers for the pipe."""
    return array("d", values).tobytes()


def unpack(packed: bytes) -> list[float]:
    """Return the numbers that were packed."""
    numbers = array("d")
    numbers.frombytes(packed)
    return numbers.tolist()


def encode(message: msgspec.Struct) -> bytes:
    """Return a message with its length before it."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


def write(message: msgspec.Struct) -> None:
    """Write a report to standard output."""
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


def read_order(pipe: RawIOBase) -> Order:
    """Read an order, and not a byte more: select must see the next one. Stop at the end of the pipe."""
    head = _exactly(pipe, LENGTH.size)
    if len(head) < LENGTH.size:
        return Stop()
    order: Order = msgspec.msgpack.decode(_exactly(pipe, *LENGTH.unpack(head)), type=Order)
    return order


def _exactly(pipe: RawIOBase, size: int) -> bytes:
    parts = []
    while size and (part := pipe.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def orders() -> RawIOBase:
    """Return standard input without a buffer."""
    return FileIO(0, closefd=False)
