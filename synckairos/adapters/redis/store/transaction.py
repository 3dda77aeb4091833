"""One transaction of one or several sessions, in two round trips, and its outcome for each session.

    WATCH all, GET each, [GET requests], TIME  ->  pure decisions  ->  MULTI, what each writes, EXEC, [WAITAOF, WAIT]

Redis checks all WATCHes together, so a transaction is applied as a whole or not at all. Every reply is checked, and
an error is given to the session whose command it answers.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from itertools import islice
from typing import TypeAlias

import structlog
from redis.exceptions import ResponseError

from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.connections.connector import LOST
from synckairos.adapters.redis.connections.pool import Lease, RedisConnections
from synckairos.adapters.redis.connections.replies import MOVING, NOT_READY, checked, code_of
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.store.decisions import MOST_BYTES, Chain
from synckairos.adapters.redis.store.durability import NOTHING, DurabilityRules, Need, Reached, reached
from synckairos.adapters.redis.store.lost_replies import ReplyLost
from synckairos.adapters.redis.store.queues import Attempt, SessionQueue
from synckairos.adapters.redis.store.readings import event_at, read_request, read_session
from synckairos.adapters.redis.store.writes import CommitWriter
from synckairos.application.errors import CommitBroken, OutcomeUnknown, SessionUnreadable, StoreUnavailable
from synckairos.application.observers import StoreObserver

_log = structlog.get_logger(__name__)


class WatchConflict(Exception):
    """Another process changed one of the sessions between the reading and the EXEC."""


class Redirected(Exception):
    """The slot of the transaction is moving between nodes of a cluster: nothing was applied."""


class Undone(Exception):
    """The transaction was refused because of another session's part in it."""


Wait: TypeAlias = asyncio.Future[list[Reply]]
"""The replies to come to the commands that wait for a commit to be durable."""
CommitListener: TypeAlias = Callable[[str, int | None], None]
"""Hears of a committed session, and when (ms) it changes by itself next."""


class Transactions:
    """Carries out attempts: the calls of each queue are answered afterwards, or it is left with its trouble."""

    def __init__(
        self,
        connections: RedisConnections,
        guard: StoreIdentityGuard,
        writer: CommitWriter,
        clock: EstimatedClock,
        observer: StoreObserver,
        rules: DurabilityRules,
    ) -> None:
        self.listeners: list[CommitListener] = []
        self.unmet_listeners: list[Callable[[str], None]] = []
        self._rules = rules
        self._places = asyncio.Semaphore(max(1, connections.limit // 2))
        """For what waits to be durable: the other connections are for what does not."""
        self._connections = connections
        self._guard = guard
        self._writer = writer
        self._clock = clock
        self._observer = observer

    async def run(self, attempt: Attempt) -> None:
        """Read, decide, store; raises an error of the attempt as a whole, mostly StoreUnavailable.

        It returns once all is stored; whoever needs more is answered when that has been reached.
        """
        if not attempt.is_durable:
            await self._run(attempt)
            return
        await self._places.acquire()
        lease = None
        try:
            lease = await self._run(attempt)
        finally:
            if lease is None or lease.held_for is None:
                self._places.release()
            else:
                lease.held_for.add_done_callback(lambda _: self._places.release())

    async def _run(self, attempt: Attempt) -> Lease:
        async with self._connections.lease(_looks(attempt.queues)) as (lease, replies):
            chains = await self._chains(lease, attempt.queues, replies)
            for chain in chains:
                chain.decide(self._writer)
            writing = _those_that_write(chains, is_durable=attempt.is_durable)
            if writing:
                await self._commit(lease, attempt, writing)
            else:
                with contextlib.suppress(*LOST):
                    await lease.exchange([("UNWATCH",)])
            return lease

    async def _chains(self, lease: Lease, queues: Sequence[SessionQueue], replies: Sequence[Reply]) -> list[Chain]:
        """Return the chains of the sessions that could be read and of which no lost commit has been applied."""
        watch, *found, now = replies
        checked([watch, now])
        now_us = self._clock.read(now, lease.lent_s, lease.node)
        rest = iter(found)
        read = [chain for queue in queues if (chain := self._chain(queue, rest, now_us)) is not None]
        if any(chain.base.session is None for chain in read):
            await self._guard.confirm(lease)
        return [chain for chain in read if not (chain.queue.lost and await self._is_resolved(lease, chain))]

    def _chain(self, queue: SessionQueue, replies: Iterator[Reply], now_us: int) -> Chain | None:
        """Return a new chain; None if the session cannot be read, whose callers have been failed then."""
        found = next(replies)
        requests = [next(replies) if call.request.request_id else None for call in queue.calls]
        try:
            reading = read_session(self._writer.decoded, queue.session_id, found, now_us)
            remembered = [read_request(queue.session_id, reply) for reply in requests]
        except StoreUnavailable as error:
            queue.trouble = error
            return None
        except Exception as error:  # whatever it is, it concerns this session alone
            queue.fail_all(error)
            return None
        if reading.problem is not None:
            queue.trouble = reading.problem
            return None
        queue.head = reading.session.head if reading.session else None
        return Chain(queue, reading, remembered, self._rules)

    async def _is_resolved(self, lease: Lease, chain: Chain) -> bool:
        """Whether a commit whose reply was lost turns out to be applied; its callers are answered then."""
        queue, session = chain.queue, chain.base.session
        if queue.lost is None:
            return False
        try:
            applied = await queue.lost.find_applied(session, partial(event_at, lease, queue.session_id, queue.keys))
        except OutcomeUnknown as unknown:
            queue.fail_all(unknown)
            return True
        except SessionUnreadable:
            queue.fail_all(queue.lost.unknown())
            return True
        if applied is None:
            queue.lost.drop_defeated(queue.head)
            return False
        applied.answer()
        return True

    async def _commit(self, lease: Lease, attempt: Attempt, chains: Sequence[Chain]) -> None:
        """Store the decisions. This is finished even if callers go away: half of it would leave the outcome unknown."""
        commands = [("MULTI",), *(command for chain in chains for command in chain.commands), ("EXEC",)]
        # What meets the needs of all.
        need = reduce(Need.joined, [chain.need for chain in chains], NOTHING) if attempt.is_durable else NOTHING
        waits = self._rules.waits(need)
        wait: Wait | None = None
        ended = attempt.commit_ended = asyncio.Event()
        try:
            if waits:
                patience_s = self._rules.patience_s(waits)
                (multi, *queued, results), wait = await lease.exchange_then(commands, waits, patience_s)
            else:
                multi, *queued, results = await lease.exchange(commands)
        except LOST as error:
            self._lose(chains, error)
            lease.is_broken = True
        else:
            lease.is_broken = not self._judge(chains, multi, queued, results, wait)
            self._observer.committed(sum(len(chain.queue.calls) for chain in chains))
        finally:
            attempt.commit_ended = None
            ended.set()

    def _lose(self, chains: Sequence[Chain], error: Exception) -> None:
        """Note that the outcome of the commit is unknown."""
        if not any(chain.events for chain in chains):
            raise error  # to remove sessions, or to remember answers, twice is to do it once
        self._observer.unknown_exec()
        for chain in chains:
            if chain.events:
                answer = partial(self._finish, chain, None)
                chain.queue.trouble = ReplyLost(chain.queue.head, chain.events[-1].session.head, answer)
            else:
                chain.queue.trouble = Undone("the connection broke")

    def _judge(
        self, chains: Sequence[Chain], multi: Reply, queued: Sequence[Reply], results: Reply, wait: Wait | None
    ) -> bool:
        """Look at every reply, for Redis does not roll back; False if there was any error."""
        if results is None:
            for chain in chains:
                chain.queue.trouble = WatchConflict()
            return True
        if isinstance(results, ResponseError):
            failures = _failures(chains, queued)
            self._refused(chains, failures, multi if isinstance(multi, ResponseError) else results)
            return False
        failures = _failures(chains, results)
        for chain, failure in zip(chains, failures, strict=True):
            self._finish(chain, failure, wait)
        return not any(failures)

    def _refused(self, chains: Sequence[Chain], failures: Sequence[Exception | None], error: ResponseError) -> None:
        """Fail the sessions whose commands were refused; the others are tried again without them."""
        is_somebodys = any(failures) and code_of(error) == "EXECABORT"
        for chain, failure in zip(chains, failures, strict=True):
            fault = failure if is_somebodys else error
            if not isinstance(fault, ResponseError):
                chain.queue.trouble = Undone("another session's commands were refused")
            elif code_of(fault) in MOVING:
                chain.queue.trouble = Redirected(f"the cluster moves the session's slot: {code_of(fault)}")
            elif code_of(fault) in NOT_READY:
                chain.queue.trouble = StoreUnavailable(f"Redis refused the change: {code_of(fault)}")
            else:
                chain.queue.fail_all(self._alarm(chain, "EXEC was refused", fault))

    def _finish(self, chain: Chain, failure: Exception | None, wait: Wait | None = None) -> None:
        if failure is not None:
            chain.queue.fail_all(self._alarm(chain, "EXEC was applied in part", failure))
            return
        if chain.changes:
            for listener in self.listeners:
                listener(chain.queue.session_id, chain.next_boundary)
        if not chain.need:
            chain.answer()
            return
        chain.let_wait()
        if wait is None:
            # Found applied after its connection broke: what its wait came to is not known any more.
            self._end_wait(chain, Reached())
        else:
            wait.add_done_callback(lambda over: self._end_wait(chain, reached(over)))

    def _end_wait(self, chain: Chain, reached: Reached) -> None:
        """Answer those who wait for a commit to be durable; nobody waits for settlements, which others see to."""
        if reached.meets(chain.need):
            chain.reach(reached.told(chain.need))
            return
        self._observer.durability_unmet()
        chain.reach(None)
        if chain.has_settled:
            for listener in self.unmet_listeners:
                listener(chain.queue.session_id)

    def _alarm(self, chain: Chain, what: str, error: Exception) -> CommitBroken:
        self._observer.broken_commit()
        session_id = chain.queue.session_id
        _log.critical("commit_broken", session_id=session_id, what=what, error=str(error))
        alarm = CommitBroken(f"session {session_id}: {what}: {error}")
        alarm.__cause__ = error
        return alarm


def _failures(chains: Sequence[Chain], replies: Sequence[Reply]) -> list[Exception | None]:
    """Return the first error among the replies to each chain's commands."""
    rest = iter(replies)
    own = [list(islice(rest, len(chain.commands))) for chain in chains]
    return [next((reply for reply in part if isinstance(reply, Exception)), None) for part in own]


def _looks(queues: Sequence[SessionQueue]) -> list[RedisCommand]:
    commands: list[RedisCommand] = [("WATCH", *(queue.keys.session for queue in queues))]
    for queue in queues:
        commands.append(("GET", queue.keys.session))
        asked = (call.request.request_id for call in queue.calls)
        commands += [("GET", queue.keys.request_prefix + request_id) for request_id in asked if request_id]
    commands.append(("TIME",))
    return commands


def _those_that_write(chains: Sequence[Chain], *, is_durable: bool) -> list[Chain]:
    """Return the chains that are stored now; a chain that does not fit leaves with the next transaction.

    One that turns out to wait for more than the others is tried again by itself.
    """
    writing: list[Chain] = []
    size = 0
    for chain in chains:
        queue = chain.queue
        queue.bytes = chain.bytes
        if not chain.commands:
            # Nothing of it would defeat a commit of unknown outcome that is still on its way.
            if queue.lost:
                queue.fail_all(queue.lost.unknown())
        elif chain.need and not is_durable:
            queue.is_durable = True
            queue.trouble = Undone("its changes have to be durable")
        elif writing and size + chain.bytes > MOST_BYTES:
            queue.put_off(queue.calls)
        else:
            writing.append(chain)
            size += chain.bytes
    return writing
