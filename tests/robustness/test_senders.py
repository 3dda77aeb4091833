"""What the load takes for an answer of the server, and what for a stream that broke."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest_asyncio

from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.robustness.load.senders import BROKEN, CommandSender

ANSWERED = 5


class _EndsEarly(grpc.GenericRpcHandler):
    """A server that answers a few commands, and ends the stream without details while more are written."""

    def service(self, _: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        return grpc.stream_stream_rpc_method_handler(
            self._answer,
            request_deserializer=pb.ExecuteCommandsRequest.FromString,
            response_serializer=pb.ExecuteCommandsResponse.SerializeToString,
        )

    async def _answer(self, _: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        for _ in range(ANSWERED):
            read = await context.read()
            await context.write(pb.ExecuteCommandsResponse(command_id=read.command_id, result=pb.CommandResult()))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


@pytest_asyncio.fixture
async def target() -> AsyncIterator[str]:
    """Where such a server listens."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_EndsEarly(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


async def test_a_write_that_meets_the_end_of_its_stream_is_of_unknown_outcome(target: str) -> None:
    """grpc.aio's client then reports INTERNAL of its own in every third stream; the server never said so."""
    async with grpc.aio.insecure_channel(target) as channel:
        outcomes = set()
        for _ in range(60):
            sender = CommandSender([SessionServiceStub(channel)])

            answers = await asyncio.gather(*(sender.ask(0, pb.GetSessionRequest()) for _ in range(40)))

            await sender.close()
            outcomes |= {(answer.outcome, answer.reason, answer.is_to_retry) for answer in answers}

    assert outcomes == {("ok", "", False), ("unknown", BROKEN, True)}
