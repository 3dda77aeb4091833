"""The sweep settles what falls due on time, on any server, whether anybody is listening or not.

Every server looks at the index a few times a second and arms timers for what falls due soon. The writer of the
last change fires at the due instant, the others a little later: normally one server acts, and any other can step in.
Firing goes through the same transaction as any call; a server that comes second finds nothing to do.
"""

import asyncio
import contextlib
import random
import time
from collections import OrderedDict
from typing import Final

import structlog

from synckairos.application.errors import Contention, SessionUnreadable, TransientError
from synckairos.application.observers import SweepObserver
from synckairos.application.ports import AuthorityClock, DeadlineIndex, NewId, SessionStore
from synckairos.application.postponed_settlements import Postponed
from synckairos.application.sessions import Settlements
from synckairos.domain import timing
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import Outcome

LOOK_S: Final = 0.25
HORIZON_MS: Final = 1_000
STEP_IN_S: Final = (0.015, 0.030)
"""How much later than the last writer the other servers fire."""
MAX_PER_PARTITION: Final = 256
MAX_AT_ONCE: Final = 32
FIRE_BUDGET_S: Final = 5.0
REMEMBERED: Final = 100_000
"""Sessions whose last change this process remembers to have made; a hint, never a truth."""

_log = structlog.get_logger(__name__)


class Sweep:
    """Settles what falls due; correctness never depends on it, only punctuality does."""

    def __init__(
        self,
        store: SessionStore,
        index: DeadlineIndex,
        clock: AuthorityClock,
        lifetimes: Lifetimes,
        new_change_id: NewId,
        observer: SweepObserver,
    ) -> None:
        self._store = store
        self._settlements = Settlements(store, lifetimes, new_change_id)
        self._index = index
        self._clock = clock
        self._lifetimes = lifetimes
        self._observer = observer
        self._armed: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        self._written: OrderedDict[str, int] = OrderedDict()
        self._firing: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._postponed = Postponed()
        self._woken = asyncio.Event()

    def note_commit(self, session_id: str, boundary: int | None) -> None:
        """Take note that this process made the session's last change, and of its next boundary (ms)."""
        self._disarm(session_id)
        self._postponed.forget(session_id)
        self._written.pop(session_id, None)
        if boundary is None:
            return
        self._written[session_id] = boundary
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        if self._clock.until_s(boundary * 1_000) < HORIZON_MS / 1_000 + LOOK_S:
            self._arm(session_id, boundary)

    def wake(self) -> None:
        """Look now: a part of the store is back."""
        self._woken.set()

    async def run(self) -> None:
        """Look at the index for ever."""
        while True:
            started = time.monotonic()
            try:
                await self._look()
            except TransientError as error:
                _log.debug("sweep_waits", reason=error.reason)
            except Exception:
                self._observer.sweep_failed()
                _log.exception("sweep_failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, LOOK_S - (time.monotonic() - started))):
                    await self._woken.wait()
            self._woken.clear()

    async def stop(self) -> None:
        """Disarm every timer and wait for the settlements in progress."""
        while self._armed or self._firing:
            # A settlement in progress may arm the next timer of its session.
            for session_id in list(self._armed):
                self._disarm(session_id)
            if self._firing:
                await asyncio.wait(self._firing.values())

    async def _look(self) -> None:
        # The authority's own time: reading it also keeps the estimate close to it while nobody calls.
        horizon = await self._store.now_us() // 1_000 + HORIZON_MS
        # Those put off stay due, and must not take the places of others.
        due = await self._index.due_before(horizon, MAX_PER_PARTITION + len(self._postponed))
        self._postponed.keep({session_id for session_id, _ in due})
        for session_id, boundary in due:
            if session_id not in self._firing and not self._postponed.holds(session_id, boundary):
                self._arm(session_id, boundary)
        repaired = await self._index.repair()
        if repaired:
            self._observer.repaired(repaired)
            _log.warning("index_repaired", entries=repaired)

    def _arm(self, session_id: str, boundary: int, delay: float | None = None) -> None:
        """Set the timer of a boundary, for when the estimate comes to it if nothing better is known."""
        armed = self._armed.get(session_id)
        if armed is not None:
            if armed[0] == boundary:
                return
            armed[1].cancel()
        if delay is None:
            delay = self._clock.until_s(boundary * 1_000)
        if self._written.get(session_id) != boundary:
            delay += random.uniform(*STEP_IN_S)  # noqa: S311 - jitter, not a secret
        handle = asyncio.get_running_loop().call_later(delay, self._fire, session_id, boundary)
        self._armed[session_id] = (boundary, handle)

    def _disarm(self, session_id: str) -> None:
        armed = self._armed.pop(session_id, None)
        if armed is not None:
            armed[1].cancel()

    def _fire(self, session_id: str, boundary: int) -> None:
        self._armed.pop(session_id, None)
        if session_id not in self._firing:
            self._firing[session_id] = asyncio.ensure_future(self._settle(session_id, boundary))

    async def _settle(self, session_id: str, boundary: int) -> None:
        try:
            async with self._places:
                until = time.monotonic() + FIRE_BUDGET_S
                outcome = await self._settlements.settle(session_id, until, self._note_lateness)
            self._postponed.forget(session_id)
            if outcome is None:
                await self._index.drop(session_id)
            elif not outcome.events:
                self._arm_again(session_id, outcome)
        except SessionUnreadable as error:
            self._put_off(session_id, boundary, error)
        except (TransientError, Contention) as error:
            _log.debug("settlement_postponed", session_id=session_id, reason=error.reason)
        except Exception as error:
            self._put_off(session_id, boundary, error)
        finally:
            self._firing.pop(session_id, None)

    def _put_off(self, session_id: str, boundary: int, error: Exception) -> None:
        """Try a session again later, the store being there: what is wrong with it does not pass from look to look."""
        self._observer.sweep_failed()
        if not self._postponed.note(session_id, boundary):
            return
        if isinstance(error, SessionUnreadable):
            _log.warning("session_unreadable", session_id=session_id, problem=str(error))
        else:
            _log.error("settlement_failed", session_id=session_id, exc_info=error)

    def _arm_again(self, session_id: str, outcome: Outcome) -> None:
        """Fire once more if this was too early, by the authority's own clock.

        The estimate may be ahead of it for seconds, after a small step back: by it, we would fire again at once.
        """
        boundary = timing.next_boundary(outcome.session, self._lifetimes)
        if boundary is not None and 0 < boundary.at - outcome.now <= HORIZON_MS:
            early_s = (boundary.at - outcome.now) / 1_000
            self._arm(session_id, boundary.at, max(early_s, self._clock.until_s(boundary.at * 1_000)))

    def _note_lateness(self, outcome: Outcome) -> None:
        for event in outcome.events:
            if event.fired_at is not None and event.session.manual_at is None:
                self._observer.fired(event.fired_at - event.session.updated_at)
