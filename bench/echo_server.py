"""The ceiling: a grpc.aio server that does nothing, with the options and the event loop of ours.

    python -m bench.echo_server 127.0.0.1:50070

No interceptor, no telemetry, an empty message in and an empty one out; `Stream` answers one message with one, and
`Tell` sends one to every stream that `Watch` has opened.
"""

import asyncio
import signal
import sys
from typing import Any, Final

import grpc
import uvloop
from google.protobuf.empty_pb2 import Empty

from synckairos.rpc.server import server_options

SERVICE: Final = "bench.Echo"
EMPTY: Final = Empty()


async def unary(_request: Empty, _context: Any) -> Empty:
    """Answer nothing with nothing."""
    return EMPTY


async def stream(_request: Any, context: Any) -> None:
    """Answer every message of a stream with one, already encoded."""
    while (message := await context.read()) is not grpc.aio.EOF:
        await context.write(message)


class Audience:
    """The streams of everybody who watches."""

    def __init__(self) -> None:
        self._contexts: set[Any] = set()

    async def watch(self, _request: bytes, context: Any) -> None:
        """Send an empty message, and then what is told until the client goes."""
        await context.write(b"")
        self._contexts.add(context)
        try:
            await asyncio.Event().wait()
        finally:
            self._contexts.discard(context)

    async def tell(self, message: bytes, _context: Any) -> Empty:
        """Write a message to all, at the same time."""
        await asyncio.gather(*[context.write(message) for context in self._contexts])
        return EMPTY


def build(address: str) -> grpc.aio.Server:
    """Return the server, not yet started, listening on the address."""
    audience = Audience()
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary, Empty.FromString, Empty.SerializeToString),
        "Stream": grpc.stream_stream_rpc_method_handler(stream),
        "Watch": grpc.unary_stream_rpc_method_handler(audience.watch),
        "Tell": grpc.unary_unary_rpc_method_handler(audience.tell, None, Empty.SerializeToString),
    }
    server = grpc.aio.server(options=server_options(reuse_port=False))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    server.add_insecure_port(address)
    return server


async def serve(address: str) -> None:
    """Serve until asked to stop; says "ready" on standard output once it listens."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = build(address)
    await server.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
