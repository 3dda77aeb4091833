"""An HTTP port in the test's own process."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from synckairos.gateway.http_server import HttpServer


@asynccontextmanager
async def served(application: Any, bound: socket.socket | None = None, max_connections: int = 10) -> AsyncIterator[str]:
    """Serve an application while the body runs, and yield its address."""
    server = HttpServer(
        application, bound or socket.create_server(("127.0.0.1", 0)), max_connections=max_connections, grace_s=1.0
    )
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop()
