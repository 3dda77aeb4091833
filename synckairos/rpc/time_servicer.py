"""TimeService: one sample of the time authority's clock."""

from synckairos.application.errors import StoreUnavailable
from synckairos.application.ports import AuthorityClock
from synckairos.rpc.interceptor import Context
from synckairos.rpc.timestamps import timestamp_us
from synckairos.v1 import time_service_pb2 as pb


class TimeServicer:
    """Answers from this process's estimate of the authority's clock, without a round trip."""

    def __init__(self, clock: AuthorityClock) -> None:
        self._clock = clock

    async def SyncTime(self, request: pb.SyncTimeRequest, _context: Context) -> pb.SyncTimeResponse:  # noqa: N802 - the contract's name
        """Return the authority's time at receipt and at reply."""
        received = self._clock.estimate()
        if not self._clock.is_set:
            raise StoreUnavailable("the time authority has not been read yet")
        response = pb.SyncTimeResponse(server_receive_time=timestamp_us(received.now_us))
        if request.HasField("client_transmit_time"):
            response.client_transmit_time.CopyFrom(request.client_transmit_time)
        left = self._clock.estimate()
        response.server_transmit_time.CopyFrom(timestamp_us(left.now_us))
        # While a clock stands still its error shrinks, else it grows.
        response.server_error_us = max(received.error_us or 0, left.error_us or 0)
        response.spread_us = self._clock.spread_us()
        return response
