"""Strangers at the port, a few of them: others are served meanwhile. `make attacks` has many."""

import asyncio
import ssl
from collections.abc import Iterator

import pytest

from synckairos.composition.listeners import tls_front
from synckairos.composition.listeners.http_port import bound_socket
from synckairos.composition.listeners.listening import most_connections
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.rpc.admission import handshakes
from testing.attacks.attacks import ATTACKS, Port, secured_by, under_attack
from testing.attacks.bystander import Bystander, memory_mb
from testing.harness.certificates import HOST, Certificates
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.server_process import ServerProcess

FEWER = {"silent connections": 100, "unfinished handshakes": 100, "idle connections": 100, "prefaces byte by byte": 20}
"""Of all others a few are enough."""
FEW = 2
CALLS = 20
PACE_S = 0.05
"""Between two bursts: the strangers are in the loop of the caller who must be served."""
SLOWEST_S = 5.0
GROWTH_MB = 200.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and its certificates."""
    return Certificates(tmp_path_factory.mktemp("attacks") / "tls")


@pytest.fixture(scope="module", params=["plain", "tls", "optional"])
def server(request: pytest.FixtureRequest, redis_server: RedisServer, files: Certificates) -> Iterator[ServerProcess]:
    """A server in the clear, with gRPC's own handshakes, or with those in front of it."""
    settings = {"plain": {}, "tls": files.settings, "optional": {**files.mutual, "tls_client_auth": "optional"}}
    log = files.folder / f"{request.param}.log"
    one = ServerProcess(redis_server.url, log, redis_prefix=f"attacked-{request.param}", **settings[request.param])
    one.credentials = None if request.param == "plain" else files.credentials()
    with one:
        yield one


def port_of(server: ServerProcess, files: Certificates) -> Port:
    """Return where to attack."""
    if server.credentials is None:
        return Port(HOST, server.port, None, PACE_S)
    return Port(HOST, server.port, secured_by(str(files.ca)), PACE_S)


@pytest.mark.parametrize("name", ATTACKS)
async def test_others_are_served_during_an_attack(server: ServerProcess, files: Certificates, name: str) -> None:
    """On fresh connections, without a failure, and memory is bounded."""
    stranger, _ = ATTACKS[name]
    # In the clear half a handshake is nonsense, which ends its connection at once: a few come often enough.
    connections = FEW if server.credentials is None else FEWER.get(name, FEW)
    bystander, before = Bystander(server.address, server.credentials), memory_mb(server.pid)

    async with under_attack(stranger, port_of(server, files), connections):
        await bystander.call_while(lambda: len(bystander.seconds) <= CALLS and not bystander.failures, CALLS)

    assert bystander.failures == []
    assert max(bystander.seconds) < SLOWEST_S
    assert memory_mb(server.pid) - before < GROWTH_MB


async def cut_off(reader: asyncio.StreamReader) -> bool:
    """Wait until a server hangs up."""
    async with asyncio.timeout(10):
        while await reader.read(1 << 16):
            pass
    return True


async def test_the_oldest_handshake_gives_way(
    redis_server: RedisServer, files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the callers who come are served, however many say nothing."""
    monkeypatch.setattr(tls_front, "MAX_HANDSHAKES", FEW)
    monkeypatch.setattr(handshakes, "SHORTEST_S", 0.1)
    settings = settings_for(redis_server.url, tls_client_auth="optional", **files.mutual)
    async with serving(settings) as server:
        silent_ones = [await asyncio.open_connection(HOST, server.port) for _ in range(FEW + 1)]
        bystander = Bystander(server.address, files.credentials())
        await bystander.call_while(lambda: not bystander.seconds and not bystander.failures, 1)

        assert await cut_off(silent_ones[0][0])
        assert bystander.failures == []
        for _, writer in silent_ones:
            writer.transport.abort()


async def test_a_handshake_has_its_time(
    redis_server: RedisServer, files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In front of gRPC, and by gRPC itself, with TLS and without."""
    monkeypatch.setattr(handshakes, "HANDSHAKE_S", 0.2)
    monkeypatch.setattr("synckairos.rpc.server.HANDSHAKE_S", 1)
    for settings in ({}, files.settings, {**files.mutual, "tls_client_auth": "optional"}):
        async with serving(settings_for(redis_server.url, **settings)) as server:
            reader, writer = await asyncio.open_connection(HOST, server.port)
            assert await cut_off(reader)
            writer.close()


async def test_the_http_port_bounds_its_handshakes_as_well(
    redis_server: RedisServer, files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silent ones give way to a browser; later their time is over, too."""
    monkeypatch.setattr(handshakes, "SHORTEST_S", 0.1)
    settings = settings_for(redis_server.url, gateway_connections=FEW, **files.settings)
    bound = bound_socket("127.0.0.1:0")
    server = Server(settings, http=bound)
    address = bound.getsockname()
    await server.start()
    try:
        silent_ones = [await asyncio.open_connection(*address) for _ in range(FEW + 1)]
        context = ssl.create_default_context(cafile=str(files.ca))
        reader, writer = await asyncio.open_connection(*address, ssl=context, server_hostname="localhost")
        writer.write(f"GET /healthz HTTP/1.1\r\nhost: localhost:{address[1]}\r\n\r\n".encode())

        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert await cut_off(silent_ones[0][0])
        for _, one in [*silent_ones, (reader, writer)]:
            one.transport.abort()
    finally:
        await server.stop()


async def test_connections_beyond_the_last_descriptor_are_refused(
    redis_server: RedisServer, files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are there go on, and so does everything else that takes a file."""
    for module in ("server", "listeners.grpc_port"):
        monkeypatch.setattr(f"synckairos.composition.{module}.most_connections", lambda *_, **__: FEW)
    for settings in ({}, {**files.mutual, "tls_client_auth": "optional"}):
        async with serving(settings_for(redis_server.url, **settings)) as server:
            opened = [await asyncio.open_connection(HOST, server.port) for _ in range(FEW + 1)]
            assert await cut_off(opened[FEW][0])
            assert not opened[0][0].at_eof()
            for _, writer in opened:
                writer.transport.abort()


async def test_who_is_silent_longest_gives_way_in_front_of_grpc(
    redis_server: RedisServer, files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers who have filled it keep nobody out, once they have had their time."""
    monkeypatch.setattr("synckairos.composition.listeners.grpc_port.most_connections", lambda *_, **__: FEW)
    monkeypatch.setattr(handshakes, "SHORTEST_S", 0.1)
    settings = settings_for(redis_server.url, tls_client_auth="optional", **files.mutual)
    async with serving(settings) as server:
        trust = secured_by(str(files.ca))
        opened = []
        for _ in range(FEW):
            opened.append(await asyncio.open_connection(HOST, server.port, ssl=trust, server_hostname="localhost"))
            await opened[-1][0].read(1)  # gRPC's greeting has passed: on a busy machine it may come after the next one
        bystander = Bystander(server.address, files.credentials())
        async with asyncio.timeout(10):  # sooner than anybody's handshake runs out of time
            await bystander.call_while(lambda: len(bystander.seconds) < CALLS, CALLS)

        assert await cut_off(opened[0][0])
        assert not opened[1][0].at_eof()
        for _, writer in opened:
            writer.transport.abort()


@pytest.mark.parametrize(
    ("soft", "http", "each", "room"), [(1_024, "", 1, 840), (1_024, "h:1", 1, 340), (20_000, "", 3, 6_605)]
)
def test_there_is_room_for_everything_else(
    monkeypatch: pytest.MonkeyPatch, soft: int, http: str, each: int, room: int
) -> None:
    """The connections of the stores and of browsers, and some for the process itself."""
    monkeypatch.setattr("resource.getrlimit", lambda _: (soft, soft))

    assert most_connections(settings_for("redis://h", http_listen=http), files_each=each) == room
