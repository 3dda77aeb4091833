"""What one transaction does to one session: the decisions of its calls, each made from what the one before leads to."""

from typing import Final, NamedTuple

from synckairos.adapters.redis.store.lost_replies import ReplyLost
from synckairos.adapters.redis.store.queues import Call, SessionQueue
from synckairos.adapters.redis.store.writes import CommitWriter, superseded
from synckairos.adapters.redis.wire import Command
from synckairos.application.ports import Plan, Reading, Remembered
from synckairos.domain.events import Event

MOST_BYTES: Final = 64 * 1024
"""Payload after which nothing more joins a transaction."""


class Step(NamedTuple):
    """A decision made: from what, and what it came to."""

    call: Call
    reading: Reading
    problem: Exception | None


class Chain:
    """The decisions of a session's calls, and the commands that store them.

    Whoever is refused, or just looks, before anything is to be stored is answered at once; whoever builds upon what
    is to be stored waits for the commit, for it might never come to pass.
    """

    def __init__(self, queue: SessionQueue, base: Reading, remembered: list[Remembered | None]) -> None:
        """`base` is what the store holds; `remembered` what it remembers of each call's request."""
        self.queue = queue
        self.base = base
        self.plan = Plan()
        self.commands: list[Command] = []
        self.bytes = 0
        self.has_failed = False
        """Whether a decision raised, which leaves its session watched."""
        self._remembered = dict(zip(queue.calls, remembered, strict=True))
        self._answered: dict[str, Remembered] = {}
        self._steps: list[Step] = []
        self._latest: list[Command] = []

    def decide(self, writer: CommitWriter) -> None:
        """Make the decisions, as many as there is room for."""
        calls = self.queue.calls
        for place, call in enumerate(calls):
            # A commit of unknown outcome holds all of them, or none: they stay together.
            if not self.queue.lost and (self.bytes > MOST_BYTES or self.plan.remove):
                self.queue.put_off(calls[place:])
                break
            if not call.is_over:
                self._decide(call, writer)
        self.commands += self._latest
        self.queue.lost.latest = self.plan

    def answer(self, is_to_decide_again: bool = False) -> None:
        """Answer the callers: what they decided is stored."""
        for call, reading, problem in self._steps:
            call.settle(_problem_of(call, reading) if is_to_decide_again else problem)
        self.queue.trouble = None

    def lost(self) -> ReplyLost:
        """Return what there is to know of the commit, its reply being lost."""
        return ReplyLost(self.base, self.plan, self.answer)

    def _decide(self, call: Call, writer: CommitWriter) -> None:
        last = self.plan.events[-1].session if self.plan.events else self.base.session
        answered = self._answered.get(call.request.request_id) or self._remembered[call]
        reading = Reading(last, self.base.now_us, answered)
        try:
            plan = call.decide(reading)
            commands = writer.commands(self.queue.keys, self.queue.session_id, call.request, reading, plan)
        except Exception as error:
            plan, commands = Plan(), []
            problem: Exception | None = error
        else:
            problem = None
        if not commands and not self._steps and not self.queue.lost:
            self.has_failed |= problem is not None
            call.settle(problem)
            return
        self._steps.append(Step(call, reading, problem))
        if commands:
            self._take(call, plan, commands)

    def _take(self, call: Call, plan: Plan, commands: list[Command]) -> None:
        if plan.events:
            self.commands += superseded(self.queue.keys, self._latest)
        else:
            self.commands += self._latest
        self._latest = commands
        events = [*self.plan.events, *plan.events] if self.plan.events else plan.events
        self.plan = Plan(events, self.plan.answers or plan.answers, plan.remove)
        self.bytes += sum(len(part) for command in commands for part in command if isinstance(part, bytes))
        if plan.answers and call.request.request_id:
            self._answered[call.request.request_id] = _remembered(call, plan.events[-1] if plan.events else None)


def _problem_of(call: Call, reading: Reading) -> Exception | None:
    try:
        call.decide(reading)
    except Exception as error:
        return error
    return None


def _remembered(call: Call, event: Event | None) -> Remembered:
    epoch, version = (event.session.epoch, event.session.version) if event else (0, 0)
    return Remembered(call.request.fingerprint, epoch, version)
