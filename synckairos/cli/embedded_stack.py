"""A Redis and a server in a folder, for the tests of those who build upon SyncKairos; alive while anybody uses them.

Run as `python -m synckairos.cli.embedded_stack FOLDER` by `synckairos.client.testing`, which holds a share of the
folder's `users.lock` in every process that plays with it, and finds the server's address in `address`.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

import typer

from synckairos.cli.running import run, telling_failures
from synckairos.composition.server import Server
from synckairos.devstack import Guardian, RedisServer
from synckairos.devstack.file_lock import FileLock
from synckairos.devstack.secrets import write_private
from synckairos.settings import Settings
from synckairos.telemetry import configure_logging

LOOK_S: Final = 0.05


def main() -> None:
    """Run until nobody holds a share of the lock any more."""
    directory = Path(sys.argv[1])
    alive, users = FileLock(directory / "stack.lock"), FileLock(directory / "users.lock")
    if not alive.try_acquire():
        sys.exit(f"another stack runs in {directory}")
    try:
        with telling_failures(), Guardian() as guardian, RedisServer(directory / "redis") as redis:
            guardian.guard(redis.ward)
            settings = _settings(redis.url)
            configure_logging(settings.log_level, settings.log_format)
            run(_serve(settings, directory / "address", users))
    except typer.Exit as failed:
        sys.exit(failed.exit_code)


def _settings(redis_url: str) -> Settings:
    """Return the settings of a server that is alone with its Redis: nothing else is read but these."""
    given = {"redis_url": redis_url, "listen": "127.0.0.1:0", "drain_delay_s": 0.0, "log_level": "warning"}
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type] # pydantic-settings takes both


async def _serve(settings: Settings, address: Path, users: FileLock) -> None:
    server = Server(settings)
    await server.start()
    try:
        write_private(address, server.address)
        while not users.try_acquire():  # noqa: ASYNC110 - the kernel frees it, and tells nobody
            await asyncio.sleep(LOOK_S)
    finally:
        await server.stop()


if __name__ == "__main__":
    main()
