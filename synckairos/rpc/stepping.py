"""Running a coroutine without a task of its own, where there would be one for every message."""

import asyncio
import functools
from collections.abc import Coroutine
from typing import Any


def advance(
    steps: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, _done: asyncio.Future[Any] | None = None
) -> None:
    """Run a coroutine to the next future it awaits, and on when that is done, as a task would for more.

    Nothing can cancel it. What it raises goes to the loop's exception handler.
    """
    try:
        awaited = steps.send(None)
    except StopIteration:
        return
    except Exception as error:
        loop.call_exception_handler({"message": "a coroutine that no task runs has failed", "exception": error})
        return
    if awaited is None:  # asyncio.sleep(0): on with the next turn of the loop
        loop.call_soon(advance, steps, loop)
        return
    awaited._asyncio_future_blocking = False  # noqa: SLF001 - how a future is told that its await has been noticed
    awaited.add_done_callback(functools.partial(advance, steps, loop))
