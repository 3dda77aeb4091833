"""Who waits for which session in this process: a session's calls, in their order, and how each of them ends."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from synckairos.adapters.redis.keys import SessionKeys
from synckairos.adapters.redis.store.lost_replies import LostCommits
from synckairos.application.errors import Contention
from synckairos.application.ports import Decide, Request

MOST_CALLS: Final = 16
"""Calls of one session in one transaction: as many as events are retained by default."""


class Call:
    """One caller's change, from its arrival to its end."""

    __slots__ = ("_timer", "decide", "end", "request", "until")

    def __init__(self, request: Request, decide: Decide, until: float) -> None:
        self.request = request
        self.decide = decide
        self.until = until
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_over(self) -> bool:
        """Whether the caller has been answered, or has gone away."""
        return self.end.done()

    def settle(self, problem: Exception | None) -> None:
        """Answer the caller, unless it has gone away."""
        self.forget_limit()
        if self.end.done():
            return
        if problem is None:
            self.end.set_result(None)
        else:
            self.end.set_exception(problem)

    def limit(self, give_up: Callable[["Call"], None]) -> None:
        """Give up when the caller's time is over."""
        delay = max(0.0, self.until - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, give_up, self)

    def forget_limit(self) -> None:
        """From now on the call takes as long as it takes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class SessionQueue:
    """The calls of one session: those being carried out, and those behind them."""

    __slots__ = (
        "attempt",
        "bytes",
        "calls",
        "collisions",
        "keys",
        "lost",
        "session_id",
        "trouble",
        "version",
        "waiting",
    )

    def __init__(self, session_id: str, keys: SessionKeys) -> None:
        self.session_id = session_id
        self.keys = keys
        self.waiting: deque[Call] = deque()
        self.calls: list[Call] = []
        self.attempt: Attempt | None = None
        self.trouble: Exception | None = None
        """Why those being carried out have to be tried again."""
        self.lost = LostCommits(session_id)
        self.version: tuple[int, int, str] | None = None
        """What identified the session when it was read last."""
        self.bytes = 0
        """How much the last transaction had to write for it."""
        self.collisions = 0

    def add(self, call: Call) -> None:
        """Let a call wait behind the others, no longer than its caller has time."""
        self.waiting.append(call)
        if self.attempt is not None:
            call.limit(self._give_up)

    def take(self) -> bool:
        """Let the first calls have their turn; False if nobody waits any more."""
        self.calls = []
        now = time.monotonic()
        while self.waiting and len(self.calls) < MOST_CALLS:
            call = self.waiting.popleft()
            if call.until < now:
                call.settle(self.contention())
            if not call.is_over:
                call.forget_limit()
                self.calls.append(call)
        return bool(self.calls)

    def put_off(self, calls: Sequence[Call]) -> None:
        """Let calls go with the next transaction."""
        self.calls = [call for call in self.calls if call not in calls]
        self.waiting.extendleft(reversed(calls))

    def settle(self, problem: Exception | None) -> None:
        """Answer all that are being carried out."""
        self.trouble = None
        for call in self.calls:
            call.settle(problem)

    def contention(self) -> Contention:
        """Return what is told to those whose time is over."""
        if self.collisions == 0:
            return Contention(f"session {self.session_id} stayed busy", session_id=self.session_id)
        text = f"session {self.session_id} kept changing"
        return Contention(text, session_id=self.session_id, attempts=self.collisions)

    def rest(self) -> None:
        """Forget those that were carried out."""
        for call in self.calls:
            call.end.cancel()  # nobody is left without an answer, whatever has gone wrong
        self.attempt, self.calls, self.trouble, self.collisions, self.bytes = None, [], None, 0, 0
        if self.lost:
            self.lost = LostCommits(self.session_id)

    def _give_up(self, call: Call) -> None:
        self.waiting.remove(call)
        call.settle(Contention(f"session {self.session_id} stayed busy", session_id=self.session_id))


class Attempt:
    """One transaction of one or several sessions, by the task that carries it out."""

    __slots__ = ("committed", "queues", "task")

    def __init__(self, queues: list[SessionQueue]) -> None:
        self.queues = queues
        for queue in queues:
            queue.attempt = self
        self.task = asyncio.current_task()
        self.committed: asyncio.Event | None = None
        """Set when the commit under way, if any, has ended."""

    @property
    def is_deserted(self) -> bool:
        """Whether nobody waits for it any more."""
        return all(call.is_over for queue in self.queues for call in queue.calls)
