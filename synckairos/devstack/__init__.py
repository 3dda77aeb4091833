"""A real Redis and a real PostgreSQL as child processes, for `synckairos dev` and for the tests.

Nothing outside a directory of the caller's choice is touched, and nothing is installed: the servers are the
machine's own or come with the wheels of the extra `embedded`. Everything here is synchronous, because the tests
and the command line need it before an event loop runs; it may be called while one runs, and blocks it then.
"""

from synckairos.devstack.errors import (
    DevstackError,
    DirectoryInUseError,
    PortInUseError,
    ServerFailedError,
    ServerNotFoundError,
)
from synckairos.devstack.guardian import Guardian, Ward
from synckairos.devstack.postgres_server import PostgresServer
from synckairos.devstack.redis_server import RedisServer

__all__ = [
    "DevstackError",
    "DirectoryInUseError",
    "Guardian",
    "PortInUseError",
    "PostgresServer",
    "RedisServer",
    "ServerFailedError",
    "ServerNotFoundError",
    "Ward",
]
