"""Works side by side: the first failure ends the others, and nothing of it stays with the task around them."""

import asyncio

import pytest

from synckairos.application.concurrency import all_of


async def test_the_first_failure_ends_the_others_and_is_raised() -> None:
    """The others have ended, not merely been told to, when the error arrives."""
    ended: list[str] = []

    async def goes_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("the other one")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise TimeoutError("silent")

    with pytest.raises(TimeoutError, match="silent"):
        await all_of([goes_on(), fails()])

    assert ended == ["the other one"]


async def test_a_failure_leaves_no_cancellation_behind() -> None:
    """Before Python 3.11.7 a leftover makes the next timeout in the same task cancel it."""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    async def attempt() -> int:
        with pytest.raises(ConnectionError):
            await all_of([asyncio.Event().wait(), fails()])  # type: ignore[list-item] # whatever it returns
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert await asyncio.create_task(attempt()) == 0


async def test_whoever_is_cancelled_cancels_them() -> None:
    """The works do not outlive the task that waits for them."""
    ended = asyncio.Event()

    async def goes_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(all_of([goes_on()]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended.is_set()
