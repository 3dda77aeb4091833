"""The doorbell tells workers which partitions hold entries.

A message is only a hint: it may be lost, late or doubled, and no event is lost with it. Every process looks at the
outboxes every few seconds and rings for those that are not empty.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog

from synckairos.application.errors import TransientError
from synckairos.application.observers import PipelineObserver
from synckairos.application.pipeline.status import BrokerUnavailable
from synckairos.application.trail.audit import Outbox

RING_S: Final = 0.25
"""Pause between two rings."""
LOOK_S: Final = (4.0, 6.0)
"""Bounds of the pause between two looks at the outboxes, spread so that the processes do not look together."""
BROKEN_S: Final = 1.0
"""Pause after a ring that failed."""

_log = structlog.get_logger(__name__)


class Bell(Protocol):
    """Sends messages to the workers; raises BrokerUnavailable."""

    async def ring(self, partitions: Sequence[int]) -> None:
        """Queue messages for those of these partitions that were not rung for lately."""


class Doorbell:
    """Rings for the partitions that commits of this process have written to, and for those that are not empty."""

    def __init__(
        self,
        bell: Bell,
        outbox: Outbox,
        partition_of: Callable[[str], int],
        observer: PipelineObserver,
    ) -> None:
        self._bell = bell
        self._outbox = outbox
        self._partition_of = partition_of
        self._observer = observer
        self._dirty: set[int] = set()
        self._wake = asyncio.Event()
        self._is_broken: bool | None = None

    def note_commit(self, session_id: str, _boundary: int | None) -> None:
        """Take note that this process has committed a change of the session; costs the commit next to nothing."""
        self._dirty.add(self._partition_of(session_id))
        self._wake.set()

    async def run(self) -> None:
        """Ring for the noted commits, for ever; one ring at a time."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            dirty, self._dirty = self._dirty, set()
            if not await self._ring(sorted(dirty)):
                self._dirty |= dirty
                self._wake.set()
                await asyncio.sleep(BROKEN_S)
            await asyncio.sleep(RING_S)

    async def look(self, drain: Callable[[Sequence[int]], Awaitable[None]] | None = None) -> None:
        """Ring for every outbox that is not empty, now and then, for ever; the first time at once.

        What cannot be rung for is given to `drain`, which a worker has: no broken broker may stop it.
        """
        while True:
            try:
                await self._look(drain)
            except (TransientError, TimeoutError) as error:
                _log.debug("doorbell_waits", problem=str(error))
            except Exception:
                # As in _ring: looks that had ended would ring no more.
                _log.exception("doorbell_failed")
            await asyncio.sleep(random.uniform(*LOOK_S))  # noqa: S311 - jitter, not a secret

    async def _look(self, drain: Callable[[Sequence[int]], Awaitable[None]] | None) -> None:
        backlog = await self._outbox.backlog()
        self._observer.outbox(backlog.length, backlog.oldest_age_ms or 0, backlog.dead)
        if backlog.waiting and not await self._ring(backlog.waiting) and drain is not None:
            await drain(backlog.waiting)

    async def _ring(self, partitions: Sequence[int]) -> bool:
        try:
            await self._bell.ring(partitions)
        except BrokerUnavailable as error:
            self._become(str(error))
            return False
        except Exception:
            # A bug, perhaps; the next ring may succeed, and a doorbell that had died would ring no more.
            self._become("the doorbell failed")
            _log.exception("doorbell_failed")
            return False
        self._become(None)
        return True

    def _become(self, problem: str | None) -> None:
        is_broken = problem is not None
        if is_broken == self._is_broken:
            return
        self._is_broken = is_broken
        self._observer.broker(is_up=not is_broken)
        _log.log(30 if is_broken else 20, "broker_state", problem=problem)
