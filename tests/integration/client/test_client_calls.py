"""How a call is made and repeated: request ids, contention, tokens, deadlines, and what gRPC repeats by itself."""

import asyncio

import grpc
import pytest
import trustme

from synckairos.application import errors as application
from synckairos.client import SyncKairos, errors
from synckairos.domain import errors as domain
from synckairos.rpc.statuses import CODES
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.waiting import eventually
from tests.integration.client.scripted_server import connected, scripted

DONE = pb.StartSessionResponse()
BUSY = application.Contention("busy", session_id="s")


class BusyFor(application.TransientError):
    """A contention of a server that says when to come back, as those of this version do not."""

    reason = "CONTENTION"
    retry_after_ms = 400


async def test_every_mutation_has_a_request_id_of_its_own() -> None:
    """A fresh one for each call, unless the caller has one; reads have none."""
    async with connected(DONE) as (server, client):
        for request_id in ("", "", "7d2a7c0e-5b1e-4c7b-9f6e-0e6f5ad0a001"):
            await client.start_session("s", request_id=request_id)

    sent = [request.request_id for request in server.calls]
    assert len(set(sent)) == 3
    assert all(sent)
    assert sent[2] == "7d2a7c0e-5b1e-4c7b-9f6e-0e6f5ad0a001"


async def test_contention_is_tried_again_with_the_same_request_id() -> None:
    """After a pause; the caller sees only the answer."""
    async with connected(BUSY, BUSY, DONE) as (server, client):
        await client.start_session("s")

    assert len(server.calls) == 3
    assert len({request.request_id for request in server.calls}) == 1
    assert server.times[2] - server.times[1] >= 0.1


async def test_contention_waits_as_long_as_the_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its RetryInfo is for the program: gRPC does not repeat ABORTED."""
    monkeypatch.setitem(CODES, BusyFor, grpc.StatusCode.ABORTED)
    async with connected(BusyFor("busy"), DONE) as (server, client):
        await client.start_session("s")

    assert server.times[1] - server.times[0] >= 0.4


async def test_contention_that_lasts_is_told() -> None:
    """Not for ever: the third try is the last."""
    async with connected(BUSY) as (server, client):
        with pytest.raises(errors.Contention):
            await client.start_session("s")

    assert len(server.calls) == 3


async def test_grpc_repeats_what_the_service_config_says() -> None:
    """UNAVAILABLE, after the pause that the server asks for, with the same request_id."""
    draining = application.Draining("going")
    async with connected(draining, draining, DONE) as (server, client):
        await client.start_session("s")

    assert len(server.calls) == 3
    assert len({request.request_id for request in server.calls}) == 1
    assert server.times[1] - server.times[0] >= draining.retry_after_ms / 1_000 * 0.9


async def test_a_refusal_is_not_repeated() -> None:
    """It comes once, as its class."""
    async with connected(domain.VersionConflict(3, 7)) as (server, client):
        with pytest.raises(errors.VersionConflict) as refused:
            await client.start_session("s", expected_version=3)

    assert refused.value.actual == 7
    assert len(server.calls) == 1


async def test_a_call_carries_its_caller() -> None:
    """A token, asked for anew for each call, and the actor of the connection or of these calls."""
    tokens = iter(["first", "second"])

    async def token() -> str:
        return next(tokens)

    async with scripted(DONE) as server:
        client = await SyncKairos.connect(server.address, token=token, actor="table-7")
        await client.start_session("s")
        await client.with_options(actor="umpire").start_session("s")
        await client.close()

    seen = [(sent["authorization"], sent["x-actor"]) for sent in server.metadata]
    assert seen == [("Bearer first", "table-7"), ("Bearer second", "umpire")]


async def test_a_connection_may_be_encrypted() -> None:
    """With credentials as gRPC makes them; the token goes with it."""
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    chain = b"".join(part.bytes() for part in own.cert_chain_pems)
    encrypted = grpc.ssl_server_credentials([(own.private_key_pem.bytes(), chain)])
    trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())

    async with (
        scripted(DONE, credentials=encrypted) as server,
        await SyncKairos.connect(server.address, credentials=trusted, token="a.b.c") as client,
    ):
        await client.start_session("s")

    assert server.metadata[0]["authorization"] == "Bearer a.b.c"


async def test_a_call_has_the_deadline_that_it_was_given() -> None:
    """The error says that nobody knows what became of it."""
    async with connected(asyncio.Event()) as (_, client):
        with pytest.raises(errors.DeadlineExceeded):
            await client.with_options(timeout_s=0.2).start_session("s")


async def test_a_call_cut_off_by_its_server_is_not_taken_for_a_cancelled_task() -> None:
    """Code CANCELLED is a server's that closes; the program's own cancellation stays what it is."""
    cut_off = grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, (), ())
    async with connected(*[cut_off] * 5, asyncio.Event()) as (server, client):
        with pytest.raises(errors.Unreachable):
            await client.start_session("s")
        cancelled = asyncio.create_task(client.start_session("s"))
        await eventually(lambda: len(server.calls) == 6)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled


async def test_who_uses_a_closed_client_is_told_so() -> None:
    """A call, a watch and a command under way, and what is asked later: by errors that have names."""
    async with scripted(asyncio.Event()) as server:
        client = await SyncKairos.connect(server.address)
        commands = client.commands()
        under_way = [asyncio.create_task(client.start_session("s"))]
        await eventually(lambda: len(server.calls) == 1)
        await client.close()
        under_way += [asyncio.create_task(commands.start_session("s")), asyncio.create_task(client.start_session("s"))]
        under_way.append(asyncio.create_task(client.watch("s").__anext__()))
        said = await asyncio.gather(*under_way, return_exceptions=True)
        await commands.aclose()

    assert [isinstance(each, errors.Unreachable) for each in said] == [True, True, False, False]
    assert [str(each) for each in said[2:]] == ["this client is closed"] * 2


async def test_a_clock_outlives_its_client() -> None:
    """It cannot be compared any more, and says that as if the server were away; its upkeep goes on."""
    async with connected(DONE) as (_, client):
        clock = client.sync_clock()
    with pytest.raises(errors.Unreachable):
        await clock.sync()


async def test_connecting_where_nobody_listens_is_told_soon() -> None:
    """With the address, and within the time that the caller gives."""
    with pytest.raises(errors.Unreachable, match=r"127\.0\.0\.1:1 .* 0\.3 s"):
        await SyncKairos.connect("127.0.0.1:1", within_s=0.3)


async def test_a_clock_that_cannot_be_set_says_so_by_the_classes_of_the_client() -> None:
    """This server has no TimeService."""
    async with connected(DONE) as (_, client):
        with pytest.raises(errors.SyncKairosError) as refused:
            await client.sync_clock().start()

    assert refused.value.code is grpc.StatusCode.UNIMPLEMENTED
