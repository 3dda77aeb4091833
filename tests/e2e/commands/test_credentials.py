"""Credentials of the environment: they reach the server that may see them, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc
import pytest
import trustme

from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1 import time_service_pb2
from testing.harness.client import new_id
from tests.e2e.commands.asking import Asked

SECRET = "hunter2-hunter2"
CA = "SYNCKAIROS_TLS_CA"
TOKEN = "SYNCKAIROS_TOKEN"


class Guard(NamedTuple):
    """A server that denies every call, and what it was shown."""

    port: int
    seen: list[dict[str, Any]]


@asynccontextmanager
async def guard(code: grpc.StatusCode, authority: trustme.CA | None = None) -> AsyncIterator[Guard]:
    """Run a server that denies every call."""
    seen: list[dict[str, Any]] = []

    async def deny(_request: Any, context: Any) -> None:
        seen.append(dict(context.invocation_metadata()))
        await context.abort(code, "not for you")

    handler = grpc.unary_unary_rpc_method_handler(
        deny,
        request_deserializer=pb.ListSessionsRequest.FromString,
        response_serializer=pb.ListSessionsResponse.SerializeToString,
    )
    clock = grpc.unary_unary_rpc_method_handler(
        deny,
        request_deserializer=time_service_pb2.SyncTimeRequest.FromString,
        response_serializer=time_service_pb2.SyncTimeResponse.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler("synckairos.v1.SessionService", {"ListSessions": handler}),
            grpc.method_handlers_generic_handler("synckairos.v1.TimeService", {"SyncTime": clock}),
        ]
    )
    if authority is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        issued = authority.issue_cert("localhost")
        pair = (issued.private_key_pem.bytes(), b"".join(one.bytes() for one in issued.cert_chain_pems))
        port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    try:
        yield Guard(port, seen)
    finally:
        await server.stop(None)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
async def test_a_denied_call_has_a_code_of_its_own(asked: Asked, code: grpc.StatusCode) -> None:
    """The token was shown to the server, and nobody else."""
    async with guard(code) as server:
        done = await asked.run("session", "list", "--address", f"127.0.0.1:{server.port}", **{TOKEN: SECRET})

    assert done.returncode == 7
    assert code.name in done.stderr
    assert [one["authorization"] for one in server.seen] == [f"Bearer {SECRET}"]
    assert SECRET not in done.stdout + done.stderr


async def test_a_token_may_lie_in_a_file(asked: Asked) -> None:
    """Named by an option of the program, or by the environment."""
    path = asked.folder / "token"
    path.write_text(f"{SECRET}\n")
    async with guard(grpc.StatusCode.UNAUTHENTICATED) as server:
        there = ("--address", f"127.0.0.1:{server.port}")
        by_option = await asked.run("--token-file", str(path), "session", "list", *there)
        by_variable = await asked.run("call", "ListSessions", *there, SYNCKAIROS_TOKEN_FILE=str(path))
        missing = await asked.invoke("session", "list", *there, SYNCKAIROS_TOKEN_FILE=f"{path}-not")

    assert [one["authorization"] for one in server.seen] == [f"Bearer {SECRET}"] * 2
    for done in (by_option, by_variable):
        assert "UNAUTHENTICATED" in done.stderr
        assert SECRET not in done.stdout + done.stderr
    assert (missing.returncode, "cannot be read" in missing.stderr) == (2, True)


async def test_the_servers_time_is_asked_for_with_the_token(asked: Asked) -> None:
    """`top` asks for it before anything else; a server that denies it is told from one that is away."""
    async with guard(grpc.StatusCode.UNAUTHENTICATED) as server:
        done = await asked.run("top", "--address", f"127.0.0.1:{server.port}", **{TOKEN: SECRET})

    assert done.returncode == 7
    assert [one["authorization"] for one in server.seen] == [f"Bearer {SECRET}"]


async def test_tls_is_spoken_with_whom_the_environment_trusts(asked: Asked) -> None:
    """With the authority of the server it answers; with another one it cannot be reached, and is shown no token."""
    ours, theirs = trustme.CA(), trustme.CA()
    for name, authority in (("ours.pem", ours), ("theirs.pem", theirs)):
        authority.cert_pem.write_to_path(str(asked.folder / name))
    async with guard(grpc.StatusCode.PERMISSION_DENIED, ours) as server:
        ask = ("session", "list", "--address", f"localhost:{server.port}", "--timeout", "3")
        strange = await asked.invoke(*ask, **{TOKEN: SECRET, CA: str(asked.folder / "theirs.pem")})
        known = await asked.invoke(*ask, **{TOKEN: SECRET, CA: str(asked.folder / "ours.pem")})

    assert (strange.returncode, known.returncode) == (6, 7)
    assert len(server.seen) == 1


async def test_a_token_is_not_sent_in_the_clear(asked: Asked) -> None:
    """To another machine only over TLS: the command says so before it connects."""
    done = await asked.invoke("session", "list", "--address", "192.0.2.1:50051", **{TOKEN: SECRET})

    assert done.returncode == 2
    assert "in the clear" in done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variable", "text", "header"), [("SYNCKAIROS_ACTOR", "Jürgen", "x-actor"), (TOKEN, f"{SECRET}\n", "authorization")]
)
async def test_what_no_header_can_hold_is_named(asked: Asked, variable: str, text: str, header: str) -> None:
    """Such as the line break at the end of a file with a token; the text itself is not shown."""
    done = await asked.invoke("session", "get", new_id(), **{variable: text})

    assert done.returncode == 2
    assert f"{header} takes printable ASCII" in done.stderr
    assert SECRET not in done.stdout + done.stderr


async def test_a_missing_authority_is_named(asked: Asked) -> None:
    """The variable and the file."""
    done = await asked.invoke("session", "list", **{CA: "/nowhere.pem"})

    assert done.returncode == 2
    assert "SYNCKAIROS_TLS_CA" in done.stderr
    assert "/nowhere.pem" in done.stderr


@pytest.mark.parametrize("arguments", [("session", "create"), ("watch",), ("top",), ("session",)])
async def test_help_shows_no_credentials(asked: Asked, arguments: tuple[str, ...]) -> None:
    """Help shows the defaults of options and variables; a token is neither."""
    done = await asked.invoke(*arguments, "--help", **{TOKEN: SECRET})

    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert SECRET not in done.stdout
