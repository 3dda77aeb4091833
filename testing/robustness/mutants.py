"""Seeded bugs: each takes one promise's footing away, in a process of its own; nothing of them is in the product."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

from synckairos.adapters.redis import feed as redis_feed
from synckairos.adapters.redis.store import transaction, writes
from synckairos.application import expiry
from synckairos.application.errors import StoreUnavailable
from synckairos.application.pipeline import draining
from synckairos.application.streams import frames, topics, watching
from synckairos.domain import settlement
from synckairos.domain.events import SYSTEM, Cause, Event, EventType, running_subject
from synckairos.domain.model import OnExpire

LATE_S: Final = 4.0
REFUSED: Final = 0.1
"""The share of commits that are answered wrongly."""


def drop_publish() -> None:
    """A commit publishes no hint."""
    original = writes.CommitWriter.commit

    def commit(self: Any, *arguments: Any) -> Any:
        made = original(self, *arguments)
        return made._replace(commands=[command for command in made.commands if command[0] != "PUBLISH"])

    writes.CommitWriter.commit = commit  # type: ignore[method-assign, assignment] # that is the bug


def skip_watch() -> None:
    """A commit is not guarded against those of other servers."""
    original = transaction._looks

    def looks(queues: Any) -> list[Any]:
        return [("PING",) if command[0] == "WATCH" else command for command in original(queues)]

    transaction._looks = looks


def fire_twice() -> None:
    """An advance is made twice for one deadline."""
    original = settlement._expire

    def expire(ledger: Any, due: int) -> None:
        original(ledger, due)
        if ledger.session.rules.on_expire is OnExpire.ADVANCE and not ledger.session.is_terminal:
            settlement._advance(ledger, due)

    settlement._expire = expire


def tick_as_event() -> None:
    """A tick is handed out as the next version's event."""
    original = topics.Topic.tick

    def tick(self: Any, at: int) -> Any:
        frame = original(self, at)
        if frame is not None:
            frame.kind, frame.event = frames.FrameKind.EVENT, _invented(frame.session)
            frame.session = frame.event.session
        return frame

    topics.Topic.tick = tick  # type: ignore[method-assign] # that is the bug


def _invented(session: Any) -> Any:
    newer = session._replace(version=session.version + 1)
    subject = running_subject(newer, session.updated_at)
    return Event(EventType.SESSION_UPDATED, Cause.CALL, SYSTEM, subject, None, newer)


def subscribe_late() -> None:
    """A watcher's session is read before hints about it flow."""
    original = redis_feed.RedisFeed.subscribe
    late: set[asyncio.Task[None]] = set()

    async def subscribe(self: Any, session_id: str) -> None:
        async def later() -> None:
            await asyncio.sleep(LATE_S)
            await original(self, session_id)

        if self._keys.of(session_id).updates not in self._wanted:
            task = asyncio.create_task(later())
            late.add(task)
            task.add_done_callback(late.discard)

    redis_feed.RedisFeed.subscribe = subscribe  # type: ignore[method-assign] # that is the bug


def forget_requests() -> None:
    """No request id is remembered."""
    writes.CommitWriter._remembering = lambda *_: []  # type: ignore[method-assign] # that is the bug


def trim_early() -> None:
    """An event leaves the outbox before PostgreSQL has it."""
    original = draining.Drain._write

    async def write(self: Any, readable: Any) -> None:
        await self._outbox.remove([entry for entry, _ in readable])
        await original(self, readable)

    draining.Drain._write = write  # type: ignore[method-assign] # that is the bug


def fire_early() -> None:
    """Time is up half a second before it is."""
    original = settlement.settle

    def settle(ledger: Any, lifetimes: Any) -> bool:
        now, ledger.now = ledger.now, ledger.now + 500
        try:
            return original(ledger, lifetimes)
        finally:
            ledger.now = now

    settlement.settle = settle


def never_fire() -> None:
    """No server looks for deadlines that have passed."""
    expiry.Sweep._fire = lambda *_: None  # type: ignore[method-assign] # that is the bug


def refuse_what_is_done() -> None:
    """Now and then, a committed change is answered as if the store had been away."""
    original = transaction.Transactions._finish

    def applied(self: Any, chain: Any, failure: Any, wait: Any = None) -> None:
        if failure is None and random.random() < REFUSED:
            for listener in self.listeners:
                listener(chain.queue.session_id, chain.next_boundary)
            chain.queue.fail_all(StoreUnavailable("Redis did not answer"))
        else:
            original(self, chain, failure, wait)

    transaction.Transactions._finish = applied  # type: ignore[method-assign] # that is the bug


def fork_at_every_resume() -> None:
    """Every resumed stream is told that history has changed."""

    def replay_from(*_: Any) -> topics.Replay:
        return topics.Replay(gap=frames.GapReason.FORKED)

    watching.replay_from = replay_from  # type: ignore[assignment, attr-defined] # that is the bug


BUGS: Final[dict[str, Callable[[], None]]] = {
    "dropped-publish": drop_publish,
    "skipped-watch": skip_watch,
    "double-fire": fire_twice,
    "early-fire": fire_early,
    "idle-sweep": never_fire,
    "late-refusal": refuse_what_is_done,
    "spurious-fork": fork_at_every_resume,
    "tick-as-event": tick_as_event,
    "late-subscribe": subscribe_late,
    "forgotten-request-id": forget_requests,
    "trimmed-before-commit": trim_early,
}
