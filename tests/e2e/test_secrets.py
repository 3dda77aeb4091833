"""A whole run with every kind of secret, at the most talkative level: no log shows any of them."""

import asyncio
import json
import os
import signal
from pathlib import Path

import grpc
import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.certificates import Certificates
from testing.harness.client import new_id
from testing.harness.key_provider import providing
from testing.harness.processes.in_process import TOKEN_KEY
from testing.harness.processes.server_process import ServerProcess
from testing.harness.processes.worker_process import WorkerProcess
from testing.harness.tokens import AUDIENCE, ISSUER, Signer, key_set, write_key
from testing.harness.waiting import eventually

PASSWORD = "hunter2-of-the-database"
BROKEN = {"api_keys", "jwks", "certificates", "tls"}


def lines_of(pem: bytes) -> list[str]:
    """Return the lines of a key but for the first and the last one."""
    return pem.decode().splitlines()[1:-1]


class Secrets:
    """The files of a server, and everything in them and in its callers' hands that is secret."""

    def __init__(self, folder: Path) -> None:
        self.files = Certificates(folder / "tls")
        self.keys, self.jwks, self.names = (folder / name for name in ("keys", "jwks", "names"))
        self.key, self.signer = write_key(self.keys, "known-key"), Signer("s")
        self.jwks.write_bytes(key_set(self.signer))
        self.names.write_text('{"name": "DNS:client.test", "tenant": "default", "scopes": ["sessions:read"]}')
        self.tokens = [self.signer.token(), self.signer.token(exp=1), Signer("s").token(), self.signer.unsigned()]
        self.wrong = f"sk_{new_id()}"
        self.moved = self.files.key.with_suffix(".was")
        self.settings = {
            "log_level": "debug", "tls_client_auth": "optional", **self.files.mutual,
            "auth_api_keys": str(self.keys), "auth_jwks": str(self.jwks), "auth_certificates": str(self.names),
            "token_key": TOKEN_KEY, "auth_issuer": ISSUER, "auth_audience": AUDIENCE,
            # Nobody is there, so that the log has much to say about it.
            "database_url": f"postgresql://clerk:{PASSWORD}@127.0.0.1:1/trail",
        }  # fmt: skip

    @property
    def all(self) -> list[str]:
        """Every secret; of tokens also what they end with, which alone makes them count."""
        ends = [end for token in self.tokens if (end := token.rpartition(".")[2])]
        pems = [path.read_bytes() for path in (self.files.client_key, self.moved)]
        return [
            PASSWORD,
            TOKEN_KEY,
            self.key,
            self.wrong,
            *self.tokens,
            *ends,
            *(line for pem in pems for line in lines_of(pem)),
        ]

    def spoil(self) -> None:
        """Put into every file something that does not belong there, and has secrets."""
        self.files.key.rename(self.moved)
        self.files.key.write_bytes(self.files.client_key.read_bytes())
        for path in (self.keys, self.jwks, self.names):
            path.write_text(f'{{"kty": "oct", "k": "{self.key}", "name": "{self.tokens[0]}"}}\n{self.wrong}')


async def call_in_every_way(server: ServerProcess, secrets: Secrets) -> None:
    """Make a call with each of the credentials, right and wrong, in each place where they may stand."""
    values = [secrets.key, secrets.wrong, *secrets.tokens]
    headers = [("authorization", f"{scheme} {value}") for scheme in ("Bearer", "Basic") for value in values]
    headers += [("x-api-key", value) for value in values] + [("authorization", value) for value in values]
    for own in (False, True):
        async with grpc.aio.secure_channel(server.address, secrets.files.credentials(own=own)) as channel:
            stub = SessionServiceStub(channel)
            for header in headers:
                await stub.ListSessions(pb.ListSessionsRequest(), metadata=[header]).code()


def said(log: Path, event: str) -> list[dict[str, object]]:
    """Return what a log has said under a name."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("{")]
    return [told for line in lines if (told := json.loads(line))["event"] == event]


async def test_no_log_shows_a_secret(redis_server: RedisServer, tmp_path: Path) -> None:
    """Nor does that of a worker which cannot reach the database either."""
    secrets = Secrets(tmp_path)
    server = ServerProcess(redis_server.url, tmp_path / "server.log", redis_prefix="secrets", **secrets.settings)
    server.credentials = secrets.files.credentials()
    only = {name: secrets.settings[name] for name in ("log_level", "database_url")}
    with WorkerProcess(redis_server.url, tmp_path / "worker.log", redis_prefix="secrets", **only) as worker, server:
        await call_in_every_way(server, secrets)
        secrets.spoil()
        os.kill(server.pid, signal.SIGHUP)
        await eventually(lambda: {one["files"] for one in said(server.log, "files_broken")} == BROKEN, 30)
        await asyncio.to_thread(server.stop)

    told = server.log.read_text(errors="replace") + worker.log.read_text(errors="replace")
    refused = said(server.log, "credentials_refused")
    # One line of each reason; tests/integration/rpc/admission/test_credentials_change.py has one of each credential.
    assert {one["reason"] for one in refused} >= {"CREDENTIALS_INVALID", "CREDENTIALS_EXPIRED"}
    # Whence they came, and whose call each line is about, stand there instead.
    assert {str(one["peer"]).partition(":")[0] for one in refused} == {"ipv4"}
    calls = {(one["code"], one.get("tenant")) for one in said(server.log, "call_ended")}
    assert calls >= {("OK", "default"), ("UNAUTHENTICATED", None)}
    assert [secret for secret in secrets.all if secret in told] == []


@pytest.mark.parametrize(
    ("said_before", "said_after", "event"),
    [
        pytest.param(f"clerk:{PASSWORD}@", "", "keys_not_fetched", id="of somebody"),
        pytest.param("", f"?code={PASSWORD}", "keys_fetched", id="with a query"),
    ],
)
async def test_no_log_shows_the_secrets_of_the_url_of_keys(
    redis_server: RedisServer, tmp_path: Path, said_before: str, said_after: str, event: str
) -> None:
    """Neither who asks, nor what it asks with; the place stands there."""
    with providing() as provider:
        provider.content = key_set(Signer("s"))
        url = provider.url.replace("://", f"://{said_before}") + said_after
        settings = {"token_key": TOKEN_KEY, "auth_issuer": ISSUER, "auth_audience": AUDIENCE, "log_level": "debug"}
        with ServerProcess(redis_server.url, tmp_path / "server.log", auth_jwks=url, **settings) as server:
            await eventually(lambda: said(server.log, event) != [], 30)

    assert {line["url"] for line in said(server.log, event)} == {provider.url}
    assert PASSWORD not in server.log.read_text(errors="replace")
