"""The server's clock as this machine knows it: whatever this machine's own clock says, sessions go by that one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from synckairos.client import SyncKairos
from synckairos.client.errors import Unreachable
from synckairos.client.server_clock import ServerClock
from synckairos.v1.time_service_pb2_grpc import TimeServiceStub


@asynccontextmanager
async def synchronized(client: SyncKairos) -> AsyncIterator[ServerClock]:
    """Yield the server's clock, kept right while the body runs; raises Unreachable."""
    stub: Any = TimeServiceStub(client.connection.channel)  # its generated type knows only synchronous channels
    clock = ServerClock(stub)
    try:
        await clock.start()
    except grpc.RpcError as error:
        raise Unreachable(grpc.StatusCode.UNAVAILABLE, "the server does not tell its time") from error
    async with clock:
        yield clock
