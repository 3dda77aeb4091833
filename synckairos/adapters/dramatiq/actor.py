"""The one actor: `drain_outbox(partitions)`, run on the event loop of a worker process.

What it works with is opened on that loop, by a middleware that comes after Dramatiq's AsyncIO, and closed before the
loop ends. Nothing is created at import: Dramatiq forks.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

import dramatiq
import structlog
from dramatiq import Broker, MessageProxy, Middleware, Worker
from dramatiq.asyncio import EventLoopThread, get_event_loop_thread, set_event_loop_thread
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO, MiddlewareError, Retries

from synckairos.adapters.dramatiq.broker import ACTOR, MAX_BACKOFF_MS, MAX_RETRIES, MIN_BACKOFF_MS, queue_of
from synckairos.application.draining import BUDGET_S, Drain
from synckairos.application.errors import StoreUnavailable, TransientError
from synckairos.application.pipeline_status import BrokerUnavailable, DrainLedger

EXTEND_S: Final = 15.0
"""How often an actor at work extends its guards; several times in the life of one."""
LOOP_START_S: Final = 5.0

_log = structlog.get_logger(__name__)


class GuardedBell(Protocol):
    """The doorbell as the actor handles it; every method raises BrokerUnavailable."""

    async def ring(self, partitions: Sequence[int]) -> None:
        """See to it that a message is queued for each of these partitions."""
        ...

    async def extend(self, partitions: Sequence[int]) -> None:
        """Let guards live on while a message is worked on."""
        ...

    async def hold(self, partitions: Sequence[int]) -> None:
        """Set the guards for a message that will come back after a pause."""
        ...

    async def drop(self, partitions: Sequence[int]) -> None:
        """Take guards away, so that new messages can be queued."""
        ...


class DrainWork:
    """What the actor does with a message, and what is done when one is given up."""

    def __init__(self, drain: Drain, ledger: DrainLedger, bell: GuardedBell, *, limit_s: float) -> None:
        """`limit_s` bounds the work on one message; what it waits for has timeouts of its own, all of them shorter."""
        self._drain = drain
        self._ledger = ledger
        self._bell = bell
        self._limit_s = limit_s

    def stop(self) -> None:
        """Let what is being written be finished, and begin nothing more."""
        self._drain.stop()

    async def answer(self, partitions: Sequence[int]) -> None:
        """Drain the partitions; raises dramatiq.Retry if the moment is bad, for Dramatiq to come back later."""
        try:
            async with asyncio.timeout(self._limit_s), self._guarded(partitions):
                await self._answer(partitions)
        except Exception as error:
            _log.warning("drain_failed", partitions=list(partitions), problem=str(error) or type(error).__name__)
            with contextlib.suppress(BrokerUnavailable):
                await self._bell.hold(partitions)
            await self._note_failure(error, is_last=False)
            if isinstance(error, TransientError):
                raise dramatiq.Retry(str(error)) from error
            raise

    async def give_up(self, partitions: Sequence[int], problem: str) -> None:
        """Free the partitions of a message that failed too often: they will be rung for anew."""
        with contextlib.suppress(BrokerUnavailable):
            await self._bell.drop(partitions)
        await self._note_failure(Exception(problem), is_last=True)

    async def _answer(self, partitions: Sequence[int]) -> None:
        until = time.monotonic() + BUDGET_S
        left = await self._drain.run(partitions, until)
        with contextlib.suppress(BrokerUnavailable):
            await self._bell.drop(partitions)
            if not left:
                # A commit whose ring was refused until just now has been written before this look.
                left = await self._drain.run(partitions, until)
            if left:
                await self._bell.ring(left)
        with contextlib.suppress(StoreUnavailable):
            await self._ledger.completed()

    async def _note_failure(self, error: Exception, *, is_last: bool) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._ledger.failed(str(error) or type(error).__name__, is_last=is_last)

    @contextlib.asynccontextmanager
    async def _guarded(self, partitions: Sequence[int]) -> Any:  # noqa: ANN401 - an async generator made a context
        """Extend the guards while the body works."""
        task = asyncio.create_task(self._extend(partitions))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _extend(self, partitions: Sequence[int]) -> None:
        while True:
            with contextlib.suppress(BrokerUnavailable):
                await self._bell.extend(partitions)
            await asyncio.sleep(EXTEND_S)


class FastLoop(AsyncIO):
    """Dramatiq's event loop in a thread, on uvloop where there is one."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the loop."""
        del broker, worker
        thread = EventLoopThread(self.logger)
        if sys.platform != "win32":
            with contextlib.suppress(ImportError):
                import uvloop  # noqa: PLC0415 - not on every platform

                thread.loop.close()
                thread.loop = uvloop.new_event_loop()
        thread.start(timeout=LOOP_START_S)
        set_event_loop_thread(thread)


class WorkerLoop(Middleware):
    """Opens what the actor works with on the worker's own loop, and closes it there; to be placed after AsyncIO."""

    def __init__(self, open_work: Callable[[], AbstractAsyncContextManager[DrainWork]]) -> None:
        self._open_work = open_work
        self._context: AbstractAsyncContextManager[DrainWork] | None = None
        self.work: DrainWork | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Open it, or end the process: Dramatiq itself would go on without."""
        del broker, worker
        context = self._open_work()
        try:
            self.work = _on_loop(context.__aenter__())
        except Exception as error:
            thread = get_event_loop_thread()
            if thread is not None:
                thread.stop()  # it would keep the process alive
            raise MiddlewareError(str(error)) from error
        self._context = context

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Begin nothing more."""
        del broker, worker
        if self.work is not None:
            self.work.stop()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Close it."""
        del broker, worker
        self.work = None
        if self._context is not None:
            _on_loop(self._context.__aexit__(None, None, None))


class GivingUp(Middleware):
    """Raises the alarm over a message that failed too often; the events are safe where they are."""

    def __init__(self, loop: WorkerLoop, alert: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._alert = alert

    def after_nack(self, broker: Broker, message: MessageProxy) -> None:
        """Tell of it."""
        del broker
        partitions = message.args[0]
        problem = str(message.options.get("traceback", "")).strip().rpartition("\n")[2]
        _log.critical("audit_not_written", partitions=partitions, attempts=MAX_RETRIES + 1, problem=problem)
        self._alert("events do not reach the audit trail", problem)
        if self._loop.work is not None:
            _on_loop(self._loop.work.give_up(partitions, problem))


def middleware(
    open_work: Callable[[], AbstractAsyncContextManager[DrainWork]], alert: Callable[[str, str], None]
) -> tuple[list[Middleware], WorkerLoop]:
    """Return what a worker's broker is made with, and the part of it that holds the work."""
    loop = WorkerLoop(open_work)
    retries = Retries(max_retries=MAX_RETRIES, min_backoff=MIN_BACKOFF_MS, max_backoff=MAX_BACKOFF_MS)
    return [retries, FastLoop(), loop, GivingUp(loop, alert)], loop


def declare_actor(broker: RedisBroker, prefix: str, loop: WorkerLoop) -> None:
    """Let a worker answer the messages of a deployment."""

    async def drain_outbox(partitions: list[int]) -> None:
        if loop.work is None:
            raise RuntimeError("the worker has not been opened: its log says why")
        await loop.work.answer(partitions)

    dramatiq.actor(broker=broker, actor_name=ACTOR, queue_name=queue_of(prefix))(drain_outbox)


def _on_loop(work: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever the work returns
    thread = get_event_loop_thread()
    if thread is None:
        raise RuntimeError("Dramatiq's event loop does not run")
    return thread.run_coroutine(work)
