"""The command line beside a running `synckairos dev`: it finds it, and nothing that does not run."""

import json
import re
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from synckairos.devstack import PostgresServer
from testing.harness.processes.commands import Finished, warm_command
from testing.harness.processes.dev_stack import start_dev, stop_dev
from testing.harness.processes.gateway_process import is_healthy
from testing.harness.waiting import eventually


@pytest.fixture
async def folder(server_directory: Path) -> AsyncIterator[Path]:
    """A folder to stand in; the data of `dev` in it are taken away, also those below /var/tmp."""
    yield server_directory
    PostgresServer(server_directory / ".synckairos" / "postgres").wipe()


async def synckairos(*arguments: str, cwd: Path, **environment: str) -> Finished:
    """Run a command without any setting but these."""
    return await warm_command(*arguments, cwd=cwd, **environment)


async def test_commands_find_the_dev_that_runs_here(folder: Path) -> None:
    """Server, store and database, by a file that only its owner can read; what the environment names goes first.

    What a terminal shows has none of the passwords in the file: it lands in screenshots and logs.
    """
    heard: list[str] = []
    process, address = await start_dev(folder, "--data-dir", ".synckairos", heard=heard)
    file = folder / ".synckairos" / "stack.json"
    places, mode = json.loads(file.read_text()), stat.S_IMODE(file.stat().st_mode)
    commands = [
        ("health",),
        ("call", "SyncTime"),
        ("store", "show"),
        ("migrate", "status"),
        ("audit", "status"),
        ("audit", "sample", "--sessions", "1"),
        ("audit", "participant", "20000000-0000-4000-8000-00000000000a"),
        ("audit", "dead", "discard", "--all", "--reason", "nobody needs them"),
    ]
    done = {command: await synckairos(*command, cwd=folder) for command in commands}
    elsewhere = await synckairos("health", cwd=folder, SYNCKAIROS_LISTEN="127.0.0.1:1")
    heard.append(await stop_dev(process))
    afterwards = await synckairos("health", "--timeout", "0.5", cwd=folder, SYNCKAIROS_REDIS_URL="redis://127.0.0.1:1")

    assert {command: finished.returncode for command, finished in done.items()} == dict.fromkeys(commands, 0), done
    passwords = re.findall(r":([0-9a-f]{48})@", " ".join(places.values()))
    assert places["listen"] == address
    assert len(passwords) == 2
    assert not [password for password in passwords if password in "".join(heard)]
    assert mode == 0o600
    assert elsewhere.returncode == 1
    assert not file.exists()
    assert afterwards.returncode == 1


async def test_taken_usual_addresses_are_replaced(folder: Path) -> None:
    """Somebody else's servers on 50051 and 8080 do not stop `dev`, unless the addresses were asked for.

    Its first line is the URL for a browser, wherever that is.
    """
    heard: list[str] = []
    with ExitStack() as squatters:
        for port in (50_051, 8_080):
            squatter = squatters.enter_context(socket.socket())
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):  # it is taken already, and not by a test
                squatter.bind(("127.0.0.1", port))
                squatter.listen()
        process, address = await start_dev(folder, "--data-dir", ".synckairos", listen=None, heard=heard)
        url = heard[0].split()[0]
        await eventually(lambda: is_healthy(url.removeprefix("http://").rstrip("/")))
        await stop_dev(process)

    assert address != "127.0.0.1:50051"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
    assert url != "http://127.0.0.1:8080/"


async def test_the_version_can_be_asked_for(tmp_path: Path) -> None:
    """It is that of the package."""
    done = await synckairos("--version", cwd=tmp_path)

    assert done.returncode == 0
    assert re.fullmatch(r"synckairos \d+\.\d+\.\d+\n", done.stdout)
