"""When each call changes its session: a queue for every session, and batches of the sessions that are next.

A change that is alone is a batch of one. What settles a session that is due does not go with calls, but with others of
its kind. A session that a batch could not finish (another process was faster, a reply was lost, another session's part
was refused) is tried again by itself. A session that other processes keep changing stays out of batches for a while, so
that it does not make others fail with it.
"""

import asyncio
import contextlib
import math
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.store.batching import MOST, Gate
from synckairos.adapters.redis.store.decisions import MOST_BYTES
from synckairos.adapters.redis.store.lost_replies import ReplyLost, UnresolvedCommits
from synckairos.adapters.redis.store.queues import MOST_CALLS, Attempt, Call, SessionQueue
from synckairos.adapters.redis.store.transaction import Redirected, WatchConflict
from synckairos.application.errors import StoreUnavailable
from synckairos.application.observers import StoreObserver
from synckairos.application.ports import ResultT

BACKOFF_S: Final = (0.001, 0.01)
"""Shortest and longest mean pause between attempts that collide."""
LOOK_AGAIN_S: Final = 0.05
"""Pause between looks at a store that cannot be reached, while the outcome of a commit is unknown."""
HOT_S: Final = 0.1
"""How long a session that another process has changed under our hands stays out of batches."""
HOT_PAUSE_S: Final = 0.003
"""Mean pause between the turns of such a session, so that the other process gets its turn as well."""
LARGE_S: Final = 10.0
"""How long a session that fills much of a batch by itself stays out of batches."""
LARGE_BYTES: Final = MOST_BYTES // 4
BYTES_SMOOTHING: Final = 0.05
"""Share of the latest session in the average of bytes a call."""
CALLS, DUE, DURABLE_CALLS, LINES = 0, 1, 2, 4
"""The lines in which sessions wait for a batch: calls wait for others that are likely to come; what settles a session
that is due waits neither for them nor behind their batch. What has to be durable keeps to itself: there may be no place
left to wait for that. On a cluster, each partition has lines of its own."""
DURABLE_REMEMBERED: Final = 65_536
"""Sessions of which it is known before they are read that their changes have to be durable."""
REMEMBERED: Final = 1_000
"""Sessions kept apart before the ones whose time is over are forgotten."""


class Scheduler:
    """Carries out the changes of one process."""

    def __init__(
        self,
        keys: Keys,
        guard: StoreIdentityGuard,
        transact: Callable[[Attempt], Awaitable[None]],
        observer: StoreObserver,
        *,
        is_durable: bool = False,
        is_cluster: bool = False,
    ) -> None:
        """`transact` carries out an attempt, as Transactions.run does; on a cluster, each within one partition.

        `is_durable`: all changes must be, not some.
        """
        self._is_durable = is_durable
        self._durable: OrderedDict[str, None] = OrderedDict()
        """Sessions seen that ask to be, the one changed last at the end."""
        self.queues: dict[str, SessionQueue] = {}
        self._keys = keys
        self._guard = guard
        self._transact = transact
        self._observer = observer
        self._stride = LINES if is_cluster else 0
        self._gate = Gate(self._carry_out_batch, MOST_CALLS, prompt=range(DUE, LINES * PARTITIONS, 2))
        self._bytes_a_call = 0.0
        self._apart: dict[str, tuple[float, float]] = {}
        self._alone: set[asyncio.Task[None]] = set()

    async def submit(self, session_id: str, call: Call[ResultT]) -> ResultT:
        """Let a call take its turn, and return the result of its decision; raises what the store raises."""
        queue = self.queues.get(session_id)
        if queue is None:
            is_durable = self._is_durable or session_id in self._durable
            queue = self.queues[session_id] = SessionQueue(session_id, self._keys.of(session_id), is_durable=is_durable)
            queue.add(call)
            self._offer(queue)
        else:
            queue.add(call)
            self._gate.update(queue, *self._size_of(queue), queue.line)
        try:
            return await call.end
        except asyncio.CancelledError:
            if call.end.cancelled():
                await self._leave(queue, call)
            raise

    async def _leave(self, queue: SessionQueue, call: Call[Any]) -> None:
        """Let a caller go: from the queue at once, from a commit in flight when that has ended."""
        call.forget_limit()
        if call in queue.waiting:
            queue.waiting.remove(call)
            if queue.attempt is None and not queue.waiting:
                self._gate.withdraw(queue, queue.line)
                self.queues.pop(queue.session_id, None)
            else:
                self._gate.update(queue, *self._size_of(queue), queue.line)
            return
        attempt = queue.attempt
        if attempt is None or call not in queue.calls:
            return
        if attempt.commit_ended is not None:
            await _through(attempt.commit_ended)
        elif attempt.is_deserted and attempt.task is not None:
            attempt.task.cancel()
            await asyncio.wait([attempt.task])

    def _offer(self, queue: SessionQueue) -> None:
        pause_s = self._pause_of(queue.session_id)
        if pause_s is None:
            queue.line = (
                (DUE if queue.waiting[0].is_due else CALLS)
                + DURABLE_CALLS * queue.is_durable
                + self._stride * queue.keys.partition
            )
            self._gate.offer(queue, *self._size_of(queue), queue.line)
        else:
            self._spawn(self._carry_out_alone(queue, pause_s))

    async def _carry_out_batch(self, queues: list[SessionQueue]) -> None:
        attempt = Attempt([queue for queue in queues if queue.take()])
        try:
            await self._try(attempt)
        finally:
            for queue in queues:
                self._after_batch(queue, is_shared=len(attempt.queues) > 1)

    def _size_of(self, queue: SessionQueue) -> tuple[int, int]:
        """Return how many callers would go with the next transaction, and how much of a batch they fill.

        That is their number, or the share of the bytes that calls write now, whichever is more. A batch that is full
        of bytes before it is full of calls would have read and decided the others in vain.
        """
        callers = min(len(queue.waiting), MOST_CALLS)
        return callers, max(callers, math.ceil(callers * self._bytes_a_call * MOST / MOST_BYTES))

    def _after_batch(self, queue: SessionQueue, *, is_shared: bool) -> None:
        if queue.trouble is None:
            self._rest(queue)
        elif isinstance(queue.trouble, StoreUnavailable):
            queue.fail_all(queue.trouble)
            self._rest(queue)
        else:
            self._spawn(self._retry_until_answered(queue, is_shared=is_shared))

    async def _carry_out_alone(self, queue: SessionQueue, pause_s: float) -> None:
        if pause_s:
            await asyncio.sleep(random.uniform(0, 2) * pause_s)  # noqa: S311 - jitter, not a secret
        if queue.take():
            await self._try(Attempt([queue]))
        self._after_batch(queue, is_shared=False)

    async def _retry_until_answered(self, queue: SessionQueue, *, is_shared: bool) -> None:
        """Try again until all calls are answered; a conflict of a batch does not tell which session collided."""
        attempt = Attempt([queue])
        try:
            if is_shared and isinstance(queue.trouble, WatchConflict):
                before = queue.head
                await self._try(attempt)
                if queue.head != before:
                    self._note_conflict(queue)
            while queue.trouble is not None:
                await self._cope(queue, queue.trouble)
                if attempt.is_deserted:
                    return
                await self._try(attempt)
        finally:
            self._rest(queue)

    async def _cope(self, queue: SessionQueue, trouble: Exception) -> None:
        """Prepare the next attempt, or fail the calls if there is to be none."""
        if isinstance(trouble, ReplyLost):
            queue.lost = queue.lost or UnresolvedCommits(queue.session_id)
            queue.lost.add(trouble)
        elif isinstance(trouble, WatchConflict):
            self._note_conflict(queue)
            await self._back_off(queue)
        elif isinstance(trouble, Redirected):
            await self._wait_for_slot(queue, trouble)
        elif isinstance(trouble, StoreUnavailable):
            if not queue.lost:
                queue.fail_all(trouble)
            elif queue.lost.seconds_left <= 0:
                queue.fail_all(queue.lost.unknown())
            else:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _wait_for_slot(self, queue: SessionQueue, trouble: Redirected) -> None:
        until = time.monotonic() + LOOK_AGAIN_S
        for call in queue.calls:
            if until >= call.until:
                call.fail(queue.lost.unknown() if queue.lost else StoreUnavailable(str(trouble)))
        await asyncio.sleep(LOOK_AGAIN_S)

    def _note_conflict(self, queue: SessionQueue) -> None:
        self._observer.conflict()
        queue.collisions += 1
        self._keep_apart(queue.session_id, HOT_S, HOT_PAUSE_S)

    async def _back_off(self, queue: SessionQueue) -> None:
        shortest, longest = BACKOFF_S
        pause = random.uniform(0, 2) * min(longest, shortest * 2**queue.collisions)  # noqa: S311 - jitter, not a secret
        until = time.monotonic() + pause
        for call in queue.calls:
            if until >= call.until:
                call.fail(queue.lost.unknown() if queue.lost else queue.contention())
        if any(not call.is_over for call in queue.calls):
            await asyncio.sleep(pause)

    async def _try(self, attempt: Attempt) -> None:
        """Carry out an attempt; an error of the attempt as a whole becomes the trouble of each session."""
        for queue in attempt.queues:
            queue.trouble = None
        try:
            if attempt.queues:
                await self._require(attempt)
                await self._transact(attempt)
        except StoreUnavailable as error:
            for queue in attempt.queues:
                queue.trouble = error
        except Exception as error:
            for queue in attempt.queues:
                queue.fail_all(error)

    async def _require(self, attempt: Attempt) -> None:
        """Raise StoreUnavailable unless the store may be used; ask it if a commit has an unknown outcome."""
        left = min((queue.lost.seconds_left for queue in attempt.queues if queue.lost), default=None)
        if left is None:
            self._guard.require()
            return
        try:
            async with asyncio.timeout(max(0.0, left)):
                await self._guard.confirm()
        except TimeoutError as error:
            text = "Redis does not answer after a commit"
            self._guard.suspect(text)
            raise StoreUnavailable(text) from error

    def _rest(self, queue: SessionQueue) -> None:
        """Let the calls behind have their turn."""
        if queue.calls and 0 < queue.bytes <= LARGE_BYTES:
            # Larger ones are kept apart, and fill no batch.
            self._bytes_a_call += BYTES_SMOOTHING * (queue.bytes / len(queue.calls) - self._bytes_a_call)
        if queue.bytes > LARGE_BYTES:
            self._keep_apart(queue.session_id, LARGE_S, 0.0)
        if queue.is_durable and not self._is_durable:
            self._note_durable(queue.session_id)
        queue.rest()
        if queue.waiting:
            self._offer(queue)
        elif self.queues.get(queue.session_id) is queue:
            del self.queues[queue.session_id]

    def _note_durable(self, session_id: str) -> None:
        self._durable[session_id] = None
        self._durable.move_to_end(session_id)
        if len(self._durable) > DURABLE_REMEMBERED:
            self._durable.popitem(last=False)

    def _pause_of(self, session_id: str) -> float | None:
        """Return how long a session that is kept apart waits before its next turn; None if it is not."""
        until, pause_s = self._apart.get(session_id, (0.0, 0.0))
        if until > time.monotonic():
            return pause_s
        self._apart.pop(session_id, None)
        return None

    def _keep_apart(self, session_id: str, seconds: float, pause_s: float) -> None:
        now = time.monotonic()
        if len(self._apart) >= REMEMBERED:
            self._apart = {other: apart for other, apart in self._apart.items() if apart[0] > now}
        self._apart[session_id] = (now + seconds, pause_s)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._alone.add(task)
        task.add_done_callback(self._alone.discard)


async def _through(event: asyncio.Event) -> None:
    """Wait for something however often that is cancelled."""
    while not event.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await event.wait()
