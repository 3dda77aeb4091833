"""Whole processes: a Redis of their own, and servers as a user would run them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testing.harness.processes.server_process import ServerProcess

StartServers = Callable[..., list[ServerProcess]]


@pytest.fixture
def start_servers(tmp_path: Path) -> Iterator[StartServers]:
    """Starts servers on one Redis; those still running are stopped after the test."""
    with ExitStack() as stack:

        def start(redis_url: str, count: int, **settings: str) -> list[ServerProcess]:
            servers = [ServerProcess(redis_url, tmp_path / f"server{place}.log", **settings) for place in range(count)]
            for server in servers:
                server.spawn()
            for server in servers:
                stack.enter_context(_Running(server))
                server.await_answer("SERVING")
            return servers

        yield start


class _Running:
    """Stops a server that was started elsewhere."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server

    def __enter__(self) -> ServerProcess:
        return self._server

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(None, None, None)
