"""SyncTime as the clock of a synchronous client calls it."""

import grpc

from synckairos.client.connection import Connection
from synckairos.client.errors import Unreachable
from synckairos.client.sync.background_loop import BackgroundLoop
from synckairos.client.time_calls import TimeCalls
from synckairos.v1.time_service_pb2 import SyncTimeRequest, SyncTimeResponse


class BlockingTimeCalls:
    """What SyncServerClock needs of a stub."""

    def __init__(self, loop: BackgroundLoop, connection: Connection) -> None:
        self._loop = loop
        self._calls = TimeCalls(connection)

    def SyncTime(self, request: SyncTimeRequest, *, timeout: float | None) -> SyncTimeResponse:  # noqa: N802 - the contract's name
        """Take one sample; raises SyncKairosError, also after the client was closed: the clock runs on."""
        try:
            return self._loop.run(self._calls.SyncTime(request, timeout=timeout))
        except RuntimeError as error:
            raise Unreachable(grpc.StatusCode.UNAVAILABLE, str(error)) from None
