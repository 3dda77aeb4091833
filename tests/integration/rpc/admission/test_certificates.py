"""Client certificates as credentials: on both ports, by both handshakes, beside tokens, and those of forwarders."""

import asyncio
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from redis.asyncio import Redis

from synckairos.composition.listeners.http_port import bound_socket
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.gateway.backend import Request, Told
from synckairos.gateway.channel_backend import ChannelBackend
from synckairos.rpc.admission.scopes import SCOPES
from synckairos.settings import Settings
from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.certificates import Certificates, write_pair
from testing.harness.client import Recording, reading, refused, two_players
from testing.harness.processes.in_process import settings_for
from testing.harness.tokens import write_key

CREATE = "/synckairos.v1.SessionService/CreateSession"
LINES = (
    {
        "name": "DNS:client.test",
        "tenant": "default",
        "scopes": ["sessions:read", "sessions:write"],
        "subject": "umpire",
    },
    {"name": "DNS:gateway.test", "tenant": "*", "scopes": ["forward"]},
)


@dataclass
class Place:
    """A server that knows the names of certificates, and calls to it."""

    server: Server
    settings: Settings
    files: Certificates
    names: Path
    http: str
    redis_url: str
    key: tuple[tuple[str, str], ...]

    @asynccontextmanager
    async def stub(self, name: str = "") -> AsyncIterator[Any]:
        """Connect, and show a certificate with this name if there is one."""
        async with grpc.aio.secure_channel(self.server.address, self.credentials(name)) as channel:
            yield SessionServiceStub(channel)

    def credentials(self, name: str) -> grpc.ChannelCredentials:
        """Return what shows such a certificate, or none."""
        if not name:
            return self.files.credentials()
        cert, key = self.pair(name)
        return grpc.ssl_channel_credentials(self.files.ca.read_bytes(), key.read_bytes(), cert.read_bytes())

    def pair(self, name: str) -> tuple[Path, Path]:
        """Return a certificate with this name, and its key."""
        cert, key = (self.files.folder / f"{name}-{part}.pem" for part in ("cert", "key"))
        write_pair(self.files.authority.issue_cert(name), cert, key)
        return cert, key

    async def peers(self) -> list[bytes]:
        """Return the peers of the changes that wait in the outboxes, one by one."""
        async with Redis.from_url(self.redis_url) as redis:
            keys = [key async for key in redis.scan_iter(f"{self.settings.redis_prefix}:*outbox*", _type="stream")]
            return [fields[b"p"] for key in keys for _, fields in await redis.xrange(key)]


@pytest.fixture(params=["required", "optional"])
async def place(request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Place]:
    """By gRPC's own handshakes, and by those of this process."""
    files = Certificates(tmp_path / "tls")
    (tmp_path / "names").write_bytes(b"\n".join(json.dumps(line).encode() for line in LINES))
    key = write_key(tmp_path / "keys", "player")
    settings = settings_for(
        redis_server.url, auth_certificates=str(tmp_path / "names"), auth_api_keys=str(tmp_path / "keys"),
        tls_client_auth=request.param, **files.mutual,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        bound = bound_socket("127.0.0.1:0")
        server = Server(settings, http=bound)
        await server.start()
        stack.push_async_callback(server.stop)
        http = f"127.0.0.1:{bound.getsockname()[1]}"
        yield Place(server, settings, files, tmp_path / "names", http, redis_server.url, (("x-api-key", key),))


async def test_a_certificate_alone_says_who_calls(place: Place) -> None:
    """It allows what its line says, and its subject is the actor."""
    async with place.stub("client.test") as stub:
        session = (await stub.CreateSession(two_players())).session
        watched = pb.WatchSessionRequest(session_id=session.session_id)
        async with reading(Recording(stub.WatchSession(watched))) as recording:
            await recording.until(lambda one: one.of("snapshot"))
            await stub.StartSession(pb.StartSessionRequest(session_id=session.session_id))
            await recording.until(lambda one: one.of("event"))
        denied = await refused(stub.DeleteSession(pb.DeleteSessionRequest(session_id=session.session_id)))

    assert recording.of("event")[0].event.actor == "umpire"
    assert (denied.reason, denied.metadata) == ("SCOPE_MISSING", {"scope": "sessions:admin"})


async def test_whoever_shows_no_known_name_is_refused(place: Place) -> None:
    """A foreign name is invalid, none at all is missing, where the handshake lets it get so far."""
    async with place.stub("other.test") as stub:
        unknown = await refused(stub.ListSessions(pb.ListSessionsRequest()))
    missing = None
    if place.settings.tls_client_auth == "optional":
        async with place.stub() as stub:
            missing = (await refused(stub.ListSessions(pb.ListSessionsRequest()))).reason
            await stub.ListSessions(pb.ListSessionsRequest(), metadata=place.key)

    assert unknown.reason == "CREDENTIALS_INVALID"
    assert missing in {None, "CREDENTIALS_MISSING"}


async def test_what_a_call_says_of_itself_goes_before_its_connection(place: Place) -> None:
    """A key that counts decides alone, and so does one that does not; a foreign certificate is no obstacle."""
    async with place.stub("client.test") as stub, place.stub("other.test") as other:
        session = (await stub.CreateSession(two_players())).session
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id=session.session_id), metadata=place.key)
        invalid = await refused(stub.ListSessions(pb.ListSessionsRequest(), metadata=(("x-api-key", "sk_wrong"),)))
        await other.ListSessions(pb.ListSessionsRequest(), metadata=place.key)

    assert invalid.reason == "CREDENTIALS_INVALID"


async def test_a_forwarder_speaks_for_its_callers_alone(place: Place) -> None:
    """It may nothing by itself, not even what any caller may. Where callers are, it alone is believed."""
    backend = ChannelBackend(place.server.address, place.credentials("gateway.test"))
    request = Request(CREATE, two_players().SerializeToString(), place.key, 10.0, "ipv4:203.0.113.9:77")
    await backend.unary(request, Told())
    credentials = place.credentials("gateway.test")
    async with (
        grpc.aio.secure_channel(place.server.address, credentials) as channel,
        place.stub("client.test") as client,
    ):
        alone = {(await refused(channel.unary_unary(path)(b""))).reason for path in SCOPES}
        said = (("x-forwarded-for", "203.0.113.10"),)
        await client.CreateSession(two_players(), metadata=(*place.key, *said))
    await backend.close()

    direct, forwarded = sorted(await place.peers())
    assert alone == {"CREDENTIALS_MISSING"}
    assert forwarded == b"ipv4:203.0.113.9:77"
    assert direct.startswith(b"ipv4:127.0.0.1:")


async def test_a_name_that_is_taken_out_counts_no_longer(place: Place) -> None:
    """At once: calls are refused, and open streams end."""
    async with place.stub("client.test") as stub:
        session = (await stub.CreateSession(two_players())).session
        watched = pb.WatchSessionRequest(session_id=session.session_id)
        async with reading(Recording(stub.WatchSession(watched))) as recording:
            await recording.until(lambda one: one.of("snapshot"))
            place.names.write_text(json.dumps(LINES[1]), encoding="utf-8")
            place.server.reloading.ask()
            await recording.until_end()
        problem = await refused(stub.ListSessions(pb.ListSessionsRequest()))

    assert recording.messages[-1].end.reason == event_pb2.END_REASON_CREDENTIALS_EXPIRED
    assert problem.reason == "CREDENTIALS_INVALID"


async def test_the_http_port_knows_certificates_as_well(place: Place) -> None:
    """The same file, the same rule; what a header says of the caller's address is nobody's word."""
    context = ssl.create_default_context(cafile=str(place.files.ca))
    context.load_cert_chain(*place.pair("client.test"))
    created = await asyncio.to_thread(posted, place.http, CREATE, context)
    denied = await asyncio.to_thread(posted, place.http, CREATE.replace("Create", "Delete"), context)

    assert created == 200
    assert denied == 403
    assert [peer.split(b":")[1] for peer in await place.peers()] == [b"127.0.0.1"]


def posted(address: str, path: str, context: ssl.SSLContext) -> int:
    """Create a session over HTTPS, and say that somebody else does; return the answer's status."""
    body = json_format.MessageToJson(two_players()).encode()
    headers = {"content-type": "application/json", "x-forwarded-for": "203.0.113.10"}
    request = urllib.request.Request(f"https://{address}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
