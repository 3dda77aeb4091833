"""Running the command line as a user would."""

import asyncio
import os
import signal
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from testing.harness.processes.warm_commands import WarmCommand


class Finished(NamedTuple):
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


async def run_command(*command: str, cwd: Path, seconds: float = 60.0, **environment: str) -> Finished:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            stdout, stderr = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    return Finished(process.returncode or 0, stdout.decode(), stderr.decode())


async def warm_command(*arguments: str, cwd: Path, seconds: float = 60.0, **environment: str) -> Finished:
    """Run `synckairos` to its end, in a process that has loaded it already."""
    with TemporaryFile() as stdout, TemporaryFile() as stderr:
        command = await asyncio.to_thread(
            WarmCommand, arguments, str(cwd), {**os.environ, **environment}, stdout, stderr
        )
        try:
            async with asyncio.timeout(seconds):
                returncode = await asyncio.to_thread(command.wait)
        except TimeoutError:
            os.kill(command.pid, signal.SIGKILL)
            raise
        printed = [(stream.seek(0), stream.read())[1].decode() for stream in (stdout, stderr)]
    return Finished(returncode, *printed)


async def synckairos(*arguments: str, redis_url: str, cwd: Path, seconds: float = 60.0, **environment: str) -> Finished:
    """Run `synckairos` on a Redis to its end, in a process that has loaded it already."""
    environment["SYNCKAIROS_REDIS_URL"] = redis_url
    return await warm_command(*arguments, cwd=cwd, seconds=seconds, **environment)
