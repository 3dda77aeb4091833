"""The embedded servers are real ones: they keep their data over every kind of end and say what is wrong."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import asyncpg
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from synckairos.devstack import (
    DevstackError,
    DirectoryInUseError,
    PortInUseError,
    PostgresServer,
    RedisServer,
    ServerFailedError,
    child_server,
)
from synckairos.devstack.file_lock import FileLock

Server = RedisServer | PostgresServer
SHORT_SECONDS = 0.3
ROOT = Path(__file__).parents[3]


@pytest.fixture(params=[RedisServer, PostgresServer])
def server(request: pytest.FixtureRequest, server_directory: Path) -> Iterator[Server]:
    made: Server = request.param(server_directory / "server")
    yield made
    made.stop()


def client(server: RedisServer, timeout: float = 5) -> Redis:
    return Redis.from_url(server.url, socket_timeout=timeout, retry=Retry(NoBackoff(), 0))


async def query(server: PostgresServer, *statements: str, seconds: float = 5) -> object:
    connection = await asyncpg.connect(server.url, timeout=seconds)
    try:
        return [await connection.fetchval(statement, timeout=seconds) for statement in statements][-1]
    finally:
        await connection.close(timeout=seconds)


def remember(server: Server) -> None:
    if isinstance(server, RedisServer):
        with client(server) as redis:
            redis.set("kept", "yes")
    else:
        asyncio.run(query(server, "CREATE TABLE kept (answer text)", "INSERT INTO kept VALUES ('yes')"))


def recall(server: Server) -> object:
    if isinstance(server, RedisServer):
        with client(server) as redis:
            return redis.get("kept") == b"yes"
    return asyncio.run(query(server, "SELECT answer FROM kept")) == "yes"


def wait_until_ended(server: Server) -> None:
    deadline = monotonic() + 5
    while server.running:
        assert monotonic() < deadline


def test_redis_keeps_everything_it_is_told(redis_server: RedisServer) -> None:
    with client(redis_server) as redis:
        settings = redis.config_get("*")
        assert redis.ping()
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}
    assert {name: settings[name] for name in wanted} == wanted
    assert settings["bind"] == "127.0.0.1"
    assert int(settings["databases"]) == 16


async def test_postgres_is_utf8_and_owns_its_database(postgres_server: PostgresServer) -> None:
    assert await query(postgres_server, "SHOW server_encoding") == "UTF8"
    assert await query(postgres_server, "SELECT current_database() || current_user") == "synckairos" * 2
    assert await query(postgres_server, "SHOW listen_addresses") == "127.0.0.1"


async def test_postgres_starts_inside_a_running_event_loop(server_directory: Path) -> None:
    with PostgresServer(server_directory / "postgres") as server:
        assert await query(server, "SELECT 1") == 1


def test_data_and_port_survive_every_kind_of_end(server: Server) -> None:
    server.start()
    port, url = server.port, server.url
    remember(server)
    server.stop()
    assert not server.running
    server.start()
    assert recall(server)
    server.kill()
    assert not server.running
    server.start()
    assert recall(server)
    os.kill(server.pid, signal.SIGKILL)
    wait_until_ended(server)
    server.start()
    assert recall(server)
    assert (server.port, server.url) == (port, url)


def test_killed_redis_keeps_what_was_written_in_the_same_instant(server_directory: Path) -> None:
    with RedisServer(server_directory) as server:
        with client(server) as redis:
            redis.set("last", "word")
        server.kill()
        server.start()
        with client(server) as redis:
            assert redis.get("last") == b"word"


def test_paused_redis_answers_nothing_until_it_is_resumed(server_directory: Path) -> None:
    with RedisServer(server_directory) as server, client(server, SHORT_SECONDS) as redis:
        assert redis.ping()
        server.pause()
        assert server.running
        with pytest.raises(RedisTimeoutError):
            redis.ping()
        server.resume()
        assert redis.ping()


async def test_paused_postgres_answers_nothing_on_open_and_new_connections(server_directory: Path) -> None:
    with PostgresServer(server_directory) as server:
        connection = await asyncpg.connect(server.url)
        server.pause()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT_SECONDS):
                await connection.fetchval("SELECT 1")
        with pytest.raises(TimeoutError):
            await query(server, "SELECT 1", seconds=SHORT_SECONDS)
        server.resume()
        assert await query(server, "SELECT 1") == 1
        connection.terminate()


def test_a_paused_server_can_be_stopped_and_killed(server: Server) -> None:
    server.start()
    server.pause()
    server.stop()
    assert not server.running
    server.start()
    server.pause()
    server.kill()
    server.start()
    assert server.running


def test_a_running_server_is_left_alone_and_a_stopped_one_has_no_pid(server: Server) -> None:
    server.start()
    pid = server.pid
    server.start()
    assert server.pid == pid
    server.stop()
    server.stop()
    with pytest.raises(DevstackError, match="not running"):
        _ = server.pid


def test_a_second_server_in_the_same_directory_is_refused(server: Server, server_directory: Path) -> None:
    server.start()
    with pytest.raises(DirectoryInUseError, match=rf"in use by process {os.getpid()}"):
        type(server)(server_directory / "server").start()
    assert server.running
    server.stop()
    with type(server)(server_directory / "server") as second:
        assert second.running


ORPHAN_MAKER = """
import sys
from synckairos.devstack import PostgresServer, RedisServer
server = {"RedisServer": RedisServer, "PostgresServer": PostgresServer}[sys.argv[1]](sys.argv[2])
server.start()
if sys.argv[3] == "paused":
    server.pause()
print(server.port, flush=True)
sys.stdin.read()
"""


def make_orphan(kind: type[Server], directory: Path, state: str) -> int:
    arguments = [sys.executable, "-c", ORPHAN_MAKER, kind.__name__, str(directory), state]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        parent.kill()
    return port


@pytest.mark.parametrize("state", ["serving", "paused"])
def test_the_orphan_of_a_killed_parent_is_replaced(server: Server, server_directory: Path, state: str) -> None:
    server.start()
    remember(server)
    server.stop()
    port = make_orphan(type(server), server_directory / "server", state)
    socket.create_connection(("127.0.0.1", port)).close()
    server.start()
    assert recall(server)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_an_orphan_that_does_not_listen_is_killed(server_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = make_orphan(RedisServer, server_directory, "serving")
    monkeypatch.setattr(child_server, "ORPHAN_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(RedisServer, "_stop_signal", signal.SIGURG)
    server = RedisServer(server_directory, port)
    server.start()
    assert server.port == port
    monkeypatch.setattr(child_server, "STOP_SECONDS", SHORT_SECONDS)
    server.stop()
    assert not server.running


def test_an_orphan_that_nobody_knows_is_reported(server_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_server, "ORPHAN_SECONDS", SHORT_SECONDS)
    unknown = FileLock(server_directory / "server.lock")
    assert unknown.try_acquire()
    with pytest.raises(DirectoryInUseError, match="earlier run"):
        RedisServer(server_directory).start()
    unknown.release()
    with RedisServer(server_directory):
        pass


def test_wipe_forgets_everything_and_spares_a_running_server(server: Server, server_directory: Path) -> None:
    server.start()
    remember(server)
    with pytest.raises(DirectoryInUseError):
        server.wipe()
    server.stop()
    server.wipe()
    server.wipe()
    assert not (server_directory / "server").exists()
    server.start()


@pytest.mark.parametrize(("kind", "setting"), [(RedisServer, "--redis-port"), (PostgresServer, "--postgres-port")])
def test_a_port_in_use_is_named_with_its_setting(kind: type[Server], setting: str, server_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        server = kind(server_directory / "server", port)
        with pytest.raises(PortInUseError, match=f"{port}.*{setting}"):
            server.start()
    with server:
        assert server.port == port


def test_a_free_port_that_is_lost_before_the_start_is_replaced(server: Server) -> None:
    lost = server.port
    with socket.create_server(("127.0.0.1", lost)):
        server.start()
    assert server.port != lost


def test_a_free_port_that_is_lost_during_the_start_is_replaced(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, is_free, first_answer = server.port, child_server.is_free, iter([True])
    monkeypatch.setattr(child_server, "is_free", lambda port: next(first_answer, False) or is_free(port))
    with socket.create_server(("127.0.0.1", lost)):
        server.start()
    assert server.port != lost


def test_a_server_that_dies_at_once_shows_its_log(server_directory: Path) -> None:
    server = RedisServer(server_directory, extra_args=("--no-such-option", "1"))
    with pytest.raises(ServerFailedError, match=r"(?s)ended with 1 while starting.*redis\.log.*no-such-option"):
        server.start()
    assert not server.running
    with RedisServer(server_directory):
        pass


def test_a_server_that_never_answers_is_given_up(server_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_server, "READY_SECONDS", SHORT_SECONDS)
    server = RedisServer(server_directory, extra_args=("--port", "0", "--unixsocket", str(server_directory / "socket")))
    with pytest.raises(ServerFailedError, match="did not answer"):
        server.start()
    assert not server.running


def test_further_arguments_reach_redis(server_directory: Path) -> None:
    with RedisServer(server_directory, extra_args=("--databases", "3")) as server, client(server) as redis:
        assert redis.config_get("databases") == {"databases": "3"}
