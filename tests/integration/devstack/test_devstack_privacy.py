"""The embedded servers on a machine that others use as well: nobody comes in without the password, or reads a file."""

import asyncio
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from synckairos.devstack import PostgresServer, RedisServer
from testing.harness.processes.server_process import free_port


@pytest.fixture
def redis(server_directory: Path) -> Iterator[RedisServer]:
    """A Redis with a password."""
    with RedisServer(server_directory / "redis", has_password=True) as server:
        yield server


@pytest.fixture
def postgres(server_directory: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL with a password."""
    server = PostgresServer(server_directory / "postgres", has_password=True)
    with server:
        yield server
    server.wipe()


def password_of(server: RedisServer | PostgresServer) -> str:
    """Return the password in the URL."""
    return server.url.rpartition("@")[0].rpartition(":")[2]


def answer(server: RedisServer) -> bool:
    """Ask with the URL."""
    with Redis.from_url(server.url) as client:
        return bool(client.ping())


async def ask(url: str) -> object:
    """Ask PostgreSQL with a URL."""
    connection = await asyncpg.connect(url, ssl=False, timeout=5)
    try:
        return await connection.fetchval("SELECT current_user")
    finally:
        await connection.close()


def test_redis_lets_nobody_in_without_the_password(redis: RedisServer) -> None:
    """It is made once, and is the same after a restart."""
    url = redis.url
    with Redis(port=redis.port) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
    assert answer(redis)

    redis.stop()
    redis.start()

    assert redis.url == url
    assert answer(redis)


def test_the_password_stands_where_only_its_owner_reads(redis: RedisServer, postgres: PostgresServer) -> None:
    """Not among the arguments, which all users see, and not in what is shown."""
    for server in (redis, postgres):
        password = password_of(server)
        arguments = Path(f"/proc/{server.pid}/cmdline").read_bytes().decode()

        assert len(password) == 48
        assert password not in arguments
        assert password not in server.shown_url
        assert str(server.port) in server.shown_url


def test_no_file_can_be_read_by_others(redis: RedisServer, postgres: PostgresServer, server_directory: Path) -> None:
    """Data, logs, locks and passwords, however the umask is set."""
    with Redis.from_url(redis.url) as client:
        client.set("kept", "yes")
        client.bgrewriteaof()
    redis.stop()
    postgres.stop()

    files = [path for path in server_directory.rglob("*") if path.is_file() and not path.is_symlink()]
    programs = [path for path in files if "programs-" in str(path)]

    assert stat.S_IMODE((server_directory / "redis").stat().st_mode) == 0o700
    assert {path.name for path in files} >= {"password", "redis.conf", "redis.log", "postgresql.log", "owner.lock"}
    assert [path for path in files if path not in programs and stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_postgres_lets_nobody_in_without_the_password(postgres: PostgresServer) -> None:
    """Neither its owner without one, nor another role."""
    strangers = [f"postgresql://{name}@127.0.0.1:{postgres.port}/synckairos" for name in ("synckairos", "postgres")]
    for url in strangers:
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
            asyncio.run(ask(url))
    assert asyncio.run(ask(postgres.url)) == "synckairos"


def test_data_of_before_get_a_password(server_directory: Path) -> None:
    """What an earlier version left open to all is closed at the next start, and nothing is lost."""
    with PostgresServer(server_directory / "postgres") as before:
        asyncio.run(_keep(before.url))
    server = PostgresServer(server_directory / "postgres", has_password=True)
    try:
        with server:
            with pytest.raises(asyncpg.InvalidPasswordError):
                asyncio.run(ask(f"postgresql://synckairos@127.0.0.1:{server.port}/synckairos"))
            assert asyncio.run(_kept(server.url)) == 7
    finally:
        server.wipe()


async def _keep(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS answer")
    await connection.close()


async def _kept(url: str) -> object:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return await connection.fetchval("SELECT answer FROM kept")
    finally:
        await connection.close()


def test_the_usual_port_is_taken_where_it_is_free(server_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stacks on one machine do not meet: the second takes any free port."""
    usual = free_port()
    monkeypatch.setattr(RedisServer, "usual_port", usual)

    assert RedisServer(server_directory / "one", has_password=True).port == usual
    with socket.create_server(("127.0.0.1", usual)):
        other = RedisServer(server_directory / "two", has_password=True).port
    assert other != usual
