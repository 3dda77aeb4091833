"""An event loop in a thread of its own, for callers that have none."""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

Result = TypeVar("Result")


class BackgroundLoop:
    """Runs coroutines for other threads, until it is closed or the interpreter ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # A daemon: a program that ends without closing does not wait for it; `finalize` closes it before.
        self._thread = threading.Thread(target=self._loop.run_forever, name="synckairos-client", daemon=True)
        self._process = os.getpid()
        self._thread.start()
        self._finalizer = weakref.finalize(self, _stop, self._loop, self._thread, self._process)

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Return what a coroutine returns; if the caller is interrupted meanwhile (Ctrl-C), it is cancelled."""
        future = self.submit(coroutine)
        try:
            return future.result()
        except CancelledError:
            raise RuntimeError("the client was closed while it was used") from None
        except BaseException:
            future.cancel()
            raise

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run a coroutine without waiting for it; raises RuntimeError where nothing would run it."""
        trouble = self._trouble()
        if trouble:
            coroutine.close()
            raise RuntimeError(trouble)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _trouble(self) -> str:
        if os.getpid() != self._process:
            return "this client was opened before a fork and lives in the parent: open one in every process"
        if threading.current_thread() is self._thread:
            return "a synchronous client cannot be used from its own event loop"
        return "" if self._finalizer.alive else "this client is closed"

    def let_go(self, closing: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run what closes something that nobody uses any more, if there is anything left to run it."""
        if self.is_open:
            asyncio.run_coroutine_threadsafe(closing(), self._loop)

    @property
    def is_open(self) -> bool:
        """Whether it runs anything, in this process."""
        return self._finalizer.alive and os.getpid() == self._process

    def close(self) -> None:
        """Cancel what runs and end the thread; nothing happens if that was done before."""
        self._finalizer()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: int) -> None:
    if os.getpid() != process:
        return  # after a fork the thread is the parent's
    asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
