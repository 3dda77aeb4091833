"""Settlements that are stored, but not as durable as they have to be: nobody waits for them, so this does."""

import asyncio
import time
from collections import OrderedDict
from typing import Final

import structlog

from synckairos.application.concurrency import all_of
from synckairos.application.errors import Contention, SessionUnreadable, TransientError
from synckairos.application.sessions import Settlements

_log = structlog.get_logger(__name__)

MOST: Final = 100_000
"""Sessions kept; of more, those that wait longest are let go: what changes next waits for them, too."""
AT_ONCE: Final = 16
PAUSE_S: Final = 1.0
BUDGET_S: Final = 10.0


class UnmetSettlements:
    """Waits for them again until they are durable."""

    def __init__(self, settlements: Settlements) -> None:
        self._settlements = settlements
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._noted = asyncio.Event()

    @property
    def count(self) -> int:
        """How many sessions are not durable yet, as far as is known."""
        return len(self._waiting)

    def note(self, session_id: str) -> None:
        """Take note of a session whose settlement is stored, and not durable."""
        self._waiting[session_id] = None
        if len(self._waiting) > MOST:
            self._waiting.popitem(last=False)
        self._noted.set()

    async def run(self) -> None:
        """See to them for ever."""
        while True:
            await self._noted.wait()
            await self.look()
            if self._waiting:
                await asyncio.sleep(PAUSE_S)
            else:
                self._noted.clear()

    async def look(self) -> None:
        """Wait once more for the first of them; those still not durable go to the end."""
        first = [self._waiting.popitem(last=False)[0] for _ in range(min(AT_ONCE, len(self._waiting)))]
        await all_of([self._confirm(session_id) for session_id in first])

    async def _confirm(self, session_id: str) -> None:
        try:
            await self._settlements.confirm(session_id, time.monotonic() + BUDGET_S)
        except SessionUnreadable:
            pass  # whoever has written it sees to it
        except (TransientError, Contention):
            self.note(session_id)
        except Exception:
            _log.exception("settlement_not_confirmed", session_id=session_id)
