"""Instants as Timestamps."""

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(instant_ms: int) -> Timestamp:
    """Return an instant (ms since 1970) as a Timestamp."""
    seconds, ms = divmod(instant_ms, 1_000)
    return Timestamp(seconds=seconds, nanos=ms * 1_000_000)


def set_timestamp(message: Timestamp, instant_ms: int) -> None:
    """Set a Timestamp, a part of another message, to an instant (ms since 1970)."""
    # Even 0 makes it present in the other message.
    message.seconds, ms = divmod(instant_ms, 1_000)
    message.nanos = ms * 1_000_000


def timestamp_us(instant_us: int) -> Timestamp:
    """Return an instant (microseconds since 1970) as a Timestamp."""
    seconds, us = divmod(instant_us, 1_000_000)
    return Timestamp(seconds=seconds, nanos=us * 1_000)


def optional_timestamp(instant_ms: int | None) -> Timestamp | None:
    """Return an instant (ms since 1970) as a Timestamp; None for None."""
    return None if instant_ms is None else timestamp(instant_ms)
