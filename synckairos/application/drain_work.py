"""What a worker does with a message: drain the partitions it names, and see to what is left in them."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final, Protocol

import structlog

from synckairos.application.draining import Drain
from synckairos.application.errors import StoreUnavailable
from synckairos.application.pipeline_status import BrokerUnavailable, DrainLedger

BUDGET_S: Final = 20.0
"""How long one message is worked on before it makes room for others."""
EXTEND_S: Final = 15.0
"""How often guards are extended during the work; several times in the life of one."""

_log = structlog.get_logger(__name__)


class GuardedBell(Protocol):
    """The doorbell as a worker handles it; every method raises BrokerUnavailable."""

    async def ring(self, partitions: Sequence[int]) -> None:
        """See to it that a message is queued for each of these partitions."""
        ...

    async def extend(self, partitions: Sequence[int]) -> None:
        """Let guards live on while a message is worked on."""
        ...

    async def hold(self, partitions: Sequence[int]) -> None:
        """Set the guards for a message that will come back after a pause."""
        ...

    async def drop(self, partitions: Sequence[int]) -> None:
        """Take guards away, so that new messages can be queued."""
        ...


class DrainWork:
    """Works on messages, and counts what becomes of them."""

    def __init__(self, drain: Drain, ledger: DrainLedger, bell: GuardedBell, *, limit_s: float) -> None:
        """`limit_s` bounds the work on one message; what it waits for has timeouts of its own, all of them shorter."""
        self._drain = drain
        self._ledger = ledger
        self._bell = bell
        self._limit_s = limit_s

    def stop(self) -> None:
        """Finish what is being written and begin nothing more; may be called from another thread."""
        self._drain.stop()

    async def run(self, partitions: Sequence[int]) -> None:
        """Drain the partitions; raises whatever keeps it from that, a TransientError if the moment is bad."""
        try:
            async with asyncio.timeout(self._limit_s), self._guarded(partitions):
                await self._run(partitions)
        except Exception as error:
            _log.warning("drain_failed", partitions=list(partitions), problem=str(error) or type(error).__name__)
            with contextlib.suppress(BrokerUnavailable):
                await self._bell.hold(partitions)
            await self._note_failure(error, is_last=False)
            raise

    async def give_up(self, partitions: Sequence[int], problem: str) -> None:
        """Free the partitions of a message that failed too often: they will be rung for anew."""
        with contextlib.suppress(BrokerUnavailable):
            await self._bell.drop(partitions)
        await self._note_failure(Exception(problem), is_last=True)

    async def _run(self, partitions: Sequence[int]) -> None:
        until = time.monotonic() + BUDGET_S
        left = await self._drain.run(partitions, until)
        with contextlib.suppress(BrokerUnavailable):
            await self._bell.drop(partitions)
            if not left:
                # A commit whose ring was refused until just now has been written before this look.
                left = await self._drain.run(partitions, until)
            if left:
                await self._bell.ring(left)
        with contextlib.suppress(StoreUnavailable):
            await self._ledger.completed()

    async def _note_failure(self, error: Exception, *, is_last: bool) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._ledger.failed(str(error) or type(error).__name__, is_last=is_last)

    @contextlib.asynccontextmanager
    async def _guarded(self, partitions: Sequence[int]) -> Any:  # noqa: ANN401 - an async generator made a context
        """Extend the guards while the body works."""
        task = asyncio.create_task(self._extend(partitions))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _extend(self, partitions: Sequence[int]) -> None:
        while True:
            with contextlib.suppress(BrokerUnavailable):
                await self._bell.extend(partitions)
            await asyncio.sleep(EXTEND_S)
