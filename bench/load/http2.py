"""Just enough HTTP/2 to drive a gRPC server with prepared bytes, at a fraction of what a gRPC client costs.

A load generator shares the machine with the server it measures. grpcio's clients, asynchronous or not, take more time
for a call than the server does for an empty one; this connection takes a few times less. It knows clear text, flow
control, pings and statuses; the table of response headers has no entries, so every status can be read where it stands.
"""

import socket
import struct
from collections import deque
from enum import Enum, auto
from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
HEAD: Final = struct.Struct("!HBBBI")
"""A frame's head; its length comes in two parts, for there is no code for three bytes."""
MESSAGE_HEAD: Final = 5
"""Bytes before a gRPC message: whether it is compressed, and its length."""
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4
DEFAULT_WINDOW: Final = 65_535
WIDEST: Final = 2**31 - 1
MAX_FRAME: Final = 16_384
RECEIVE: Final = 1 << 18
OK: Final = b"\x0bgrpc-status\x010"
CONNECT_S: Final = 5.0


class Kind(Enum):
    """The kinds of arrivals on a stream."""

    DATA = auto()
    END = auto()
    """Its end, with the status in the payload's headers."""
    RESET = auto()


class Arrival(NamedTuple):
    """Something that came of a stream: message bytes, the block of its trailers, or the code of its reset."""

    kind: Kind
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame."""
    size = len(payload)
    return HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def message(encoded: bytes) -> bytes:
    """Return a gRPC message as it goes over the wire: not compressed, its length first."""
    return struct.pack("!BI", 0, len(encoded)) + encoded


class MessageReader:
    """Puts gRPC messages together from the bytes of one stream."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def complete(self, payload: bytes) -> list[bytes]:
        """Take bytes and return the messages they complete."""
        if not self._rest and len(payload) == MESSAGE_HEAD + int.from_bytes(payload[1:MESSAGE_HEAD]):
            return [payload[MESSAGE_HEAD:]]
        self._rest += payload
        found = []
        while len(self._rest) >= MESSAGE_HEAD:
            end = MESSAGE_HEAD + int.from_bytes(self._rest[1:MESSAGE_HEAD])
            if len(self._rest) < end:
                break
            found.append(self._rest[MESSAGE_HEAD:end])
            self._rest = self._rest[end:]
        return found


class HeaderTable:
    """Encodes request headers as a gRPC client does: in full the first time, by their numbers from then on."""

    def __init__(self, authority: str) -> None:
        self._authority = authority
        self._numbers: dict[tuple[str, str], int] = {}
        self._blocks: dict[str, bytes] = {}

    def block(self, path: str) -> bytes:
        """Return the block of a request for this path."""
        block = self._blocks.get(path)
        if block is not None:
            return block
        before = len(self._numbers)
        block = b"\x83\x86" + b"".join(  # POST and http, which have numbers of their own
            self._field(name, value)
            for name, value in (
                (":path", path),
                (":authority", self._authority),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                ("user-agent", "synckairos-bench"),
                ("grpc-accept-encoding", "identity, deflate, gzip"),
            )
        )
        if len(self._numbers) == before:
            self._blocks[path] = block
        else:
            self._blocks.clear()  # every new entry moves the numbers of the older ones
        return block

    def _field(self, name: str, value: str) -> bytes:
        number = self._numbers.get((name, value))
        if number is not None:
            return bytes((0x80 | (61 + len(self._numbers) - number),))
        self._numbers[name, value] = len(self._numbers)
        return b"\x40" + _text(name) + _text(value)


def _text(value: str) -> bytes:
    encoded = value.encode()
    if len(encoded) > 126:
        raise ValueError(f"too long for a header here: {value}")
    return bytes((len(encoded),)) + encoded


def status_of(block: bytes) -> str:
    """Return the status that trailers tell, and its text: "14: the store cannot be reached"."""
    return f"{_header(block, b'grpc-status') or '?'}: {_header(block, b'grpc-message')}"


def pause_of(block: bytes) -> float:
    """Return the seconds after which trailers ask for another try; 0 if they do not."""
    told = _header(block, b"grpc-retry-pushback-ms")
    return int(told) / 1_000 if told.isdecimal() else 0.0


def _header(block: bytes, name: bytes) -> str:
    place = block.find(bytes((len(name),)) + name)
    if place < 0:
        return ""
    start = place + 1 + len(name)
    length = block[start]
    if length == 0x7F:  # the length goes on in the next bytes; seven bits each
        length, shift = 0x7F, 0
        while True:
            start += 1
            length += (block[start] & 0x7F) << shift
            shift += 7
            if block[start] < 0x80:
                break
    return block[start + 1 : start + 1 + length].decode(errors="replace")


class Connection:
    """One connection; writing gathers until `flush`, reading returns what has come. Raises OSError when it is lost.

    `window` is how many bytes the server may send unread; with less than the widest, no more than that may be read.
    """

    def __init__(self, address: str, window: int = WIDEST) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host.strip("[]"), int(port)), CONNECT_S)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._table = HeaderTable(address)
        self._next = 1
        self._out: list[bytes] = []
        self._in = b""
        self._room: dict[int, int] = {0: DEFAULT_WINDOW}
        self._stream_room = DEFAULT_WINDOW
        self._held: deque[tuple[int, bytes, int]] = deque()
        self._unread = WIDEST
        settings = struct.pack("!HIHI", HEADER_TABLE_SIZE, 0, INITIAL_WINDOW_SIZE, window)
        self._out += [PREFACE, frame(SETTINGS, 0, 0, settings)]
        if window > DEFAULT_WINDOW:
            self._out.append(_widening(window - DEFAULT_WINDOW))
        self.flush()

    def fileno(self) -> int:
        """Its socket, for select."""
        return self._socket.fileno()

    def open(self, path: str, encoded: bytes) -> int:
        """Make a call with one message and return its stream."""
        stream = self._headers(path)
        self._data(stream, message(encoded), END_STREAM)
        return stream

    def open_stream(self, path: str) -> int:
        """Make a call that many messages follow and return its stream."""
        stream = self._headers(path)
        self._room[stream] = self._stream_room
        return stream

    def send(self, stream: int, encoded: bytes) -> None:
        """Send one more message on an open stream."""
        self._data(stream, message(encoded), 0)

    def flush(self) -> None:
        """Write the frames that have gathered."""
        if self._out:
            self._socket.sendall(b"".join(self._out))
            self._out.clear()

    def receive(self) -> list[Arrival]:
        """Wait for bytes and return the arrivals in them; control frames are answered with the next flush."""
        chunk = self._socket.recv(RECEIVE)
        if not chunk:
            raise ConnectionResetError("the server has closed the connection")
        buffer = self._in + chunk if self._in else chunk
        arrivals: list[Arrival] = []
        place, end = 0, len(buffer)
        while end - place >= HEAD.size:
            high, low, kind, flags, stream = HEAD.unpack_from(buffer, place)
            after = place + HEAD.size + (high << 8) + low
            if after > end:
                break
            payload = buffer[place + HEAD.size : after]
            place = after
            if kind == DATA:
                self._read(len(payload))
                arrivals.append(Arrival(Kind.DATA, stream, payload))
            if kind in {DATA, HEADERS} and flags & END_STREAM:
                self._room.pop(stream, None)
                arrivals.append(Arrival(Kind.END, stream, payload if kind == HEADERS else b""))
            elif kind not in {DATA, HEADERS}:
                self._control(kind, flags, stream, payload, arrivals)
        self._in = buffer[place:]
        return arrivals

    def close(self) -> None:
        """Close it without a word; streams that are open end at the server as cancelled."""
        self._socket.close()

    def _headers(self, path: str) -> int:
        stream = self._next
        self._next += 2
        self._out.append(frame(HEADERS, END_HEADERS, stream, self._table.block(path)))
        return stream

    def _data(self, stream: int, payload: bytes, flags: int) -> None:
        if len(payload) > MAX_FRAME:
            raise ValueError("a request here is one frame")
        if self._held or not self._has_room(stream, len(payload)):
            self._held.append((stream, payload, flags))
        else:
            self._out.append(frame(DATA, flags, stream, payload))

    def _has_room(self, stream: int, size: int) -> bool:
        """Take room of the windows, if there is enough; a single request always fits into its stream's."""
        if self._room[0] < size or self._room.get(stream, size) < size:
            return False
        self._room[0] -= size
        if stream in self._room:
            self._room[stream] -= size
        return True

    def _control(self, kind: int, flags: int, stream: int, payload: bytes, arrivals: list[Arrival]) -> None:
        if kind == WINDOW_UPDATE:
            if stream in self._room:
                self._room[stream] += int.from_bytes(payload)
            self._release()
        elif kind == PING and not flags & ACK:
            self._out.append(frame(PING, ACK, 0, payload))
        elif kind == SETTINGS and not flags & ACK:
            self._settings(payload)
            self._out.append(frame(SETTINGS, ACK, 0, b""))
        elif kind == RST_STREAM:
            self._room.pop(stream, None)
            arrivals.append(Arrival(Kind.RESET, stream, payload))
        elif kind == GOAWAY:
            raise ConnectionResetError(f"the server goes away: {payload[8:].decode(errors='replace')}")

    def _settings(self, payload: bytes) -> None:
        for number, value in struct.iter_unpack("!HI", payload):
            if number == INITIAL_WINDOW_SIZE:
                more, self._stream_room = value - self._stream_room, value
                for stream in self._room:
                    self._room[stream] += more if stream else 0
        self._release()

    def _release(self) -> None:
        while self._held and self._has_room(self._held[0][0], len(self._held[0][1])):
            stream, payload, flags = self._held.popleft()
            self._out.append(frame(DATA, flags, stream, payload))

    def _read(self, size: int) -> None:
        """Widen our window for the whole connection when half of it is used; those of the streams are never full."""
        self._unread -= size
        if self._unread < WIDEST // 2:
            self._out.append(_widening(WIDEST - self._unread))
            self._unread = WIDEST


def _widening(size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", size))
