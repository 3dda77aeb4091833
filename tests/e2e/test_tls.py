"""TLS of a real server: what is refused, who must show a certificate, and files that change under calls."""

import asyncio
import os
import signal
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import grpc
import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import time_service_pb2 as pb
from synckairos.v1.session_service_pb2 import StartSessionRequest, WatchSessionRequest
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from synckairos.v1.time_service_pb2_grpc import TimeServiceStub
from testing.harness.certificates import HOST, Certificates
from testing.harness.client import Stub, two_players, watching
from testing.harness.processes.server_process import ServerProcess, free_port
from testing.harness.waiting import eventually

CALLERS = 4
CHANGES = 2
CALLS_BETWEEN = 30
HANGING_UP = {"TLSV1_ALERT_PROTOCOL_VERSION", "UNEXPECTED_EOF_WHILE_READING"}


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    """An authority, a server's certificate, and a client's."""
    return Certificates(tmp_path / "tls")


@contextmanager
def serving(redis: RedisServer, files: Certificates, *, own: bool = False, **settings: str) -> Iterator[ServerProcess]:
    """Run a server with TLS."""
    server = ServerProcess(redis.url, files.folder / "server.log", redis_prefix="tls", **settings)
    server.credentials = files.credentials(own=own)
    with server:
        yield server


async def shown_at(port: int) -> str:
    """Return the certificate that a new connection is shown."""
    return await asyncio.to_thread(ssl.get_server_certificate, (HOST, port))


async def metrics(address: str) -> str:
    """Return the page of metrics."""

    def page() -> str:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(page)


async def ask_time(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.StatusCode:
    """Make one call; return its code."""
    plain = grpc.aio.insecure_channel(address) if credentials is None else None
    async with plain or grpc.aio.secure_channel(address, credentials) as channel:
        try:
            await TimeServiceStub(channel).SyncTime(pb.SyncTimeRequest(), timeout=5)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK


async def test_the_port_speaks_tls_and_nothing_less(redis_server: RedisServer, files: Certificates) -> None:
    """Plaintext, other authorities, and TLS before 1.2 get no answer; 1.2 and 1.3 do."""
    with serving(redis_server, files, **files.settings) as server:
        codes = [
            await ask_time(server.address, credentials)
            for credentials in (files.credentials(), None, Certificates(files.folder / "others").credentials())
        ]
        spoken = [handshake(server.port, version) for version in ("TLSv1.1", "TLSv1.2", "TLSv1.3")]

    assert codes == [grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]
    assert spoken == [None, "TLSv1.2", "TLSv1.3"]


def handshake(port: int, version: str) -> str | None:
    """Return the version agreed on where this one alone is offered; None where the server hangs up at the offer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # otherwise OpenSSL here does not even offer 1.1
    with socket.create_connection((HOST, port), timeout=5) as raw:
        _only(context, version)
        try:
            with context.wrap_socket(raw) as connection:
                return connection.version()
        except ssl.SSLError as error:
            if error.reason in HANGING_UP:
                return None
            raise


def _only(context: ssl.SSLContext, version: str) -> None:
    number = {"TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
    if version == "TLSv1.1":
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = number[version]
    else:
        context.minimum_version = context.maximum_version = number[version]


async def test_an_optional_certificate_is_judged_only_where_it_is_shown(
    redis_server: RedisServer, files: Certificates
) -> None:
    """None and a known one get in, a foreign one does not; callers keep the address that they have on the network."""
    strange = Certificates(files.folder / "others")
    foreign = credentials_of(files.ca.read_bytes(), (strange.client_cert, strange.client_key))
    with serving(redis_server, files, tls_client_auth="optional", **files.mutual) as server:
        shown = [files.credentials(), files.credentials(own=True), foreign]
        codes = [await ask_time(server.address, credentials) for credentials in shown]
        spoken = [handshake(server.port, version) for version in ("TLSv1.1", "TLSv1.2", "TLSv1.3")]
        async with grpc.aio.secure_channel(server.address, shown[0]) as channel:
            actor = await actor_of_a_start(SessionServiceStub(channel))
        code = await asyncio.to_thread(server.stop)

    assert codes == [grpc.StatusCode.OK, grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE]
    assert spoken == [None, "TLSv1.2", "TLSv1.3"]
    assert actor.startswith(f"ipv4:{HOST}:")
    assert code == 0


async def actor_of_a_start(stub: Stub) -> str:
    """Start a session without a name, and return whom its watchers are told of."""
    created = (await stub.CreateSession(two_players())).session
    async with watching(stub.WatchSession(WatchSessionRequest(session_id=created.session_id))) as reader:
        await reader.until(lambda r: r.of("snapshot"))
        await stub.StartSession(StartSessionRequest(session_id=created.session_id))
        await reader.until(lambda r: r.of("event"))
        return str(reader.of("event")[-1].event.actor)


async def test_both_ports_require_a_certificate_of_the_authority_of_the_moment(
    redis_server: RedisServer, files: Certificates
) -> None:
    """None, and a foreign one, do not get in; with another authority in the file, those of the first do not."""
    strange = Certificates(files.folder / "others")
    own = [(files.client_cert, files.client_key), None, (strange.client_cert, strange.client_key)]
    roots, http_port = files.ca.read_bytes(), free_port()
    authorities = files.folder / "authorities.pem"
    authorities.write_bytes(roots)
    settings = {**files.settings, "tls_client_ca": str(authorities), "http_listen": f"{HOST}:{http_port}"}

    async def let_in() -> list[tuple[bool, bool]]:
        by_grpc = [await ask_time(server.address, credentials_of(roots, pair)) for pair in own]
        by_http = [await asyncio.to_thread(is_let_in, http_port, files.ca, pair) for pair in own]
        return list(zip([code is grpc.StatusCode.OK for code in by_grpc], by_http, strict=True))

    with serving(redis_server, files, own=True, **settings) as server:
        before = await let_in()
        authorities.write_bytes(strange.ca.read_bytes())
        os.kill(server.pid, signal.SIGHUP)
        await eventually(lambda: "files_reloaded" in server.log.read_text())
        after = await let_in()

    yes, no = (True, True), (False, False)
    assert before == [yes, no, no]
    assert after == [no, no, yes]


Pair = tuple[Path, Path] | None


def credentials_of(roots: bytes, pair: Pair) -> grpc.ChannelCredentials:
    """Return credentials that show a certificate, or none."""
    cert, key = pair or (None, None)
    return grpc.ssl_channel_credentials(roots, key and key.read_bytes(), cert and cert.read_bytes())


def is_let_in(port: int, ca: Path, pair: Pair) -> bool:
    """Whether an HTTP port answers who shows a certificate, or none."""
    context = ssl.create_default_context(cafile=ca)
    if pair is not None:
        context.load_cert_chain(*pair)
    try:
        with urllib.request.urlopen(f"https://{HOST}:{port}/healthz", timeout=5, context=context) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("way", ["lean", "stock", "optional"])
async def test_certificates_change_under_calls_and_none_fails(
    redis_server: RedisServer, files: Certificates, way: str, measured: Callable[[str], None]
) -> None:
    """Old connections go on, new ones are shown the new certificate; a pair that does not fit changes nothing."""
    listen, metrics_listen = f"{HOST}:{free_port()}", f"{HOST}:{free_port()}"
    given = {"http_listen": listen, "metrics_listen": metrics_listen, "grpc_lean": str(way != "stock")}
    given |= {**files.mutual, "tls_client_auth": "optional"} if way == "optional" else files.settings
    with serving(redis_server, files, **given) as server:
        http_port = int(listen.rpartition(":")[2])
        async with Callers(server.address, files.credentials()) as callers:
            seen = [await shown_at(server.port)]

            async def is_new() -> bool:
                return await shown_at(server.port) not in seen

            for _ in range(CHANGES):
                await callers.made(CALLS_BETWEEN)
                files.renew()
                os.kill(server.pid, signal.SIGHUP)
                await eventually(is_new)
                seen.append(await shown_at(server.port))
                assert await shown_at(http_port) == seen[-1]
            files.key.write_bytes(files.key.read_bytes()[:100])
            os.kill(server.pid, signal.SIGHUP)
            broken = 'synckairos_reloads_total{files="tls",outcome="broken"}'
            await eventually(lambda: _has(metrics_listen, broken))
            await callers.made(CALLS_BETWEEN)
            kept = (await shown_at(server.port), await shown_at(http_port))
        text = await metrics(metrics_listen)
        running = server.running

    measured(f"{way}: {callers.done} calls while the certificate changed {CHANGES} times, {len(callers.failed)} failed")
    assert running
    assert callers.failed == []
    assert len(set(seen)) == CHANGES + 1
    assert kept == (seen[-1], seen[-1])
    assert 'synckairos_reloads_total{files="tls",outcome="changed"} 2.0' in text
    assert "files_broken" in server.log.read_text()
    assert "PRIVATE KEY" not in server.log.read_text()


async def _has(address: str, line: str) -> bool:
    return line in await metrics(address)


class Callers:
    """Calls without a pause while the context lasts: some on one connection, some on a new one for each call."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials) -> None:
        self._address = address
        self._credentials = credentials
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False
        self._counts = [0, 0]
        self.failed: list[str] = []

    @property
    def done(self) -> int:
        """How many calls were made."""
        return sum(self._counts)

    async def __aenter__(self) -> Self:
        works = [self._on_one() for _ in range(CALLERS)] + [self._on_new_ones()]
        self._tasks = [asyncio.create_task(work) for work in works]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def made(self, calls: int) -> None:
        """Wait for so many further calls, each way."""
        until = [count + calls for count in self._counts]
        await eventually(lambda: all(now >= one for now, one in zip(self._counts, until, strict=True)), seconds=30)

    async def _on_one(self) -> None:
        async with grpc.aio.secure_channel(self._address, self._credentials) as channel:
            while not self._is_over:
                await self._call(channel, 0)

    async def _on_new_ones(self) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]
        while not self._is_over:
            async with grpc.aio.secure_channel(self._address, self._credentials, options=own) as channel:
                await self._call(channel, 1)

    async def _call(self, channel: grpc.aio.Channel, way: int) -> None:
        try:
            await TimeServiceStub(channel).SyncTime(pb.SyncTimeRequest(), timeout=10)
            self._counts[way] += 1
        except grpc.aio.AioRpcError as error:
            self.failed.append(f"{error.code()}: {error.details()}")
