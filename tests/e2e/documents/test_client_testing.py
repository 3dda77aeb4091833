"""`synckairos.client.testing` as its users meet it: tests in a folder and a pytest of their own."""

import re
import shutil
import sys
import textwrap
from pathlib import Path

from synckairos.client.testing import EmbeddedStack
from synckairos.devstack.file_lock import FileLock
from testing.harness.documents import blocks
from testing.harness.processes.commands import Finished, run_command
from testing.harness.waiting import eventually

USERS_TESTS = Path(__file__).parent / "users_tests"
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"


async def run_users_tests(folder: Path, names: tuple[str, ...], *options: str, **environment: str) -> Finished:
    """Run these tests as their owner would, in an otherwise empty folder; every warning is an error there."""
    folder.joinpath("pytest.ini").write_text(INI)
    for name in names:
        shutil.copy(USERS_TESTS / f"{name}.py", folder / f"test_{name}.py")
    command = (
        sys.executable,
        "-m",
        "pytest",
        "--basetemp",
        "run",
        "--durations=0",
        "--durations-min=0",
        "-vv",
        *options,
    )
    return await run_command(*command, cwd=folder, seconds=100, **environment)


async def assert_ended(stack: Path) -> None:
    """Check that a stack ends, because nobody uses it any more."""
    lock = FileLock(stack / "stack.lock")
    await eventually(lock.try_acquire, seconds=20)
    lock.release()


def called_s(output: str) -> list[float]:
    """Return how long the bodies of the tests took, in seconds."""
    return [float(seconds) for seconds in re.findall(r"^([\d.]+)s call ", output, re.MULTILINE)]


async def test_games_are_played_in_milliseconds(tmp_path: Path) -> None:
    """Ten minutes with asyncio, and an exam of ninety without it, each in under a second of test time."""
    done = await run_users_tests(tmp_path, ("ten_minute_game", "exam"))

    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert len(called_s(done.stdout)) == 2
    assert max(called_s(done.stdout)) < 1.0, done.stdout
    assert FileLock(tmp_path / "run/synckairos-stack/stack.lock").try_acquire()


async def test_the_documented_test_is_the_one_that_is_run() -> None:
    """The second program of docs/clocks.md."""
    (_, documented) = blocks("docs/clocks.md", "python")

    assert documented in (USERS_TESTS / "ten_minute_game.py").read_text()


async def test_the_documented_display_draws_a_game(tmp_path: Path) -> None:
    """The first program of docs/clocks.md runs as it stands: two seconds run down to the flag."""
    (program, _) = blocks("docs/clocks.md", "python")
    file = tmp_path / "display.py"

    with EmbeddedStack(tmp_path / "stack") as stack:
        file.write_text(program.replace("localhost:50051", stack.address))
        done = await run_command(sys.executable, str(file), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    drawn = [re.fullmatch(r"([\d.]+) s \| ([\d.]+) s   ± ([\d.]+) ms", line) for line in done.stdout.splitlines()]
    clocks = [(float(line[1]), float(line[2])) for line in drawn if line]
    assert len(clocks) == len(drawn) >= 2, done.stdout
    assert clocks == sorted(clocks, reverse=True)
    assert {other for _, other in clocks} == {2.0}


async def test_processes_of_one_run_share_a_server(tmp_path: Path) -> None:
    """With pytest-xdist, and where pytest-asyncio is not there."""
    done = await run_users_tests(
        tmp_path, ("addresses", "exam"), "-n", "2", "-p", "no:asyncio", "-o", "filterwarnings="
    )

    assert done.returncode == 0, done.stdout
    notes = [(tmp_path / f"note-{number}").read_text().split() for number in range(6)]
    assert len({process for process, _ in notes}) == 2
    assert len({address for _, address in notes}) == 1
    await assert_ended(tmp_path / "run/synckairos-stack")


async def test_what_is_missing_fails_and_is_named(tmp_path: Path) -> None:
    """A test that needs a server is never skipped for want of one."""
    done = await run_users_tests(tmp_path, ("exam",), SYNCKAIROS_REDIS_SERVER="/nowhere/redis-server")

    assert done.returncode == 1, done.stdout
    assert "1 error" in done.stdout
    assert "the server with which tests play could not be started" in done.stdout
    assert "/nowhere/redis-server" in done.stdout


async def test_a_stack_ends_with_a_run_that_was_killed(tmp_path: Path) -> None:
    """SIGKILL leaves nobody to clean up."""
    program = textwrap.dedent("""
        import os, signal
        from pathlib import Path
        from synckairos.client.testing import EmbeddedStack
        with EmbeddedStack(Path("stack")) as stack:
            print(stack.address, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """)

    done = await run_command(sys.executable, "-c", program, cwd=tmp_path)

    assert done.returncode == -9
    assert done.stdout.startswith("127.0.0.1:")
    await assert_ended(tmp_path / "stack")
