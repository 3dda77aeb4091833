"""What one transaction does to one session: its calls decide in turn, each from what the one before leads to."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from synckairos.adapters.redis.store.durability import NOTHING, DurabilityRules
from synckairos.adapters.redis.store.queues import Call, SessionQueue
from synckairos.adapters.redis.store.writes import Commit, CommitWriter, superseded
from synckairos.application.errors import DurabilityUnmet
from synckairos.application.ports import Decision, Reading, Remembered
from synckairos.domain.model import Durability

if TYPE_CHECKING:
    from synckairos.adapters.redis.connections.wire import RedisCommand
    from synckairos.domain.events import Event

MOST_BYTES: Final = 64 * 1024
"""Payload after which nothing more joins a transaction."""


UNMET: Final = "the change is stored, but was not as durable as asked in time; retry with the same request_id"
_NOTHING_TO_WRITE: Final = Commit([])


class Step(NamedTuple):
    """A decision made: its call, and the result or the problem it came to."""

    call: Call[Any]
    result: Any
    problem: Exception | None

    def answer(self) -> None:
        """Answer the caller."""
        if self.problem is None:
            self.call.answer(self.result)
        else:
            self.call.fail(self.problem)


class Chain:
    """The decisions of a session's calls, and the commands that store them.

    A call that stores nothing is answered at once while nothing is to be stored before it. A call that builds upon
    what is to be stored waits for the commit, which might never come to pass.
    """

    def __init__(
        self, queue: SessionQueue, base: Reading, remembered: list[Remembered | None], rules: DurabilityRules
    ) -> None:
        """`base` is what the store holds; `remembered` what it remembers of each call's request."""
        self.need = NOTHING
        """What its callers are told after."""
        self._rules = rules
        self.queue = queue
        self.base = base
        self.events: list[Event] = []
        self.commands: list[RedisCommand] = []
        self.bytes = 0
        self.next_boundary: int | None = None
        """When (ms) the session changes by itself next, once this is stored."""
        self._removes = False
        self._remembered = dict(zip(queue.calls, remembered, strict=True))
        self._answered: dict[str, Remembered] = {}
        self._steps: list[Step] = []
        self._latest: list[RedisCommand] = []

    def decide(self, writer: CommitWriter) -> None:
        """Let as many calls decide as there is room for."""
        calls = self.queue.calls
        for place, call in enumerate(calls):
            # A commit of unknown outcome holds all of them, or none: they stay together.
            if not self.queue.lost and (self.bytes > MOST_BYTES or self._removes):
                self.queue.put_off(calls[place:])
                break
            if not call.is_over:
                self._decide(call, writer)
        self.commands += self._latest

    def answer(self) -> None:
        """Answer the callers: what they decided is stored."""
        for step in self._steps:
            step.answer()
        self.queue.trouble = None

    @property
    def changes(self) -> bool:
        """Whether it leads to another version, or takes the session away."""
        return bool(self.events) or self._removes

    @property
    def has_settled(self) -> bool:
        """Whether it settles what was due, for nobody who waits until that is durable."""
        return any(step.call.is_due for step in self._steps)

    def let_wait(self) -> None:
        """Let the session's next calls have their turn, while the callers wait until what is stored is durable.

        Those who only settle wait for nothing.
        """
        self.queue.calls = []
        self.queue.trouble = None
        for step in self._steps:
            if step.call.is_due:
                step.answer()

    def reach(self, durability: Durability | None) -> None:
        """Answer the callers that wait: what is stored is as durable as this; None: not as they need."""
        for step in self._steps:
            if step.problem is None and durability is None:
                step.call.fail(DurabilityUnmet(UNMET, session_id=self.queue.session_id))
                continue
            if step.call.receipt is not None and durability is not None:
                step.call.receipt.durability = durability
            step.answer()

    def _decide(self, call: Call[Any], writer: CommitWriter) -> None:
        last = self.events[-1].session if self.events else self.base.session
        answered = self._answered.get(call.request.request_id) or self._remembered[call]
        reading = Reading(last, self.base.now_us, answered)
        try:
            decision = call.decide(reading)
            # Compared and not asked for its truth: mypyc takes every tuple for true.
            if decision.again and self._rules.need_of(last) == NOTHING:
                commit = _NOTHING_TO_WRITE
            else:
                commit = writer.commit(self.queue.keys, self.queue.session_id, call.request, reading, decision)
        except Exception as error:
            step = Step(call, None, error)
        else:
            step = Step(call, decision.result, None)
            if commit.commands:
                self._take(call, reading, decision, commit)
        if self._latest or self.queue.lost:
            self._steps.append(step)
        else:
            step.answer()

    def _take(self, call: Call[Any], reading: Reading, decision: Decision[Any], commit: Commit) -> None:
        self.commands += superseded(self.queue.keys, self._latest) if decision.events else self._latest
        self._latest = commit.commands
        self._removes = decision.remove
        if not decision.remove:
            self.need = self._rules.need_of(decision.events[-1].session if decision.events else reading.session)
        if decision.events or decision.remove:
            self.next_boundary = commit.next_boundary
        self.events += decision.events
        self.bytes += sum(len(part) for command in commit.commands for part in command if isinstance(part, bytes))
        if decision.answers and call.request.request_id:
            self._answered[call.request.request_id] = _remembered(call, decision)


def _remembered(call: Call[Any], decision: Decision[Any]) -> Remembered:
    if not decision.events:
        return Remembered(call.request.fingerprint, 0, 0)
    last = decision.events[-1].session
    return Remembered(call.request.fingerprint, last.epoch, last.version)
