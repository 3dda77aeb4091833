"""Work in the background: whatever ends unasked is reported, shows, and is started again."""

import asyncio
from collections.abc import Callable

import pytest
import structlog

from synckairos.application.background import Background


class Patient:
    """Work that goes on until the test ends it, and how often it was started."""

    def __init__(self) -> None:
        self.starts = 0
        self.task: asyncio.Task[None] | None = None
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> None:
        """Go on for as long as the test likes."""
        self.starts += 1
        self.task = asyncio.current_task()
        self.outcome = asyncio.get_running_loop().create_future()
        await self.outcome


def _fail(patient: Patient) -> None:
    patient.outcome.set_exception(RuntimeError("a bug"))


def _return(patient: Patient) -> None:
    patient.outcome.set_result(None)


def _cancel(patient: Patient) -> None:
    assert patient.task is not None
    patient.task.cancel()


@pytest.mark.parametrize(
    ("end", "how"), [(_fail, "failed"), (_return, "returned"), (_cancel, "cancelled")], ids=["bug", "end", "cancelled"]
)
async def test_what_ends_unasked_is_reported_and_started_again(end: Callable[[Patient], None], how: str) -> None:
    """Logged, counted and seen, until the work has gone on for a while; no way of ending is a silent one."""
    ended: list[str] = []
    states = asyncio.Queue[bool]()
    background = Background(ended.append, restart_s=0.01, steady_s=0.01)
    background.on_change(lambda: states.put_nowait(background.is_well))
    patient = Patient()
    background.run("feed", patient)
    await asyncio.sleep(0)

    with structlog.testing.capture_logs() as logs:
        end(patient)
        async with asyncio.timeout(5):
            seen = [await states.get()]
            while not seen[-1]:
                seen.append(await states.get())
    await background.stop()

    assert seen[0] is False
    assert patient.starts == 2
    assert ended == ["feed"]
    assert [(log["event"], log["log_level"], log["task"], log["how"]) for log in logs] == [
        ("task_died", "critical", "feed", how)
    ]


async def test_what_ends_again_and_again_never_looks_well() -> None:
    """Between two ends of work that fails at once there is no moment of health."""
    states: list[bool] = []
    starts = asyncio.Semaphore(0)
    background = Background(restart_s=0.0, steady_s=60.0)
    background.on_change(lambda: states.append(background.is_well))

    async def fails() -> None:
        starts.release()
        raise RuntimeError("a bug")

    background.run("sweep", fails)
    async with asyncio.timeout(5):
        for _ in range(5):
            await starts.acquire()
    await asyncio.sleep(0)

    assert states
    assert not any(states)
    await background.stop()
    assert background.is_well


async def test_what_is_told_to_end_is_no_alarm() -> None:
    """Neither is it started again."""
    ended: list[str] = []
    background = Background(ended.append, restart_s=0.0)
    patients = [Patient(), Patient()]
    for name, patient in zip("ab", patients, strict=True):
        background.run(name, patient)
    await asyncio.sleep(0)

    background.end("a")
    background.end("nobody")
    await background.stop()
    await asyncio.sleep(0)

    assert ended == []
    assert background.is_well
    assert [patient.starts for patient in patients] == [1, 1]
