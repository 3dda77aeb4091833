"""Messages as bytes: binary ones are never looked into, JSON is transcoded by the descriptors."""

import json
import zlib
from typing import Final, NamedTuple

from connectrpc.code import Code
from connectrpc.compression.gzip import GzipCompression
from connectrpc.errors import ConnectError
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from synckairos.domain.errors import FieldViolation, InvalidField
from synckairos.gateway.failures import details_of
from synckairos.rpc.statuses import status_of

GZIP_BITS: Final = 31
"""A window of 32 KiB, and gzip's own header."""
GZIP_MEMORY: Final = 5
MAX_VALUES: Final = 50_000
"""Of one JSON text: reading a value costs microseconds, in the loop that calls and streams share."""


class Wire(NamedTuple):
    """An encoded message and the type it is of."""

    encoded: bytes
    kind: type[Message]


class BinaryCodec:
    """`proto`: what comes is what goes."""

    def name(self) -> str:
        """Return the codec's part of the content type."""
        return "proto"

    def encode(self, message: Wire) -> bytes:
        """Return the message as the backend encoded it."""
        return message.encoded

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Wire:
        """Return the message as the caller encoded it; the handler refuses what it cannot read."""
        return Wire(bytes(data), message_class)


class JsonCodec:
    """`json`: protobuf's JSON, without blanks; unknown fields are ignored, as binary ones are."""

    def name(self) -> str:
        """Return the codec's part of the content type."""
        return "json"

    def encode(self, message: Wire) -> bytes:
        """Return the message as JSON."""
        fields = json_format.MessageToDict(message.kind.FromString(message.encoded))
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Wire:
        """Return the message of a JSON text; raises ConnectError with the details every wrong request has."""
        if not data.lstrip().startswith(b"{"):
            raise _unreadable("is no JSON object")  # protobuf's reader takes some arrays for empty messages
        if sum(data.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
            raise _unreadable(f"has more than {MAX_VALUES} values")
        try:
            message = json_format.Parse(bytes(data), message_class(), ignore_unknown_fields=True)
            return Wire(message.SerializeToString(), message_class)
        except (json_format.ParseError, DecodeError, ValueError, RecursionError) as error:
            raise _unreadable(f"cannot be read as JSON of the method's request: {error}") from error


class SmallGzip(GzipCompression):
    """gzip for messages of a few hundred bytes: setting up zlib's usual tables costs four times their compression."""

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        """Return the data as gzip."""
        packer = zlib.compressobj(level=1, wbits=GZIP_BITS, memLevel=GZIP_MEMORY)
        return packer.compress(data) + packer.flush()

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        """Return what one gzip member holds; raises ConnectError, EOFError or zlib.error.

        A message has no reason to be of several, and each would cost a copy of all that follow it.
        """
        unpacker = zlib.decompressobj(wbits=GZIP_BITS)
        unpacked = unpacker.decompress(data, 0 if read_max_bytes is None else read_max_bytes + 1)
        if read_max_bytes is not None and len(unpacked) > read_max_bytes:
            raise ConnectError(Code.RESOURCE_EXHAUSTED, f"message is larger than {read_max_bytes} bytes")
        if not unpacker.eof:
            raise EOFError("gzip breaks off")
        if unpacker.unused_data:
            raise zlib.error("gzip of more than one member")
        return unpacked


def _unreadable(problem: str) -> ConnectError:
    # It may quote half a surrogate pair, which JSON can name and UTF-8 cannot hold.
    problem = problem.encode(errors="backslashreplace").decode()
    _, status = status_of(InvalidField([FieldViolation("request", problem)]), "")
    return ConnectError(Code.INVALID_ARGUMENT, status.message, details_of(status))
