"""What a worker does with a message: it drains the partitions, and rings for those that may hold more."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import structlog

from synckairos.application.errors import StoreUnavailable
from synckairos.application.pipeline.doorbell import Bell
from synckairos.application.pipeline.draining import Drain
from synckairos.application.pipeline.status import BrokerUnavailable, DrainCounters

BUDGET_S: Final = 20.0
"""How long one message is worked on before it makes room for others."""

_log = structlog.get_logger(__name__)


class ClaimingBell(Bell, Protocol):
    """The bell of a worker, which also keeps two of them from draining the same partition."""

    def claimed(self, partitions: Sequence[int]) -> AbstractAsyncContextManager[list[int]]:
        """Claim those of the partitions that no other worker has; all of them while the broker is away.

        Once the body is done they can be rung for again; after an error in it their message comes back.
        """


class DrainWork:
    """Drains the partitions of messages, and counts messages done, failed and given up."""

    def __init__(self, drain: Drain, counters: DrainCounters, bell: ClaimingBell, *, limit_s: float) -> None:
        """`limit_s` bounds the work on one message; every wait in it has a shorter timeout of its own."""
        self._drain = drain
        self._counters = counters
        self._bell = bell
        self._limit_s = limit_s

    def stop(self) -> None:
        """Finish the present batch and begin no other; may be called from another thread."""
        self._drain.stop()

    async def run(self, partitions: Sequence[int]) -> None:
        """Drain the partitions, for BUDGET_S at most, and ring for those that may hold more.

        Raises the error that stops it, a TransientError if the moment is bad.
        """
        try:
            async with asyncio.timeout(self._limit_s):
                await self._run(partitions)
        except Exception as error:
            problem = str(error) or type(error).__name__
            _log.warning("drain_failed", partitions=list(partitions), problem=problem)
            await self._note_failure(problem, is_last=False)
            raise
        with contextlib.suppress(StoreUnavailable):
            await self._counters.completed()

    async def give_up(self, problem: str) -> None:
        """Count a message that failed too often."""
        await self._note_failure(problem, is_last=True)

    async def _run(self, partitions: Sequence[int]) -> None:
        until = time.monotonic() + BUDGET_S
        async with self._bell.claimed(partitions) as claimed:
            left = await self._drain.run(claimed, until)
        # A commit whose ring was refused until just now was written before this look.
        left = left or await self._drain.run(claimed, until)
        if left:
            with contextlib.suppress(BrokerUnavailable):
                await self._bell.ring(left)

    async def _note_failure(self, problem: str, *, is_last: bool) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._counters.failed(problem, is_last=is_last)
