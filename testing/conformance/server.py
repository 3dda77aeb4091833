"""The server under test: the gateway before the suite's gRPC server, as the suite asks for it on standard input."""

import asyncio
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pool, duration_pb2, struct_pb2  # noqa: F401  the contract's own imports
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2  # noqa: F401  what errors carry

from synckairos.composition.listeners.http_port import bound_socket
from synckairos.gateway.application import Application
from synckairos.gateway.channel_backend import ChannelBackend
from synckairos.gateway.files import Files
from synckairos.gateway.guard import Guard
from synckairos.gateway.http_server import HttpServer
from testing.conformance.client_streams import AllCalls
from testing.conformance.suite import PACKAGE, load_contract

LENGTH: Final = struct.Struct(">I")
CONNECTIONS: Final = 1_000


def main(folder: Path) -> None:
    """Serve until the suite says SIGTERM."""
    load_contract(folder)
    request = _read(sys.stdin.buffer, "ServerCompatRequest")
    limit = request.message_receive_limit
    with subprocess.Popen([folder / "grpcserver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as backend:
        try:
            assert backend.stdin is not None
            assert backend.stdout is not None
            asked = _message("ServerCompatRequest")(protocol=2, http_version=2, message_receive_limit=limit)
            _write(backend.stdin, asked)
            port = _read(backend.stdout, "ServerCompatResponse").port
            asyncio.run(_serve(f"127.0.0.1:{port}", limit))
        finally:
            backend.kill()


async def _serve(backend: str, limit: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    service = descriptor_pool.Default().FindServiceByName(f"{PACKAGE}.ConformanceService")
    channels = ChannelBackend(backend)
    bound = bound_socket("127.0.0.1:0")
    port = bound.getsockname()[1]
    calls = AllCalls(channels, [service], **({"max_message": limit} if limit else {}))
    application = Application(channels, calls, Guard(port), Files())
    http = HttpServer(application, bound, max_connections=CONNECTIONS, grace_s=1)
    await http.start()
    _write(sys.stdout.buffer, _message("ServerCompatResponse")(host="127.0.0.1", port=port))
    await stop.wait()
    await http.stop()
    await channels.close()


def _message(name: str) -> Any:
    return GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def _read(pipe: Any, name: str) -> Any:
    (length,) = LENGTH.unpack(pipe.read(LENGTH.size))
    return _message(name).FromString(pipe.read(length))


def _write(pipe: Any, message: Any) -> None:
    encoded = message.SerializeToString()
    pipe.write(LENGTH.pack(len(encoded)) + encoded)
    pipe.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
