"""A gateway and the servers behind it: whether it is ready, and certificates that change while it runs."""

import asyncio
import os
import re
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import trustme

from synckairos.devstack import RedisServer
from testing.harness.certificates import Certificates, write_pair
from testing.harness.http_calls import call_json, watched_json
from testing.harness.processes.gateway_process import GatewayProcess
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.server_process import free_port
from testing.harness.waiting import eventually

CREATE = {
    "sessionId": "11111111-1111-4111-8111-111111111111",
    "mode": "MODE_PER_CYCLE",
    "timePerCycleMs": 600_000,
    "participants": [{"participantId": "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"}],
}
SESSION = {"sessionId": CREATE["sessionId"]}


class Gateway(NamedTuple):
    """A gateway before a server that asks for certificates, the files of both, and the gateway's metrics port."""

    process: GatewayProcess
    files: Certificates
    metrics: str

    def show(self, authority: trustme.CA) -> None:
        """Let the gateway have another certificate, of this authority."""
        write_pair(authority.issue_cert("gateway.test"), self.files.client_cert, self.files.client_key)
        self.look()

    def look(self) -> None:
        """Let it look at its files now."""
        os.kill(self.process.pid, signal.SIGHUP)

    def is_ready(self) -> bool:
        """Whether it says so."""
        try:
            with urllib.request.urlopen(f"http://{self.metrics}/readyz") as page:
                return bool(page.status == 200)
        except urllib.error.HTTPError:
            return False

    def looks(self, outcome: str) -> int:
        """Return how many looks at the gateway's files had an outcome."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics") as page:
            told = rf'^synckairos_reloads_total{{files="client_tls",outcome="{outcome}"}} (\S+)$'
            found = re.search(told, page.read().decode(), re.MULTILINE)
        return int(float(found[1])) if found else 0


@pytest.fixture(scope="module")
async def gateway(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """All is well."""
    folder = tmp_path_factory.mktemp("gateway")
    files, metrics = Certificates(folder / "pem"), f"127.0.0.1:{free_port()}"
    own = {"tls_ca": files.ca, "tls_client_cert": files.client_cert, "tls_client_key": files.client_key}
    async with serving(settings_for(redis_server.url, **files.mutual)) as server:
        told = {name: str(path) for name, path in own.items()}
        process = GatewayProcess(
            f"127.0.0.1:{server.port}", folder / "gateway.log", gateway_metrics_listen=metrics, **told
        )
        await asyncio.to_thread(process.start)
        try:
            yield Gateway(process, files, metrics)
        finally:
            process.kill()


async def test_a_renewed_certificate_is_shown_without_a_stream_that_breaks(gateway: Gateway) -> None:
    """New calls come with it; a stream goes on with the one that it began with; a broken file changes nothing."""
    address, before = gateway.process.address, gateway.looks("changed")
    await call_json(address, "SessionService/CreateSession", CREATE)
    async with watched_json(address, SESSION) as watch:
        await watch.json_frame()
        gateway.show(gateway.files.authority)
        await eventually(lambda: gateway.looks("changed") == before + 1)
        gateway.files.client_cert.write_text("no certificate")
        gateway.look()
        await eventually(lambda: gateway.looks("broken") == 1)

        answer = await call_json(address, "SessionService/StartSession", SESSION)

        assert answer.status == 200
        while "event" not in (told := await watch.json_frame()):
            assert "end_of_stream" not in told
    assert gateway.is_ready()


async def test_a_gateway_is_ready_while_its_servers_serve_it(gateway: Gateway) -> None:
    """With the certificate of a stranger they do not; with a right one they do again."""
    assert gateway.is_ready()

    gateway.show(trustme.CA())
    await eventually(lambda: not gateway.is_ready())

    gateway.show(gateway.files.authority)
    await eventually(gateway.is_ready)
