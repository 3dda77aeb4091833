"""Every call by everybody: the matrix of the descriptors' methods and the ways to be admitted or not."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from synckairos.application.identity import OF_TENANTS, Scope
from synckairos.composition.listeners.http_port import SERVICES, bound_socket
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.rpc.admission.scopes import SCOPES
from testing.harness.client import Problem, problem_of
from testing.harness.http_calls import answered
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.tokens import AUDIENCE, ISSUER, Signer, key_set, write_key

SIGNER: Final = Signer("right", "RS256")
METHODS: Final = {f"/{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods}
MISSING, INVALID, EXPIRED = "CREDENTIALS_MISSING", "CREDENTIALS_INVALID", "CREDENTIALS_EXPIRED"
Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    """Return the metadata of a token."""
    return (("authorization", f"Bearer {token}"),)


REFUSED: Final[dict[str, tuple[str, Metadata]]] = {
    "none": (MISSING, ()),
    "malformed": (INVALID, bearer("not-a-token")),
    "of another scheme": (INVALID, (("authorization", "Basic dXNlcjpwYXNz"),)),
    "twice": (INVALID, bearer(SIGNER.token()) * 2),
    "expired": (EXPIRED, bearer(SIGNER.token(exp=int(time.time()) - 60))),
    "not yet": (INVALID, bearer(SIGNER.token(nbf=int(time.time()) + 80_000))),
    "wrong key": (INVALID, bearer(Signer("right", "RS256").token())),
    "wrong issuer": (INVALID, bearer(SIGNER.token(iss="https://other.example"))),
    "wrong audience": (INVALID, bearer(SIGNER.token(aud="other"))),
    "alg none": (INVALID, bearer(SIGNER.unsigned())),
    "HS256 with the public key": (INVALID, bearer(SIGNER.signed_by_public_key())),
    "unknown key": (INVALID, (("x-api-key", "sk_nobody"),)),
}


@dataclass
class Guarded:
    """A server that authenticates, the keys it knows, and where browsers call it."""

    channel: Any
    http: str
    every: Metadata
    operator: Metadata
    expired: Metadata

    async def call(self, path: str, metadata: Metadata) -> Problem | None:
        """Make a call with an empty request; return its error."""
        method = METHODS[path]
        try:
            if method.client_streaming:
                call = self.channel.stream_stream(path)(iter(()), metadata=metadata)
                await call.read()
            elif method.server_streaming:
                call = self.channel.unary_stream(path)(b"", metadata=metadata)
                await call.read()
            else:
                await self.channel.unary_unary(path)(b"", metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return problem_of(error)
        return None

    def right(self, path: str) -> Metadata:
        """Return credentials that allow a call."""
        return self.operator if SCOPES[path] is Scope.OPERATIONS else self.every


@pytest.fixture(scope="module", params=[True, False], ids=["lean", "stock"])
async def guarded(
    request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Guarded]:
    """A server with tokens and API keys, and an HTTP port."""
    folder: Path = tmp_path_factory.mktemp("credentials")
    (folder / "jwks.json").write_bytes(key_set(SIGNER))
    keys = folder / "keys.jsonl"
    every, operator = write_key(keys, "every"), write_key(keys, "operator", Scope.OPERATIONS, tenant="*")
    expired = write_key(keys, "late", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    settings = settings_for(
        redis_server.url, grpc_lean=request.param, auth_api_keys=str(keys), auth_jwks=str(folder / "jwks.json"),
        auth_issuer=ISSUER, auth_audience=AUDIENCE,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        bound = bound_socket("127.0.0.1:0")
        server = Server(settings, http=bound)
        await server.start()
        stack.push_async_callback(server.stop)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
        http = f"127.0.0.1:{bound.getsockname()[1]}"
        yield Guarded(channel, http, (("x-api-key", every),), bearer(operator), (("x-api-key", expired),))


@pytest.mark.parametrize("path", METHODS)
async def test_only_the_right_credentials_make_a_call(guarded: Guarded, path: str) -> None:
    """Every other way is UNAUTHENTICATED or PERMISSION_DENIED, by its reason, before the request is looked at."""
    scope = SCOPES[path]
    without = " ".join(OF_TENANTS - {scope})

    refused = {name: await guarded.call(path, metadata) for name, (_, metadata) in REFUSED.items()}
    late = await guarded.call(path, guarded.expired)
    lacking = await guarded.call(path, bearer(SIGNER.token(scope=without)))
    admitted = [
        await guarded.call(path, guarded.right(path)),
        *([await guarded.call(path, bearer(SIGNER.token()))] if scope is not Scope.OPERATIONS else []),
    ]

    for name, (reason, _) in REFUSED.items():
        problem = refused[name]
        assert problem is not None, name
        assert (problem.code, problem.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason), name
    assert late is not None
    assert late.reason == EXPIRED
    if scope is not None:
        assert lacking is not None
        assert (lacking.code, lacking.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")
        assert lacking.metadata == {"scope": scope.value}
    for problem in admitted if scope is not None else [lacking, *admitted]:
        assert problem is None or problem.code not in {
            grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED,
        }  # fmt: skip


async def test_operators_have_no_sessions(guarded: Guarded) -> None:
    """Their key allows nothing but operations, and no token ever allows operations."""
    for path, scope in SCOPES.items():
        problem = await guarded.call(path, bearer(SIGNER.token(scope="operations")))
        operator = await guarded.call(path, guarded.operator)
        is_denied = [one is not None and one.reason == "SCOPE_MISSING" for one in (problem, operator)]
        assert is_denied == [scope is not None, scope not in {None, Scope.OPERATIONS}], path


async def test_browsers_are_asked_for_the_same(guarded: Guarded) -> None:
    """The HTTP port passes credentials on, and its calls are admitted by the same rule."""
    for path, method in METHODS.items():
        if method.client_streaming:
            continue
        stream = method.server_streaming
        kind, body = ("application/connect+json", b"\0\0\0\0\x02{}") if stream else ("application/json", b"{}")
        without = await answered(guarded.http, path, body, content_type=kind)
        ((name, value),) = guarded.right(path)
        allowed = await answered(guarded.http, path, body, content_type=kind, **{name: value})

        assert b'"unauthenticated"' in without.body, path
        assert b'"unauthenticated"' not in allowed.body, path
        assert b'"permission_denied"' not in allowed.body, path


async def test_health_is_open_and_reflection_is_not(guarded: Guarded) -> None:
    """Probes bring no credentials; what the contract is, callers alone are told."""
    health = await health_pb2_grpc.HealthStub(guarded.channel).Check(health_pb2.HealthCheckRequest())

    async def reflected(metadata: Metadata) -> Any:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(guarded.channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (reply,) = [reply async for reply in stub.ServerReflectionInfo(iter([asked]), metadata=metadata)]
        return reply

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await reflected(())
    assert problem_of(refusal.value).reason == MISSING
    assert (await reflected(guarded.every)).list_services_response.service


@pytest.mark.parametrize(("reflection", "code"), [("open", grpc.StatusCode.OK), ("off", grpc.StatusCode.UNIMPLEMENTED)])
async def test_reflection_is_as_the_setting_says(
    redis_server: RedisServer, tmp_path: Path, reflection: str, code: grpc.StatusCode
) -> None:
    """Open to all, or not there."""
    write_key(tmp_path / "keys", "any")
    settings = settings_for(redis_server.url, auth_api_keys=str(tmp_path / "keys"), reflection=reflection)
    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        with suppress(grpc.aio.AioRpcError):
            async for _ in call:
                pass

        assert await call.code() is code
