"""Commands that ask a server, run as a user or a script would."""

import asyncio
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from synckairos.cli.asking import asking_app
from testing.harness.processes.commands import Finished, warm_command
from testing.harness.processes.warm_commands import program


class Asked(NamedTuple):
    """Runs commands that ask one server."""

    address: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead to the server."""
        return {"SYNCKAIROS_ADDRESS": self.address}

    async def run(self, *arguments: str, **environment: str) -> Finished:
        """Run a command to its end."""
        return await warm_command(*arguments, cwd=self.folder, **{**self.environment, **environment})

    async def invoke(self, *arguments: str, **environment: str) -> Finished:
        """Run a command to its end in this process, which takes a tenth of the time."""
        runner = CliRunner(env={**self.environment, **environment})
        done = await asyncio.to_thread(runner.invoke, asking_app, arguments)
        return Finished(done.exit_code, done.stdout, done.stderr)

    async def told(self, *arguments: str) -> Any:
        """Return the JSON that a command prints; it must succeed."""
        done = await self.invoke(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done
        return json.loads(done.stdout)

    async def created(self, *options: str) -> str:
        """Create a session and return its id."""
        done = await self.invoke("session", "create", *options, "--quiet")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator["RunningCommand"]:
        """Run a command while the body runs."""
        process = await asyncio.create_subprocess_exec(
            program(), *arguments, cwd=self.folder, env={**os.environ, **self.environment},
            stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        try:
            yield RunningCommand(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


class RunningCommand(NamedTuple):
    """A command that goes on, and what it prints."""

    process: Process

    async def line(self) -> str:
        """Return its next line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            line = (await self.process.stdout.readline()).decode()
        assert line, await self.ended()
        return line

    async def until(self, text: str) -> list[str]:
        """Return its lines up to the one that has a text."""
        lines = [await self.line()]
        while text not in lines[-1]:
            lines.append(await self.line())
        return lines

    async def stopped(self, number: signal.Signals) -> Finished:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> Finished:
        """Wait for the end; return how it ended and what it printed since."""
        async with asyncio.timeout(30):
            stdout, stderr = await self.process.communicate()
        assert self.process.returncode is not None
        return Finished(self.process.returncode, stdout.decode(), stderr.decode())
