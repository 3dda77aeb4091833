"""`synckairos dev` and the death of its parts: nothing is left behind, and what dies comes back."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from synckairos.devstack import PostgresServer
from testing.harness.processes.dev_stack import LOCKS, first_process, running_parts, said, start_dev, stop_dev
from testing.harness.waiting import eventually


@pytest.fixture
async def folder(server_directory: Path) -> AsyncIterator[Path]:
    """A folder whose data are taken away, also those below /var/tmp."""
    yield server_directory
    PostgresServer(server_directory / "data" / "postgres").wipe()


async def test_nothing_outlives_a_dev_that_was_killed(folder: Path) -> None:
    """SIGKILL gives it no time to stop anything; the guardian does."""
    process, _ = await start_dev(folder)
    assert running_parts(folder) == set(LOCKS)

    process.kill()
    await eventually(lambda: not is_alive(process.pid))

    await eventually(lambda: not running_parts(folder), seconds=30)
    await process.communicate()


async def test_the_next_start_replaces_what_is_left_behind(folder: Path) -> None:
    """The guardian has been killed as well: servers and worker are orphans until the next start."""
    process, _ = await start_dev(folder)
    former = {name: first_process(folder, name) for name in LOCKS}
    for child in guardians_of(process.pid):
        os.kill(child, signal.SIGKILL)
    process.kill()
    await eventually(lambda: not is_alive(process.pid))
    assert running_parts(folder) == set(LOCKS)

    killed = process
    process, _ = await start_dev(folder)
    fresh = {name: first_process(folder, name) for name in LOCKS}
    await stop_dev(process)
    await killed.communicate()

    assert not set(former.values()) & set(fresh.values())
    assert not [pid for pid in former.values() if is_alive(pid)]
    assert not running_parts(folder)


def _supervisor(folder: Path) -> int:
    return first_process(folder, "worker.lock")


def _below_the_supervisor(folder: Path) -> int:
    (child,) = children_of(_supervisor(folder))
    return child


@pytest.mark.parametrize(
    ("part", "ending"),
    [(_supervisor, signal.SIGINT), (_below_the_supervisor, signal.SIGHUP)],
    ids=["supervisor, then Ctrl-C", "worker process, then a terminal that closes"],
)
async def test_a_worker_that_dies_is_started_again(
    folder: Path, part: Callable[[Path], int], ending: signal.Signals
) -> None:
    """It says so, and another worker takes over; what the dead one left is gone before. SIGHUP is as good as Ctrl-C."""
    process, _ = await start_dev(folder)
    parts = running_parts(folder)
    former = _supervisor(folder)
    await eventually(lambda: any(map(is_at_work, children_of(former))) and has_heard_of_all(former))
    below = children_of(former)

    os.kill(part(folder), signal.SIGKILL)
    pause = await said(process, r"the worker ended with -?\d+; it is started again in (\S+) s")
    await eventually(lambda: _supervisor(folder) != former, seconds=30)

    assert pause == "1"
    assert not [pid for pid in (former, *below) if is_alive(pid)]
    rest = await stop_dev(process, ending)
    assert parts == set(LOCKS)
    assert "stopped" in rest
    assert not running_parts(folder)


def children_of(pid: int) -> list[int]:
    """Return the processes directly below one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


def is_at_work(pid: int) -> bool:
    """Whether a worker process has started its event loop, two consumers and four workers."""
    with contextlib.suppress(OSError):
        return len(list(Path(f"/proc/{pid}/task").iterdir())) >= 8
    return False


def has_heard_of_all(supervisor: int) -> bool:
    """Whether all processes have said that they are there: from then on a thread of the supervisor watches their logs.

    Dramatiq waits for ever for one that is killed in the very moment of saying so.
    """
    return len(list(Path(f"/proc/{supervisor}/task").iterdir())) > 1


def guardians_of(pid: int) -> list[int]:
    """Return the guardians below a process."""
    return [child for child in children_of(pid) if b"guardian" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False
