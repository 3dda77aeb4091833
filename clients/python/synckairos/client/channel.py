"""How a client's channel behaves: the published service config, keepalive, and a window that hides no slow reader."""

from importlib.resources import files
from typing import Final

LARGEST_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""The most that a server sends; gRPC alone would take 4 MiB."""

WINDOW_BYTES: Final = 65_535
"""What lies between a reader and its server: with more, thousands of ticks grow old there before anyone notices."""

KEEPALIVE_MS: Final = 20_000
ANSWER_MS: Final = 10_000
"""A peer that leaves a ping unanswered for so long is gone."""


def service_config() -> str:
    """Return the service config of the contract: balancing, health, deadlines and retries, as JSON."""
    return files("synckairos.v1").joinpath("service_config.json").read_text()


def channel_options() -> list[tuple[str, int | str]]:
    """Return the options of a channel to SyncKairos, for `grpc` and `grpc.aio` alike."""
    return [
        ("grpc.service_config", service_config()),
        ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", ANSWER_MS),
        ("grpc.http2.ping_timeout_ms", ANSWER_MS),  # the one of the two that counts (grpcio 1.85)
        # Without these a lost server is tried again only after up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]
