"""A Redis that tells when its log is synced."""

from typing import Final

import redis

from synckairos.devstack import RedisServer

SYNCED: Final = ("--appendfsync", "always")
"""With everysec Valkey 9.1 says so before it is."""


def has_waitaof(server: RedisServer) -> bool:
    """Whether the server can tell; Redis can from 7.2 on."""
    with redis.Redis(port=server.port) as client:
        return "waitaof" in client.command()
