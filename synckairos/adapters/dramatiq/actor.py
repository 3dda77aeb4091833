"""The one actor: `drain_outbox(partitions)`, run on the event loop of a worker process.

A middleware that comes after Dramatiq's AsyncIO opens the actor's connections on that loop and closes them before the
loop ends. Nothing is created at import: Dramatiq forks.
"""

import contextlib
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, cast

import dramatiq
import redis
import structlog
from dramatiq import Broker, Message, MessageProxy, Middleware, Worker
from dramatiq.asyncio import EventLoopThread, async_to_sync, get_event_loop_thread, set_event_loop_thread
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO, MiddlewareError, Retries

from synckairos.adapters.dramatiq.bell import Marks
from synckairos.adapters.dramatiq.broker import ACTOR, ATTEMPTS, MAX_BACKOFF_MS, MIN_BACKOFF_MS, queue_of
from synckairos.application.errors import TransientError
from synckairos.application.pipeline.drain_work import DrainWork

LOOP_START_S: Final = 5.0

_log = structlog.get_logger(__name__)


class FastLoop(AsyncIO):
    """Dramatiq's event loop in a thread, on uvloop where there is one."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the loop."""
        del broker, worker
        thread = EventLoopThread(self.logger)
        thread.daemon = True  # the process shall not outlive its main thread, however that ends
        if sys.platform != "win32":
            with contextlib.suppress(ImportError):
                import uvloop  # noqa: PLC0415 - not on every platform

                thread.loop.close()
                thread.loop = uvloop.new_event_loop()
        thread.start(timeout=LOOP_START_S)
        set_event_loop_thread(thread)


class WorkerLoop(Middleware):
    """Opens and closes the work on the worker's own loop; to be placed after AsyncIO."""

    def __init__(self, open_work: Callable[[], AbstractAsyncContextManager[DrainWork]]) -> None:
        self._open_work = open_work
        self._context: AbstractAsyncContextManager[DrainWork] | None = None
        self.work: DrainWork | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Open the work, or end the process: Dramatiq itself would go on without it."""
        del broker, worker
        context = self._open_work()
        try:
            self.work = async_to_sync(context.__aenter__)()
        except Exception as error:
            thread = get_event_loop_thread()
            if thread is not None:
                thread.stop()  # it would keep the process alive
            raise MiddlewareError(str(error)) from error
        self._context = context

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Let the work begin nothing more."""
        del broker, worker
        if self.work is not None:
            self.work.stop()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Close the work."""
        del broker, worker
        self.work = None
        if self._context is not None:
            async_to_sync(self._context.__aexit__)(None, None, None)


class Attempts(Middleware):
    """Keeps partitions marked for a message that will come back, and raises the alarm over one that failed too often.

    The events are safe where they are.
    """

    def __init__(self, prefix: str, loop: WorkerLoop, alert: Callable[[str, str], None]) -> None:
        self._prefix = prefix
        self._loop = loop
        self._alert = alert

    def before_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:
        """Keep the mark for as long as the message will be delayed."""
        if delay is not None:
            with contextlib.suppress(redis.RedisError):
                self._marks(broker).postpone(message.args[0], delay)

    def after_nack(self, broker: Broker, message: MessageProxy) -> None:
        """Raise the alarm, and let the partitions be rung for anew."""
        partitions = message.args[0]
        problem = str(message.options.get("traceback", "")).strip().rpartition("\n")[2]
        attempts = message.options.get("retries", 0)  # Dramatiq counts the last attempt too, which has no retry
        _log.critical("audit_not_written", partitions=partitions, attempts=attempts, problem=problem)
        self._alert(f"events do not reach the audit trail: {attempts} attempts failed", problem)
        with contextlib.suppress(redis.RedisError):
            self._marks(broker).clear(partitions)
        if self._loop.work is not None:
            async_to_sync(self._loop.work.give_up)(problem)

    def _marks(self, broker: Broker) -> Marks:
        return Marks(cast("RedisBroker", broker), self._prefix)


def middleware(
    prefix: str, open_work: Callable[[], AbstractAsyncContextManager[DrainWork]], alert: Callable[[str, str], None]
) -> tuple[list[Middleware], WorkerLoop]:
    """Return the middleware of a worker's broker, and the part of it that holds the work."""
    loop = WorkerLoop(open_work)
    retries = Retries(max_retries=ATTEMPTS - 1, min_backoff=MIN_BACKOFF_MS, max_backoff=MAX_BACKOFF_MS)
    return [retries, FastLoop(), loop, Attempts(prefix, loop, alert)], loop


def declare_actor(broker: RedisBroker, prefix: str, loop: WorkerLoop) -> None:
    """Let a worker answer the messages of a deployment; one that fails comes back later."""

    async def drain_outbox(partitions: list[int]) -> None:
        if loop.work is None:
            raise RuntimeError("the worker has not been opened: its log says why")
        try:
            await loop.work.run(partitions)
        except TransientError as error:
            raise dramatiq.Retry(str(error)) from error

    dramatiq.actor(broker=broker, actor_name=ACTOR, queue_name=queue_of(prefix))(drain_outbox)
