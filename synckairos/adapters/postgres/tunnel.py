"""A way to a database that only another machine can reach: the system's own ssh forwards a port of this machine.

One ssh serves a process, however many connections go through it. It is opened with the first of them, opened again when
it has ended, and ends with the process, also when that is killed.
"""

import asyncio
import socket
import subprocess
import tempfile
import time
from typing import Final, NamedTuple

from synckairos.adapters.postgres.errors import TunnelFailed

POLL_S: Final = 0.05
PATIENCE_S: Final = 15.0
"""For ssh to log in and to forward."""
OPTIONS: Final = (
    "-N", "-T",
    "-o", "BatchMode=yes",
    "-o", "ExitOnForwardFailure=yes",
    "-o", "ServerAliveInterval=15",
    "-o", "ServerAliveCountMax=2",
    "-o", "ConnectTimeout=10",
)  # fmt: skip
"""No questions; and a connection that is dead is noticed within half a minute."""
_WHILE_WE_LIVE: Final = """
exec 3<&0
"$@" </dev/null &
ssh=$!
{ read -r _; kill "$ssh" 2>/dev/null; } <&3 >/dev/null 2>&1 &
reader=$!
wait "$ssh"
exec 2>/dev/null
kill "$reader"
wait "$reader"
"""
"""Runs a program until it ends, or until standard input does: a pipe from the process that wants it. Who reads the pipe
ends with the program, whose id may then be given to another."""


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int


class SshTunnel:
    """A port of this machine that leads to an address as `user@host` sees it."""

    def __init__(self, login: str, target: Address) -> None:
        self._login = login
        self._target = target
        self._process: subprocess.Popen[bytes] | None = None
        self._place = Address("127.0.0.1", 0)
        self._opening = asyncio.Lock()

    async def address(self) -> Address:
        """Return where to connect to, and open the tunnel unless it is open; raises TunnelFailed."""
        async with self._opening:
            if self._process is None or self._process.poll() is not None:
                self.close()
                await self._open()
            return self._place

    def close(self) -> None:
        """End the tunnel, and with it the connections that go through it."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        self._process = None

    async def _open(self) -> None:
        self._place = Address("127.0.0.1", _free_port())
        host, port = self._target
        forward = f"127.0.0.1:{self._place.port}:{f'[{host}]' if ':' in host else host}:{port}"
        command = ("ssh", *OPTIONS, "-L", forward, "--", f"ssh://{self._login}")
        with tempfile.TemporaryFile() as said:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - the system's ssh, no shell reads the arguments
                ("/bin/sh", "-c", _WHILE_WE_LIVE, "sh", *command),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # Ctrl-C is for us: the connections are closed before the tunnel
            )
            try:
                await self._await_port(self._process)
            except TimeoutError:
                said.seek(0)
                lines = said.read().decode(errors="replace").split("\n")
                self.close()
                why = next((line.strip() for line in reversed(lines) if line.strip()), "ssh did not open it in time")
                raise TunnelFailed(f"no SSH tunnel to the database through {self._login}: {why}") from None

    async def _await_port(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until the port is listened on; raises TimeoutError if ssh ends first, or takes too long."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and process.poll() is None:
            try:
                _, writer = await asyncio.open_connection(*self._place)
            except OSError:
                await asyncio.sleep(POLL_S)
            else:
                writer.close()
                return
        raise TimeoutError


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_tunnels: dict[tuple[str, Address], SshTunnel] = {}


async def tunnelled(login: str, target: Address) -> Address:
    """Return where an address is reached through `user@host`; raises TunnelFailed."""
    tunnel = _tunnels.setdefault((login, target), SshTunnel(login, target))
    return await tunnel.address()
