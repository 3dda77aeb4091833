"""The ceiling: a grpc.aio server that does nothing, with the options and the event loop of ours.

    python -m bench.echo_server 127.0.0.1:50070

No interceptor, no telemetry, an empty message in and an empty one out; `Stream` answers one message with one.
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


def build(address: str) -> grpc.aio.Server:
    """Return the server, not yet started, listening on the address."""
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary, Empty.FromString, Empty.SerializeToString),
        "Stream": grpc.stream_stream_rpc_method_handler(stream),
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
