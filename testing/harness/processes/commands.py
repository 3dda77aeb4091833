"""Running the command line as a user would."""

import asyncio
import os
import sys
from pathlib import Path
from typing import NamedTuple


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


async def synckairos(*arguments: str, redis_url: str, cwd: Path, seconds: float = 60.0, **environment: str) -> Finished:
    """Run `synckairos` to its end."""
    environment["SYNCKAIROS_REDIS_URL"] = redis_url
    return await run_command(sys.executable, "-m", "synckairos", *arguments, cwd=cwd, seconds=seconds, **environment)
