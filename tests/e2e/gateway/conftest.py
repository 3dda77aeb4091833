"""One server with an HTTP port of its own, and a gateway in front of it: what holds for one holds for the other."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from synckairos.devstack import RedisServer
from testing.harness.processes.gateway_process import GatewayProcess
from testing.harness.processes.server_process import ServerProcess, free_port

LISTED = "https://shop.example"
OTHER_NAME = "clocks.example"


@dataclass
class Ports:
    """Where a server is reached."""

    grpc: str
    in_process: str
    by_itself: str
    metrics: str
    server: ServerProcess
    gateway: GatewayProcess


@pytest.fixture(scope="module")
def ports(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Both kinds of HTTP ports on one server."""
    folder = tmp_path_factory.mktemp("gateway")
    with ExitStack() as stack:
        yield started(stack, redis_server.url, folder, redis_prefix="gateway")


@pytest.fixture(params=["in_process", "by_itself"])
def address(request: pytest.FixtureRequest, ports: Ports) -> str:
    """The address of an HTTP port: in the server's process, and then before its gRPC port."""
    return str(getattr(ports, request.param))


def started(stack: ExitStack, redis_url: str, folder: Path, **settings: str) -> Ports:
    """Start a server with an HTTP port, and a gateway before it."""
    sharing = {"gateway_origins": LISTED}
    http, metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
    server = stack.enter_context(
        ServerProcess(redis_url, folder / "server.log", http_listen=http, metrics_listen=metrics, **sharing, **settings)
    )
    server.await_answer("SERVING")
    gateway = stack.enter_context(GatewayProcess(server.address, folder / "gateway.log", **sharing, **settings))
    return Ports(server.address, http, gateway.address, metrics, server, gateway)
