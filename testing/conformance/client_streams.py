"""Calls whose requests are streams: the suite makes them, the gateway does not offer them to browsers."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from connectrpc.errors import ConnectError
from connectrpc.server import Endpoint
from google.protobuf.descriptor import MethodDescriptor

from synckairos.gateway.backend import Request, Told
from synckairos.gateway.calls import Calls, Context, info_of, path_of, request_of
from synckairos.gateway.channel_backend import ChannelBackend, ChannelStream
from synckairos.gateway.codecs import Wire
from synckairos.gateway.failures import CallFailed
from synckairos.gateway.metadata import put_into


class AllCalls(Calls):
    """The gateway's calls, and those with a stream of requests on the same ways."""

    def is_offered(self, _method: MethodDescriptor) -> bool:
        """Offer all of them."""
        return True

    def endpoint(self, backend: Any, method: MethodDescriptor) -> Any:
        """Return how a method is called."""
        if not method.client_streaming:
            return super().endpoint(backend, method)
        info = info_of(method)

        async def many(messages: AsyncIterator[Wire], context: Context) -> AsyncGenerator[Wire, None]:
            request = request_of(path_of(method), Wire(b"", info.input), context)
            async with aclosing(_exchanged(backend, request, messages, context)) as replies:
                async for encoded in replies:
                    yield Wire(encoded, info.output)

        async def one(messages: AsyncIterator[Wire], context: Context) -> Wire:
            async with aclosing(many(messages, context)) as replies:
                (reply,) = [reply async for reply in replies]
                return reply

        return Endpoint.bidi_stream(info, many) if method.server_streaming else Endpoint.client_stream(info, one)


async def _exchanged(
    backend: ChannelBackend, request: Request, messages: AsyncIterator[Wire], context: Context
) -> AsyncGenerator[bytes, None]:
    refused: list[ConnectError] = []

    async def sent() -> AsyncIterator[bytes]:
        try:
            async for message in messages:
                yield message.encoded
        except ConnectError as error:
            refused.append(error)  # grpc.aio would tell of a cancelled call instead
            raise

    told = Told()
    stream = ChannelStream(backend.lane(), request, told, sent())
    try:
        async with aclosing(stream.messages()) as replies:
            async for encoded in replies:
                put_into(context.response_headers, told.headers)
                told.headers = ()
                yield encoded
        put_into(context.response_trailers, told.trailers)
    except CallFailed as error:
        put_into(context.response_trailers, error.trailers)
        raise error.as_connect_error() from None
    except BaseException:
        if refused:
            raise refused[0] from None
        raise
    finally:
        put_into(context.response_headers, told.headers)
