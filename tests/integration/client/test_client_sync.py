"""The client for programs without an event loop: interrupted, forked, shared, left open, closed under its users."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from synckairos.devstack import RedisServer
from testing.harness.documents import blocks
from testing.harness.processes.commands import Finished, run_command
from testing.harness.processes.in_process import serving, settings_for

BEGIN = """
import os, signal, sys, threading, uuid
from synckairos.client import errors
from synckairos.client.sync import SyncKairos
from synckairos.v1.session_pb2 import MODE_GLOBAL

client = SyncKairos.connect(sys.argv[1])
exam = client.create_session(MODE_GLOBAL, total_time_ms=60_000).session.session_id
client.start_session(exam)
"""


@pytest.fixture(scope="module")
async def address(redis_server: RedisServer) -> AsyncIterator[str]:
    """Where a server listens."""
    async with serving(settings_for(redis_server.url)) as server:
        yield server.address


async def run(script: str, address: str, folder: Path) -> Finished:
    """Run a program in a process of its own, warnings as errors."""
    (folder / "program.py").write_text(script)
    return await run_command(
        sys.executable, "-W", "error", str(folder / "program.py"), address, cwd=folder, GRPC_VERBOSITY="NONE"
    )


async def test_the_clock_outlives_the_client(address: str, tmp_path: Path) -> None:
    """It can be read between its calls and after the last one."""
    script = """
with client.sync_clock(period_s=0.05) as clock:
    before = clock.now_ms()
    client.close()
    print(clock.now_ms() >= before > 1_600_000_000_000, clock.uncertainty_ms < 5_000)
"""
    done = await run(BEGIN + script, address, tmp_path)

    assert (done.stdout, done.stderr) == ("True True\n", "")


async def test_an_interruption_loses_nothing(address: str, tmp_path: Path) -> None:
    """Ctrl-C while an update is waited for is raised there and then; the iteration goes on where it was."""
    script = """
watch = client.watch(exam)
print(next(watch).version)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    next(watch)
except KeyboardInterrupt:
    print("interrupted")
client.switch_cycle(exam)
client.complete_session(exam)
print(*(update.WhichOneof("payload") for update in watch))
client.close()
"""
    done = await run(BEGIN + script, address, tmp_path)

    assert done.stdout.splitlines() == ["2", "interrupted", "event event end"], done.stderr


async def test_a_fork_is_told_what_does_not_work_there(address: str, tmp_path: Path) -> None:
    """Clients of its own work if the parent had none; else an error says so at once, and the parent goes on.

    The child ends as those of multiprocessing do: by sys.exit it would take apart what gRPC's threads hold, which are
    not there, and may die of SIGSEGV.
    """
    script = """
if os.fork() == 0:
    for use in (lambda: client.get_session(exam), lambda: SyncKairos.connect(sys.argv[1])):
        try:
            use()
        except RuntimeError as error:
            print(error, flush=True)
    os._exit(0)
print(os.wait()[1], client.get_session(exam).session.version, flush=True)
"""
    before = """
if os.fork() == 0:
    with SyncKairos.connect(sys.argv[1]) as own:
        print(own.parse_time_control("180+2").text, flush=True)
    sys.exit()
print(os.wait()[1])
"""
    imports, rest = BEGIN.split("client = ")
    done = await run(f"{imports}{before}client = {rest}{script}", address, tmp_path)

    *worked, used, opened, parent = done.stdout.splitlines()
    assert worked == ["180+2", "0"], done.stderr
    assert "opened before a fork" in used
    assert "in the children only" in opened
    assert parent == "0 2"


async def test_threads_share_it_and_are_told_when_it_is_closed(address: str, tmp_path: Path) -> None:
    """Who waits then is not left waiting; closing twice does nothing."""
    script = """
seen, waiting = [], threading.Event()

def follow():
    try:
        for update in client.watch(exam):
            seen.append(update.version)
            waiting.set()
    except (RuntimeError, errors.SyncKairosError) as error:
        print(type(error).__name__)

follower = threading.Thread(target=follow)
follower.start()
waiting.wait(10)
with client.commands() as commands:
    futures = [commands.create_session(MODE_GLOBAL, total_time_ms=60_000) for _ in range(300)]
    print(len({future.result().session.session_id for future in futures}))
client.close()
client.close()
follower.join(10)
print(follower.is_alive(), seen)
try:
    client.get_session(exam)
except RuntimeError as error:
    print(error)
"""
    done = await run(BEGIN + script, address, tmp_path)

    assert done.stdout.splitlines() == ["300", "RuntimeError", "False [2]", "this client is closed"], done.stderr


@pytest.mark.parametrize("leaving", ["", "client.watch(exam).__next__()", "for update in client.watch(exam): break"])
async def test_a_program_may_end_without_closing_anything(leaving: str, address: str, tmp_path: Path) -> None:
    """It ends by itself, without a word."""
    done = await run(f"{BEGIN}\n{leaving}\nprint('the end')", address, tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "the end\n", "")


async def test_the_programs_of_the_packages_pages(address: str, tmp_path: Path) -> None:
    """All run as they stand."""
    shown = []
    for program in blocks("clients/python/README.md", "python") + blocks("docs/package.md", "python"):
        done = await run(program.replace("localhost:50051", address), address, tmp_path)
        assert done.returncode == 0, done.stderr
        shown.append(done.stdout.splitlines())

    assert shown == [
        ["2 snapshot", "3 event", "3 tick", "it is the turn of player 1", "4 event", "4 end"],
        ["2 snapshot", "3 event", "3 end"],
        ["2 snapshot", "2 tick", "3 event", "3 end"],
    ]
