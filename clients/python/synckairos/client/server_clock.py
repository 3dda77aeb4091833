"""The server's time, as this machine can know it: the clock that decides everything, within a stated uncertainty.

async with ServerClock(time_service_stub) as clock:
    print(clock.now_ms(), "±", clock.uncertainty_ms)
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Protocol, Self

import grpc

from synckairos.client.clock_estimate import Reading, Sample, ShownTime, estimate_of, server_error
from synckairos.client.errors import SyncKairosError
from synckairos.v1 import time_service_pb2 as pb

__all__ = ["Reading", "ServerClock", "SyncServerClock"]

SAMPLES: Final = 8
PERIOD_S: Final = 15.0
RETRY_S: Final = 1.0
TIMEOUT_S: Final = 2.0
UNANSWERED: Final = (grpc.RpcError, SyncKairosError)
"""What stubs raise, and what clients make of it."""

# It goes on while the machine sleeps, where the system has such a clock.
_CLOCK_ID: Final = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def local_us() -> int:
    """Return this machine's clock that never steps, in microseconds."""
    return (time.monotonic_ns() if _CLOCK_ID is None else time.clock_gettime_ns(_CLOCK_ID)) // 1_000


class TimeStub(Protocol):
    """A TimeServiceStub on a channel of grpc.aio."""

    def SyncTime(self, request: pb.SyncTimeRequest, *, timeout: float | None) -> Awaitable[pb.SyncTimeResponse]:  # noqa: N802 - the contract's name
        """Take one sample."""


class BlockingTimeStub(Protocol):
    """A TimeServiceStub on a channel of grpc."""

    def SyncTime(self, request: pb.SyncTimeRequest, *, timeout: float | None) -> pb.SyncTimeResponse:  # noqa: N802 - the contract's name
        """Take one sample."""


class _Clock:
    """What both kinds of ServerClock show; another thread may read it while it is corrected."""

    def __init__(self, local: Callable[[], int]) -> None:
        self._local = local
        self._shown: ShownTime | None = None

    @property
    def is_synchronised(self) -> bool:
        """Whether it has compared itself with the server's clock, and can be read."""
        return self._shown is not None

    def read(self) -> Reading:
        """Return the server's time and its uncertainty, in microseconds; RuntimeError before the first `sync`."""
        if self._shown is None:
            raise RuntimeError("the clock has not been synchronised: await sync(), or use it as a context manager")
        return self._shown.at(self._local())

    def now_us(self) -> int:
        """Return the server's time in microseconds since 1970; it never goes back."""
        return self.read().server_us

    def now_ms(self) -> int:
        """Return the server's time in ms since 1970, as the service cuts it off; it never goes back."""
        return self.read().server_us // 1_000

    @property
    def uncertainty_ms(self) -> float:
        """By how many ms the time may be wrong now.

        Half of the round trip, what the server's own estimate may be wrong by, what the clocks may have drifted since,
        and what is still to be corrected.
        """
        return self.read().uncertainty_us / 1_000

    def _take(self, samples: list[Sample]) -> None:
        found, now = estimate_of(samples), self._local()
        self._shown = ShownTime(found, now) if self._shown is None else self._shown.corrected(found, now)


class ServerClock(_Clock):
    """The server's clock by SyncTime: of 8 samples that with the least error, again every `period_s`.

    Corrections are slewed. While the server cannot be reached the clock runs on, and its uncertainty grows. `local` is
    a clock of this machine that never steps, in microseconds.
    """

    def __init__(self, stub: TimeStub, period_s: float = PERIOD_S, local: Callable[[], int] = local_us) -> None:
        super().__init__(local)
        self._stub = stub
        self._period_s = period_s
        self._upkeep: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Synchronise, and keep doing so; raises what the stub raises if the server cannot be reached."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop synchronising."""
        await self.aclose()

    async def start(self) -> None:
        """Synchronise, and keep doing so in the background; raises what the stub does if no server answers."""
        await self.sync()
        if self._upkeep is None:
            self._upkeep = asyncio.create_task(self._keep())

    async def aclose(self) -> None:
        """Stop synchronising; the clock can still be read."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._upkeep
            self._upkeep = None

    async def sync(self) -> None:
        """Compare with the server's clock once; raises what the stub raises if it does not answer."""
        samples: list[Sample] = []
        for _ in range(SAMPLES):
            sent = self._local()
            try:
                reply = await self._stub.SyncTime(pb.SyncTimeRequest(), timeout=TIMEOUT_S)
            except UNANSWERED:
                if not samples:
                    raise
                break
            samples.append(_sample(sent, reply, self._local()))
        self._take(samples)

    async def _keep(self) -> None:
        pause_s = self._period_s
        while True:
            await asyncio.sleep(pause_s)
            pause_s = self._period_s
            try:
                await self.sync()
            except UNANSWERED:
                pause_s = min(self._period_s, RETRY_S)


class SyncServerClock(_Clock):
    """The twin of ServerClock for programs without asyncio; a thread keeps it synchronised."""

    def __init__(self, stub: BlockingTimeStub, period_s: float = PERIOD_S, local: Callable[[], int] = local_us) -> None:
        super().__init__(local)
        self._stub = stub
        self._period_s = period_s
        self._stopping = threading.Event()
        self._upkeep: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Synchronise, and keep doing so; raises what the stub raises if the server cannot be reached."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop synchronising."""
        self.close()

    def start(self) -> None:
        """Synchronise, and keep doing so in the background; raises what the stub does if no server answers."""
        self.sync()
        if self._upkeep is None:
            self._upkeep = threading.Thread(target=self._keep, name="synckairos-clock", daemon=True)
            self._upkeep.start()

    def close(self) -> None:
        """Stop synchronising; the clock can still be read."""
        if self._upkeep is not None:
            self._stopping.set()
            self._upkeep.join()
            self._upkeep = None
            self._stopping.clear()

    def sync(self) -> None:
        """Compare with the server's clock once; raises what the stub raises if it does not answer."""
        samples: list[Sample] = []
        for _ in range(SAMPLES):
            if self._stopping.is_set():
                return
            sent = self._local()
            try:
                reply = self._stub.SyncTime(pb.SyncTimeRequest(), timeout=TIMEOUT_S)
            except UNANSWERED:
                if not samples:
                    raise
                break
            samples.append(_sample(sent, reply, self._local()))
        self._take(samples)

    def _keep(self) -> None:
        pause_s = self._period_s
        while not self._stopping.wait(pause_s):
            pause_s = self._period_s
            try:
                self.sync()
            except UNANSWERED:
                pause_s = min(self._period_s, RETRY_S)


def _sample(sent: int, reply: pb.SyncTimeResponse, received: int) -> Sample:
    server_received = reply.server_receive_time.ToMicroseconds()
    server_sent = reply.server_transmit_time.ToMicroseconds()
    return Sample(sent, server_received, server_sent, received, server_error(reply.server_error_us) + reply.spread_us)
