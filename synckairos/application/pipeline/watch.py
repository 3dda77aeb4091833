"""What the metrics of a process show of the pipeline as a whole, read now and then."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from synckairos.application.errors import AuditUnavailable, StoreUnavailable
from synckairos.application.observers import PipelineObserver
from synckairos.application.pipeline.status import BrokerUnavailable, DrainCounters, MessageQueue

EVERY_S: Final = 5.0
"""Pause between two readings."""

_log = structlog.get_logger(__name__)


class PipelineWatch:
    """Tells the observer of messages, of the counts of all drains, and of the sessions in the store."""

    def __init__(
        self,
        counters: DrainCounters,
        queue: MessageQueue | None,
        sessions: Callable[[], Awaitable[int]],
        observer: PipelineObserver,
        check_database: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Without a queue (None) there is no audit trail; `sessions` counts those in the store.

        `check_database` raises AuditUnavailable if the database cannot be reached; None if there is none.
        """
        self._check_database = check_database
        self._counters = counters
        self._queue = queue
        self._sessions = sessions
        self._observer = observer

    async def run(self) -> None:
        """Read for ever; what cannot be reached is read again later."""
        while True:
            try:
                await self._look_at_database()
                await self._read()
                self._observer.reached("store", is_up=True)
            except StoreUnavailable as error:
                self._observer.reached("store", is_up=False)
                _log.debug("pipeline_not_read", problem=str(error))
            except Exception:
                # Metrics that stand still must not look like a pipeline that does.
                _log.exception("pipeline_not_read")
            await asyncio.sleep(EVERY_S)

    async def _look_at_database(self) -> None:
        if self._check_database is None:
            return
        try:
            await self._check_database()
        except AuditUnavailable:
            self._observer.reached("database", is_up=False)
        else:
            self._observer.reached("database", is_up=True)

    async def _read(self) -> None:
        depth = None
        if self._queue is not None:
            with contextlib.suppress(BrokerUnavailable):
                depth = await self._queue.depth()
            self._observer.broker(is_up=depth is not None)
        self._observer.pipeline(depth, await self._counters.totals(), await self._sessions())
