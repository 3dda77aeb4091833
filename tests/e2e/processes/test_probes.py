"""The probes of the metrics port, through the life of a server."""

import asyncio
import sys
import urllib.error
import urllib.request
from pathlib import Path

from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, running_session, watching
from testing.harness.processes.commands import run_command
from testing.harness.processes.server_process import ServerProcess, free_port
from testing.harness.waiting import eventually

LIVE, READY = (200, "LIVE"), (200, "SERVING")
NOT_READY = (503, "NOT_SERVING")


async def probe(address: str, path: str) -> tuple[int, str]:
    """Return the code and the word of an answer; 0 if there is none."""

    def answer() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode().strip()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode().strip()
        except OSError as error:
            return 0, str(error)

    return await asyncio.to_thread(answer)


async def test_a_server_is_live_then_ready_then_only_live(own_redis: RedisServer, tmp_path: Path) -> None:
    """Without its store it lives and is not ready; from the first moment of its drain it is not ready again."""
    address = f"127.0.0.1:{free_port()}"
    own_redis.stop()
    server = ServerProcess(own_redis.url, tmp_path / "server.log", metrics_listen=address, drain_delay_s="3")

    async def is_ready() -> bool:
        return await probe(address, "/readyz") == READY

    async def is_not_ready() -> bool:
        return await probe(address, "/readyz") == NOT_READY

    async def check() -> int:
        module = (sys.executable, "-m", "synckairos.probe")
        return (await run_command(*module, cwd=tmp_path, SYNCKAIROS_METRICS_LISTEN=address)).returncode

    with server:
        without_store = [await probe(address, path) for path in ("/healthz", "/readyz")]
        checks = [await check()]
        own_redis.start()
        await eventually(is_ready)
        serving = await probe(address, "/healthz")
        checks.append(await check())
        async with connect(server.address) as stub:
            session = await running_session(stub)
            call = stub.WatchSession(pb.WatchSessionRequest(session_id=session.session_id))
            async with watching(call) as reader:
                await reader.until(lambda r: r.of("snapshot"))
                stopping = asyncio.create_task(asyncio.to_thread(server.stop))
                await eventually(is_not_ready)
                draining = await probe(address, "/healthz")
                code = await stopping
        checks.append(await check())

    assert without_store == [LIVE, NOT_READY]
    assert (serving, draining) == (LIVE, LIVE)
    assert (checks, code) == ([1, 0, 1], 0)
