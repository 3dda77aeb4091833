"""A whole deployment with an HTTP port, and a Chromium that looks at its console."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from playwright.async_api import Browser

from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.processes.deployment import Deployment, fresh_deployment
from testing.harness.processes.server_process import ServerProcess, free_port
from tests.browser.chromium import Windows, started_chromium


class Site:
    """A server with an HTTP port."""

    def __init__(self, deployment: Deployment) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.server: ServerProcess = deployment.start_server(http_listen=f"127.0.0.1:{port}")


@pytest.fixture(scope="session")
async def deployment() -> AsyncIterator[Deployment]:
    """Stores and a worker; servers are added by those who need them."""
    async with fresh_deployment() as deployment:
        deployment.start_worker(log_level="info")
        yield deployment


@pytest.fixture(scope="session")
async def site(deployment: Deployment) -> Site:
    """The server that all tests look at, but for those that stop theirs."""
    return Site(deployment)


@pytest.fixture(scope="session")
async def sessions(site: Site) -> AsyncIterator[SessionServiceStub]:
    """The site's sessions as a backend sees them, by gRPC."""
    async with grpc.aio.insecure_channel(site.server.address) as channel:
        yield SessionServiceStub(channel)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser of all tests."""
    with tempfile.TemporaryDirectory(prefix="synckairos-chromium-", ignore_cleanup_errors=True) as directory:
        async with started_chromium(Path(directory)) as browser:
            yield browser


@pytest.fixture
async def windows(chromium: Browser, site: Site) -> AsyncIterator[Windows]:
    """Windows at the site's console; no page may have an error or ask another origin for anything."""
    windows = Windows(chromium, site.url)
    yield windows
    await windows.close()
