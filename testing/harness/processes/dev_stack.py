"""A `synckairos dev` as a user starts it, and what it runs."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from synckairos.devstack.file_lock import FileLock

LOCKS = ("redis/server.lock", "postgres/server.lock", "worker.lock")


async def start_dev(
    folder: Path, *options: str, listen: str | None = "127.0.0.1:0", heard: list[str] | None = None, **environment: str
) -> tuple[Process, str]:
    """Start `synckairos dev` and return it with its address once it serves; `heard` takes what it says until then.

    Without `listen` it takes its usual addresses, or what the settings say.
    """
    where = ("--listen", listen) if listen else ()
    free = {"SYNCKAIROS_HTTP_LISTEN": "127.0.0.1:0"} if listen else {}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "synckairos", "dev", "--data-dir", str(folder / "data"), *where, *options,
        cwd=folder, env={**os.environ, **free, **environment}, stdout=PIPE, stderr=DEVNULL,
    )  # fmt: skip
    return process, await said(process, r"SyncKairos +(\S+)", heard)


async def said(process: Process, pattern: str, heard: list[str] | None = None) -> str:
    """Read lines until one begins with the pattern; return its first group."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while True:
            line = (await process.stdout.readline()).decode()
            assert line, "dev has ended"
            if heard is not None:
                heard.append(line)
            if found := re.match(pattern, line):
                return found[1]


async def stop_dev(process: Process, number: signal.Signals = signal.SIGINT) -> str:
    """Press Ctrl-C, or send another signal, wait for a clean end and return the rest of what it said."""
    process.send_signal(number)
    async with asyncio.timeout(30):
        rest, _ = await process.communicate()
    assert process.returncode == 0
    return rest.decode()


def running_parts(folder: Path) -> set[str]:
    """Return which of the parts have processes that live: their locks are held."""
    held = set()
    for name in LOCKS:
        lock = FileLock(folder / "data" / name)
        if not lock.try_acquire():
            held.add(name)
        lock.release()
    return held


def first_process(folder: Path, lock: str) -> int:
    """Return the id of a part's first process."""
    return int((folder / "data" / lock).read_text())
