"""The README and docs/start.md, done as they say, and the commands of the other documents."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from testing.harness.documents import blocks
from testing.harness.processes.commands import run_command
from testing.harness.processes.warm_commands import program

BUF = Path(sys.executable).with_name("buf")

# grpcurl is not on PyPI; buf speaks the same reflection. The README's commands run through it unchanged.
WITHOUT_GRPCURL = f"""
grpcurl() {{ [ "$1" = -plaintext ] && "{BUF}" curl --protocol grpc --http2-prior-knowledge -d "$3" "http://$4/$5"; }}
"""


class Stack(NamedTuple):
    """A running `synckairos dev`."""

    address: str
    redis_url: str
    greeting: str


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """`synckairos dev` on free ports, stopped with Ctrl-C."""
    folder = tmp_path_factory.mktemp("dev")
    folder.chmod(0o711)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "synckairos", "dev", "--data-dir", str(folder / "data"), "--listen", "127.0.0.1:0",
        cwd=folder, env={**os.environ, "SYNCKAIROS_HTTP_LISTEN": "127.0.0.1:0"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    greeting = ""
    async with asyncio.timeout(60):
        while "WatchSession" not in greeting:
            line = (await process.stdout.readline()).decode()
            assert line, f"dev ended: {greeting}"
            greeting += line
    found = json.loads((folder / "data" / "stack.json").read_text())
    yield Stack(found["listen"], found["redis_url"], greeting)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        rest, _ = await process.communicate()
        assert process.returncode == 0
        assert b"stopped" in rest


SESSION = "11111111-1111-4111-8111-111111111111"
"""The session of the README and of what `dev` prints."""


def as_written(script: str, address: str, session_id: str = SESSION) -> str:
    """Return a README script for a server elsewhere than at the default address, and a session of the test's own."""
    script = script.replace("localhost:50051", address).replace(SESSION, session_id)
    return script if shutil.which("grpcurl") else WITHOUT_GRPCURL + script


async def test_the_first_five_minutes(stack: Stack, tmp_path: Path) -> None:
    """Create, start, watch with ticks in one terminal, switch in another, read the history: all by reflection alone."""
    create_and_start, watch, switch, history = [block for block in blocks("docs/start.md", "sh") if "grpcurl" in block]

    def script(block: str) -> str:
        return as_written(block, stack.address, session_id)

    session_id = str(uuid4())
    made = await run_command("bash", "-ec", script(create_and_start), cwd=tmp_path)
    watching = await asyncio.create_subprocess_exec(
        "bash", "-ec", script(watch), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert watching.stdout is not None
    try:
        seen = await _until(watching.stdout, '"tick"')
        switched = await run_command("bash", "-ec", script(switch), cwd=tmp_path)
        seen += await _until(watching.stdout, "EVENT_TYPE_CYCLE_SWITCHED")
    finally:
        os.killpg(watching.pid, signal.SIGTERM)  # the shell, and the client it runs
        await watching.wait()

    recorded = ""
    async with asyncio.timeout(15):
        while "EVENT_TYPE_CYCLE_SWITCHED" not in recorded:
            listed = await run_command("bash", "-ec", script(history), cwd=tmp_path)
            recorded = listed.stdout

    types = re.findall(r"EVENT_TYPE_\w+", recorded)
    assert types == ["EVENT_TYPE_SESSION_CREATED", "EVENT_TYPE_SESSION_STARTED", "EVENT_TYPE_CYCLE_SWITCHED"]
    assert made.returncode == 0, made.stderr
    assert made.stdout.index("STATUS_PENDING") < made.stdout.index("STATUS_RUNNING")
    assert switched.returncode == 0, switched.stderr
    assert '"version": "3"' in switched.stdout
    assert seen.index('"snapshot"') < seen.index('"tick"') < seen.index('"event"')


async def _until(stream: asyncio.StreamReader, text: str) -> str:
    """Read until a text has come, within 15 s."""
    seen = ""
    async with asyncio.timeout(15):
        while text not in seen:
            line = (await stream.readline()).decode()
            assert line, f"the stream ended: {seen}"
            seen += line
    return seen


async def test_the_first_calls_of_the_readme(stack: Stack, tmp_path: Path) -> None:
    """The demo plays to its end, a game is created and started, and grpcurl needs no files."""
    bin_folder = str(program().parent)
    calls = [block for block in blocks("README.md", "sh") if "make" not in block]
    scripts = [as_written(block.replace(".venv/bin", bin_folder), stack.address) for block in calls]

    done = [
        await run_command("bash", "-ec", script, cwd=tmp_path, SYNCKAIROS_ADDRESS=stack.address) for script in scripts
    ]

    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert "STATUS_RUNNING" in done[0].stdout
    assert "STATUS_PENDING" in done[1].stdout


async def test_the_python_example(stack: Stack, tmp_path: Path) -> None:
    """The README's program runs as it stands: the move was made, and the stream begins with the game."""
    (program,) = blocks("README.md", "python")
    file = tmp_path / "example.py"
    file.write_text(program.replace("localhost:50051", stack.address))

    done = await run_command(sys.executable, str(file), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "version: 3" in done.stdout


async def test_the_example_of_a_command_stream(stack: Stack, tmp_path: Path) -> None:
    """The program in docs/api.md runs as it stands: all is started, and what is refused is refused alone."""
    (program,) = blocks("docs/api.md", "python")
    file = tmp_path / "example.py"
    file.write_text(program.replace("localhost:50051", stack.address))

    done = await run_command(sys.executable, str(file), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    refused, running = done.stdout.splitlines()
    assert refused.startswith("again was refused: ")
    assert running == "100 games are running"


async def test_what_dev_prints_can_be_pasted(stack: Stack, tmp_path: Path) -> None:
    """The commands that `dev` suggests work: run once or again, they find a session that was made and started."""
    create, start, watch = (
        next(line.strip() for line in stack.greeting.splitlines() if method in line)
        for method in ("CreateSession", "StartSession", "WatchSession")
    )

    again = await run_command("bash", "-ec", f"{create} || true; {create}", cwd=tmp_path)
    started = await run_command("bash", "-ec", f"{start} || true; {start}", cwd=tmp_path)
    watching = await asyncio.create_subprocess_exec(
        "bash", "-ec", watch, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert watching.stdout is not None
    try:
        await _until(watching.stdout, '"snapshot"')
    finally:
        if watching.returncode is None:
            os.killpg(watching.pid, signal.SIGTERM)  # the shell, and the client it runs
        await watching.wait()

    assert "ALREADY_EXISTS / SESSION_ALREADY_EXISTS" in again.stderr
    assert "cannot be asked to start" in started.stdout + started.stderr


async def test_the_commands_of_the_operations_page(stack: Stack, tmp_path: Path) -> None:
    """Every command block of docs/operations.md succeeds against a running stack."""
    bin_folder = str(program().parent)
    environment = {"SYNCKAIROS_REDIS_URL": stack.redis_url, "SYNCKAIROS_LISTEN": stack.address}
    scripts = blocks("docs/operations.md", "sh")

    done = [
        await run_command("bash", "-ec", f"export PATH={bin_folder}:$PATH; {script}", cwd=tmp_path, **environment)
        for script in scripts
    ]

    assert len(scripts) >= 2
    assert [finished.returncode for finished in done] == [0] * len(scripts), done
    assert any("SERVING" in finished.stdout for finished in done)


async def test_inspect_prints_what_is_stored(stack: Stack, tmp_path: Path) -> None:
    """`synckairos inspect` shows a session with its events, as JSON."""
    create_and_start = next(block for block in blocks("docs/start.md", "sh") if "CreateSession" in block)
    session_id = str(uuid4())
    made = await run_command("bash", "-ec", as_written(create_and_start, stack.address, session_id), cwd=tmp_path)
    environment = {"SYNCKAIROS_REDIS_URL": stack.redis_url}

    done = await run_command(str(program()), "inspect", session_id, cwd=tmp_path, **environment)

    assert made.returncode == 0, made.stderr
    found = json.loads(done.stdout)
    assert found["session"]["session_id"] == session_id
    assert [event["version"] for event in found["events"]] == list(range(1, found["session"]["version"] + 1))
