"""A whole server in the test's own process, on a key prefix of its own."""

import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Final
from uuid import uuid4

from synckairos.application.tracing import Tracing
from synckairos.composition.server import Server
from synckairos.settings import Settings
from testing.harness.processes.child_process import PATIENT

TOKEN_KEY: Final = b64encode(bytes(range(32))).decode()


def settings_for(redis_url: str, prefix: str | None = None, **more: object) -> Settings:
    """Return settings that keep a test to itself: its own key prefix, a free port; a key of tokens for callers."""
    given = {
        "redis_url": redis_url,
        "redis_prefix": prefix or f"t{uuid4().hex[:12]}",
        "listen": "127.0.0.1:0",
        "drain_delay_s": 0.0,
        # Server, test and load share one event loop: a busy machine may hold it for longer than a second.
        "redis_timeout_s": 5.0,
        **({"token_key": TOKEN_KEY} if any(name.startswith("auth_") for name in more) else {}),
        **PATIENT,
        **more,
    }
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type] # pydantic-settings takes both


@contextlib.asynccontextmanager
async def serving(settings: Settings, tracing: Tracing | None = None) -> AsyncIterator[Server]:
    """Run a server while the body runs."""
    server = Server(settings, tracing=tracing)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
