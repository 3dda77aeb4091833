"""Waiting for a condition with a deadline, where no code sets an event for it."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 30.0


async def eventually(condition: Callable[[], object], seconds: float = PATIENCE_S, pause_s: float = 0.005) -> None:
    """Wait until the condition holds, be it a function or a coroutine function; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await _outcome(condition):  # noqa: ASYNC110 - see above
            await asyncio.sleep(pause_s)


async def _outcome(condition: Callable[[], object]) -> object:
    outcome = condition()
    return await outcome if inspect.isawaitable(outcome) else outcome
