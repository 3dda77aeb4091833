"""Works side by side, without what a TaskGroup leaves behind."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def all_of(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run works side by side until all are done; the error of the first that fails is raised, once the others ended.

    Not a TaskGroup: up to Python 3.12 a failing child leaves a cancellation with the task around it, and before 3.11.7
    the next timeout there lets it through.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
