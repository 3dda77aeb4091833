"""A `synckairos serve` of its own, as a user would run it: started, killed, paused and stopped by tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

START_S = 20.0


class ServerProcess:
    """One server process on a port of its own; `port` is kept when it is started again.

    `module` is what Python runs, with arguments before the command's own: `synckairos`, or what makes something of it.
    """

    def __init__(self, redis_url: str, log: Path, *, module: Sequence[str] = ("synckairos",), **settings: str) -> None:
        self._environment = environment_with(redis_url, settings)
        self._module = module
        self.log = log
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self.kill() if kind else self.stop()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What it is started with."""
        return dict(self._environment)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id, once it has been started."""
        assert self._process is not None
        return self._process.pid

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._module, "serve", "--listen", self.address],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start the process and wait until it answers health checks, whatever it says."""
        self.spawn()
        self.await_answer()

    def await_answer(self, wanted: str | None = None, seconds: float = START_S) -> str:
        """Wait until it answers health checks (with the `wanted` status, if given) and return the status."""
        until = time.monotonic() + seconds
        status = "UNREACHABLE"
        while time.monotonic() < until:
            if not self.running:
                raise AssertionError(f"the server has ended:\n{self.tail()}")
            status = self.health()
            if status == wanted or (wanted is None and status != "UNREACHABLE"):
                return status
            time.sleep(0.02)  # the wait on a condition with a deadline, from outside the process
        raise AssertionError(f"health is {status}, not {wanted or 'an answer'}, after {seconds} s:\n{self.tail()}")

    def health(self) -> str:
        """Return its health status, UNREACHABLE if it does not answer."""
        with grpc.insecure_channel(self.address) as channel:
            try:
                reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
            except grpc.RpcError:
                return "UNREACHABLE"
            return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))

    def stop(self, seconds: float = 20.0) -> int:
        """Ask it to stop, wait, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it without warning."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def pause(self) -> None:
        """Freeze it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-4_000:] if self.log.exists() else ""


def environment_with(redis_url: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process on a Redis, with these settings; it logs as JSON from info on."""
    given = {"redis_url": redis_url, "log_level": "info", "log_format": "json", **settings}
    return {**os.environ, **{f"SYNCKAIROS_{name.upper()}": value for name, value in given.items()}}


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
