"""Several server processes of one `serve`: one address, one page of metrics, one signal."""

import asyncio
import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from synckairos.client import SyncKairos, SyncKairosError
from synckairos.devstack import RedisServer
from synckairos.v1.session_pb2 import MODE_GLOBAL
from testing.harness.processes.server_process import ServerProcess, free_port
from testing.harness.waiting import eventually

PATIENCE_S: Final = 60.0
CALLERS: Final = 8


@pytest.fixture
def pair(own_redis: RedisServer, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of two processes, with metrics."""
    metrics = f"127.0.0.1:{free_port()}"
    server = ServerProcess(own_redis.url, tmp_path / "server.log", processes="2", metrics_listen=metrics)
    server.stops_within_s = PATIENCE_S
    with server:
        yield server


async def page(server: ServerProcess, path: str = "/metrics") -> str:
    """Return what its metrics port answers."""
    address = server.environment["SYNCKAIROS_METRICS_LISTEN"]

    def ask() -> str:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as reply:
            return str(reply.read().decode())

    return await asyncio.to_thread(ask)


async def figure(server: ServerProcess, name: str) -> float:
    """Return the sum of a figure over all processes."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", await page(server), re.MULTILINE))


async def both_serve(server: ServerProcess) -> None:
    """Wait until both processes are SERVING."""

    async def are_two() -> bool:
        return await figure(server, "synckairos_processes_ready") == 2

    await eventually(are_two, PATIENCE_S)


def children(server: ServerProcess) -> list[int]:
    """Return the ids of its processes."""
    return [int(pid) for pid in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_all_are_replaced_under_load_and_no_call_fails(pair: ServerProcess) -> None:
    """Calls reach both; on SIGHUP each goes when its successor serves; SIGTERM ends all; one page shows them all."""
    await both_serve(pair)
    before, failures, stop = children(pair), [], asyncio.Event()

    async def call() -> int:
        calls = 0
        async with await SyncKairos.connect(pair.address) as client:
            created = await client.create_session(MODE_GLOBAL, total_time_ms=3_600_000)
            while not stop.is_set():
                try:
                    await client.update_session(created.session.session_id, labels={"calls": str(calls)})
                    calls += 1
                except SyncKairosError as error:
                    failures.append(error)
        return calls

    callers = [asyncio.ensure_future(call()) for _ in range(CALLERS)]
    os.kill(pair.pid, signal.SIGHUP)
    await eventually(lambda: not set(before) & set(children(pair)), 2 * PATIENCE_S)
    stop.set()
    calls = sum(await asyncio.gather(*callers))

    await both_serve(pair)
    assert (failures, calls > CALLERS) == ([], True)
    assert await page(pair, "/readyz") == "SERVING\n"
    after = children(pair)
    assert len(after) == 2
    assert await asyncio.to_thread(pair.stop) == 0
    assert not [pid for pid in after if is_alive(pid)]


async def test_one_that_dies_is_started_again(pair: ServerProcess) -> None:
    """It is counted, and none outlives the process that started them, whatever became of that."""
    await both_serve(pair)
    killed, spared = children(pair)

    os.kill(killed, signal.SIGKILL)

    async def is_restarted() -> bool:
        return await figure(pair, "synckairos_process_restarts_total") == 1

    await eventually(is_restarted, PATIENCE_S)
    await both_serve(pair)
    now = children(pair)
    assert (spared in now, killed in now) == (True, False)
    assert '"process_ended"' in pair.tail()
    os.kill(pair.pid, signal.SIGKILL)
    await eventually(lambda: not [pid for pid in now if is_alive(pid)], PATIENCE_S)


async def test_what_keeps_one_from_starting_keeps_all(own_redis: RedisServer, tmp_path: Path) -> None:
    """An HTTP port that others can reach, unprotected: the reason is told, and nothing is tried again."""
    server = ServerProcess(own_redis.url, tmp_path / "server.log", processes="2", http_listen="0.0.0.0:0")
    server.spawn()

    await eventually(lambda: not server.running, PATIENCE_S)

    assert "SYNCKAIROS_INSECURE" in server.log.read_text()
    assert await asyncio.to_thread(server.stop) == 1
