"""The command line as a user meets it: `dev`, metrics, the store's name, migrations."""

import asyncio
import re
import sys
import time
import urllib.request
from pathlib import Path
from uuid import uuid4

import pytest

from synckairos.devstack import PostgresServer, RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, connect_patiently, running_session
from testing.harness.processes.commands import run_command, synckairos
from testing.harness.processes.databases import ask, own_database
from testing.harness.processes.dev_stack import start_dev, stop_dev
from testing.harness.processes.server_process import ServerProcess, free_port
from tests.e2e.conftest import StartServers


async def test_dev_keeps_its_data_and_its_second_start_is_refused_while_it_runs(server_directory: Path) -> None:
    """A session outlives Ctrl-C and a new start; two at once on one folder would harm it, so the second says no."""
    process, address = await start_dev(server_directory)
    async with connect_patiently(address) as stub:
        session = await running_session(stub)
    second = await run_command(
        sys.executable, "-m", "synckairos", "dev", "--data-dir", str(server_directory / "data"), cwd=server_directory
    )
    await stop_dev(process)

    process, address = await start_dev(server_directory)
    async with connect_patiently(address) as stub:
        kept = await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))
    await stop_dev(process)

    assert second.returncode == 1
    assert "Traceback" not in second.stderr
    assert kept.session.version == session.version


async def until_written(url: str, session_id: str, seconds: float = 20.0) -> None:
    """Wait until the trail has the two events of a started session."""
    ends = time.monotonic() + seconds
    while len(await ask(url, "SELECT 1 FROM sync_events WHERE session_id = $1", session_id)) < 2:
        assert time.monotonic() < ends, "the events are not in the trail"
        await asyncio.sleep(0.05)  # the wait on a condition with a deadline


async def test_dev_uses_the_servers_that_the_environment_names(
    server_directory: Path, own_redis: RedisServer, postgres_server: PostgresServer
) -> None:
    """The sessions lie in that Redis, a worker carries their events to that database, and neither is started.

    The worker is gone with `dev`.
    """
    connected = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'synckairos-worker' AND datname = current_database()"
    )
    async with own_database(postgres_server) as url:
        named = {"SYNCKAIROS_REDIS_URL": own_redis.url, "SYNCKAIROS_DATABASE_URL": url}
        process, address = await start_dev(server_directory, **named)
        async with connect_patiently(address) as stub:
            session = await running_session(stub)
        await until_written(url, session.session_id)
        while_it_runs = await ask(url, connected)
        await stop_dev(process)
        afterwards = await ask(url, connected)
    inspected = await synckairos("inspect", session.session_id, redis_url=own_redis.url, cwd=server_directory)

    assert while_it_runs
    assert not afterwards
    assert inspected.returncode == 0, inspected.stderr
    assert not [store for store in ("redis", "postgres") if (server_directory / "data" / store).exists()]


@pytest.mark.parametrize("option", ["--redis-port", "--postgres-port"])
async def test_a_taken_port_is_named_with_its_option(
    server_directory: Path, redis_server: RedisServer, option: str
) -> None:
    """The message says which port is taken and how to choose another one."""
    done = await run_command(
        sys.executable, "-m", "synckairos", "dev", "--data-dir", str(server_directory / "data"),
        option, str(redis_server.port), cwd=server_directory,
    )  # fmt: skip

    assert done.returncode == 1
    assert str(redis_server.port) in done.stderr
    assert option in done.stderr


async def test_metrics_are_served_and_count_calls(redis_server: RedisServer, start_servers: StartServers) -> None:
    """Prometheus finds the calls by method and code."""
    listen = f"127.0.0.1:{free_port()}"
    (server,) = start_servers(redis_server.url, 1, metrics_listen=listen, redis_prefix="metrics")
    async with connect(server.address) as stub:
        await running_session(stub)

    text = await asyncio.to_thread(_fetch, f"http://{listen}/metrics")

    assert re.search(r'synckairos_call_seconds_count\{code="OK",method="[^"]*StartSession",reason=""\} 1.0', text)
    assert "synckairos_watchers 0.0" in text
    assert "synckairos_sessions" in text
    assert "synckairos_ready 1.0" in text
    assert "synckairos_calls_under_way 0.0" in text
    assert "synckairos_store_up 1.0" in text
    assert 'synckairos_pool_limit{pool="redis"} 64.0' in text
    assert re.search(r"synckairos_store_batch_calls_count [1-9]", text)
    assert re.search(r'synckairos_build_info\{grpcio="[\d.]+",python="3[\d.]+",version="[^"]+"\} 1.0', text)
    assert "process_open_fds" in text


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return str(reply.read().decode())


async def test_a_careful_server_waits_for_the_operator_to_name_an_empty_store(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    """With STORE_INIT=never an empty Redis is not taken for a new one until `store init`."""
    with ServerProcess(own_redis.url, tmp_path / "careful.log", store_init="never") as server:
        before = server.health()
        unnamed = await synckairos("store", "show", redis_url=own_redis.url, cwd=tmp_path)
        named = await synckairos("store", "init", redis_url=own_redis.url, cwd=tmp_path)
        after = await asyncio.to_thread(server.await_answer, "SERVING", 5)
        shown = await synckairos("store", "show", redis_url=own_redis.url, cwd=tmp_path)

    assert (before, after) == ("NOT_SERVING", "SERVING")
    assert (unnamed.returncode, named.returncode) == (1, 0)
    assert shown.stdout == named.stdout


async def test_migrate_up_is_done_once(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """The second time there is nothing to apply, and it says so."""
    environment = {"SYNCKAIROS_DATABASE_URL": postgres_server.url, "SYNCKAIROS_DATABASE_SCHEMA": f"t{uuid4().hex[:12]}"}

    first, second = [
        await synckairos("migrate", "up", redis_url="redis://127.0.0.1:1", cwd=tmp_path, **environment)
        for _ in range(2)
    ]

    assert (first.returncode, second.returncode) == (0, 0)
    assert "001_initial_schema" in first.stdout
    assert second.stdout.strip() == "nothing to apply"


async def test_migrate_up_without_a_database_is_an_error(tmp_path: Path) -> None:
    """A variable that is mistyped must not pass for a schema that is up to date."""
    done = await synckairos("migrate", "up", redis_url="redis://127.0.0.1:1", cwd=tmp_path)

    assert done.returncode == 1
    assert "SYNCKAIROS_DATABASE_URL" in done.stderr
