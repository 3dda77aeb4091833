"""A whole server in the test's own process, on a key prefix of its own."""

import contextlib
from collections.abc import AsyncIterator
from uuid import uuid4

from synckairos.composition.server import Server
from synckairos.settings import Settings


def settings_for(redis_url: str, prefix: str | None = None, **more: object) -> Settings:
    """Return settings that keep a test to itself: its own key prefix, a free port."""
    given = {
        "redis_url": redis_url,
        "redis_prefix": prefix or f"t{uuid4().hex[:12]}",
        "listen": "127.0.0.1:0",
        "drain_delay_s": 0.0,
        **more,
    }
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type] # pydantic-settings takes both


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Server]:
    """Run a server while the body runs."""
    server = Server(settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
