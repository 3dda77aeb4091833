"""A `synckairos serve` on a port of its own, and its health as a client sees it."""

import contextlib
import secrets
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from testing.harness.processes.child_process import HEALTHY, ChildProcess

START_S = 60.0
PORTS: Final = range(10_000, 32_000)
"""Below those that Linux gives to whoever asks for any, who would often get one that is meant for a server soon."""


class ServerProcess(ChildProcess):
    """One server, which keeps its `port` when started again; leaving the context stops it, or kills it on an error."""

    stops_within_s = 20.0

    def __init__(self, redis_url: str, log: Path, *, module: Sequence[str] = HEALTHY, **settings: str) -> None:
        super().__init__(redis_url, log, module=module, **settings)
        self.port = free_port()
        self.credentials: grpc.ChannelCredentials | None = None
        """By which its health is asked for over TLS."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.running:
            self.resume()
            self.kill() if kind else self.stop()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def arguments(self) -> Sequence[str]:
        """The command and its arguments."""
        return ("serve", "--listen", self.address)

    def start(self) -> None:
        """Start the process and wait until it answers health checks, with whatever status."""
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
        with self.channel() as channel:
            try:
                reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
            except grpc.RpcError:
                return "UNREACHABLE"
            return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))

    def channel(self) -> grpc.Channel:
        """Return a channel to it."""
        if self.credentials is None:
            return grpc.insecure_channel(self.address)
        return grpc.secure_channel(self.address, self.credentials)


def free_port() -> int:
    """Return a port that is free now."""
    while True:
        port = secrets.choice(PORTS)  # not by random, which Hypothesis seeds
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
