"""SyncTime as the clocks of a client call it: with the client's token and errors."""

from dataclasses import replace

import grpc

from synckairos.client.connection import ClientClosed, Connection
from synckairos.client.errors import Unreachable
from synckairos.v1.time_service_pb2 import SyncTimeRequest, SyncTimeResponse


class TimeCalls:
    """What ServerClock needs of a stub."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def SyncTime(self, request: SyncTimeRequest, *, timeout: float | None) -> SyncTimeResponse:  # noqa: ASYNC109, N802 - the contract's name, a stub's arguments
        """Take one sample; raises SyncKairosError, also after the client was closed: the clock runs on."""
        options = replace(self._connection.options, timeout_s=timeout)
        try:
            return await self._connection.with_options(options).unary(request, SyncTimeResponse)
        except ClientClosed as error:
            raise Unreachable(grpc.StatusCode.UNAVAILABLE, str(error)) from None
