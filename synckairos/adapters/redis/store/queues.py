"""The calls that wait for each session in this process, in their order, and how each of them ends."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic

from synckairos.adapters.redis.keys import SessionKeys
from synckairos.application.errors import Contention
from synckairos.application.ports import Decide, Receipt, Request, ResultT

if TYPE_CHECKING:
    from synckairos.adapters.redis.store.lost_replies import UnresolvedCommits
    from synckairos.domain.model import Head

MOST_CALLS: Final = 16
"""Calls of one session in one transaction: as many as events are retained by default."""


class Call(Generic[ResultT]):
    """One caller's change, from its arrival to its end."""

    __slots__ = ("_timer", "decide", "end", "is_due", "receipt", "request", "until")

    def __init__(
        self,
        request: Request,
        decide: Decide[ResultT],
        until: float,
        *,
        is_due: bool = False,
        receipt: Receipt | None = None,
    ) -> None:
        self.request = request
        self.receipt = receipt
        self.is_due = is_due
        """Whether it settles what was due before it came."""
        self.decide = decide
        self.until = until
        self.end: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_over(self) -> bool:
        """Whether the caller has been answered, or has gone away."""
        return self.end.done()

    def answer(self, result: ResultT) -> None:
        """Give the caller the result of its decision, unless it has gone away."""
        self.forget_limit()
        if not self.end.done():
            self.end.set_result(result)

    def fail(self, problem: Exception) -> None:
        """Give the caller a problem, unless it has gone away."""
        self.forget_limit()
        if not self.end.done():
            self.end.set_exception(problem)

    def limit(self, give_up: Callable[["Call[Any]"], None]) -> None:
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
        "attempt", "bytes", "calls", "collisions", "head", "is_durable", "keys", "line", "lost", "session_id",
        "trouble", "waiting",
    )  # fmt: skip

    def __init__(self, session_id: str, keys: SessionKeys, *, is_durable: bool) -> None:
        self.session_id = session_id
        self.keys = keys
        self.is_durable = is_durable
        """Whether its changes are known to need more than to be stored."""
        self.waiting: deque[Call[Any]] = deque()
        self.calls: list[Call[Any]] = []
        self.line = 0
        """The line in which the queue waits for its batch."""
        self.attempt: Attempt | None = None
        self.trouble: Exception | None = None
        """Why the calls being carried out have to be tried again."""
        self.lost: UnresolvedCommits | None = None
        """Commits of the calls being carried out whose replies were lost."""
        self.head: Head | None = None
        """The version that the last attempt read."""
        self.bytes = 0
        """How much the last transaction had to write for the session."""
        self.collisions = 0

    def add(self, call: Call[Any]) -> None:
        """Let a call wait behind the others, no longer than its caller has time."""
        self.waiting.append(call)
        if self.attempt is not None:
            call.limit(self._give_up)

    def take(self) -> bool:
        """Let the first calls have their turn; False if none is left."""
        self.calls = []
        now = time.monotonic()
        while self.waiting and len(self.calls) < MOST_CALLS:
            call = self.waiting.popleft()
            if call.until < now:
                call.fail(self.contention())
            if not call.is_over:
                call.forget_limit()
                self.calls.append(call)
        return bool(self.calls)

    def put_off(self, calls: Sequence[Call[Any]]) -> None:
        """Let calls go with the next transaction."""
        self.calls = [call for call in self.calls if call not in calls]
        self.waiting.extendleft(reversed(calls))

    def fail_all(self, problem: Exception) -> None:
        """Give all callers being carried out the same problem."""
        self.trouble = None
        for call in self.calls:
            call.fail(problem)

    def contention(self) -> Contention:
        """Return the error of a call whose time is over."""
        if self.collisions == 0:
            return Contention(f"session {self.session_id} stayed busy", session_id=self.session_id)
        text = f"session {self.session_id} kept changing"
        return Contention(text, session_id=self.session_id, attempts=self.collisions)

    def rest(self) -> None:
        """Forget the calls that were carried out."""
        for call in self.calls:
            call.end.cancel()  # nobody is left without an answer, whatever has gone wrong
        self.attempt, self.calls, self.trouble, self.lost, self.collisions, self.bytes = None, [], None, None, 0, 0

    def _give_up(self, call: Call[Any]) -> None:
        self.waiting.remove(call)
        call.fail(Contention(f"session {self.session_id} stayed busy", session_id=self.session_id))


class Attempt:
    """One transaction of one or several sessions, by the task that carries it out."""

    __slots__ = ("commit_ended", "is_durable", "queues", "task")

    def __init__(self, queues: list[SessionQueue]) -> None:
        self.queues = queues
        self.is_durable = False
        """Whether it waits for more than its commit."""
        for queue in queues:
            queue.attempt = self
            self.is_durable |= queue.is_durable
        self.task = asyncio.current_task()
        self.commit_ended: asyncio.Event | None = None
        """Set when the commit in flight, if any, has ended."""

    @property
    def is_deserted(self) -> bool:
        """Whether no caller waits for it any more."""
        return all(call.is_over for queue in self.queues for call in queue.calls)
