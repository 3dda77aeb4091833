"""Frames of HTTP/2, for peers that no library would be."""

import struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, RST_STREAM, PING, CONTINUATION = 4, 1, 3, 6, 9
END_HEADERS: Final = 4
ACK: Final = 1
REFUSED_STREAM: Final = 7


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """Return a header without compression."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


CALL: Final = b"".join(
    literal(name, value)
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/synckairos.v1.SessionService/GetSession"),
        (b":authority", b"flood"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
)
"""The headers of GetSession."""
