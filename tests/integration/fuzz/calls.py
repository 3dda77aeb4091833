"""Calls of raw bytes by every method of the contract, to a server in this process, and the answers that it may give."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.cli.migration import migrations_folder
from synckairos.composition.listeners.http_port import SERVICES
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from synckairos.v1.time_control_service_pb2 import ParseTimeControlRequest
from testing.harness.draining import drain
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.every_state import fill, lost
from tests.integration.rpc.request_strategies import METHODS, good_bytes
from tests.integration.store.key_space import KeySpace

BROKEN: Final = frozenset(
    {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNIMPLEMENTED}
)
"""What no request may be answered with, whatever its bytes."""
PATIENCE_S: Final = 30.0
PATHS: Final[dict[str, MethodDescriptor]] = {
    f"/{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods
}


class Broken(Exception):
    """An answer that no request may have."""


class Called:
    """A server with a session in every state."""

    def __init__(self, channel: Any, keys: KeySpace, content: dict[bytes, bytes]) -> None:
        self._channel = channel
        self._keys = keys
        self._content = content
        self.codes: Counter[str] = Counter()

    async def call(self, path: str, raw: bytes) -> None:
        """Make a call; of a stream only the first message is waited for. Raises Broken."""
        method = PATHS[path]
        try:
            if method.client_streaming:
                stream = self._channel.stream_stream(path)(_once(raw), timeout=PATIENCE_S)
                async for _ in stream:
                    pass
            elif method.server_streaming:
                stream = self._channel.unary_stream(path)(raw, timeout=PATIENCE_S)
                await stream.read()
                stream.cancel()
            else:
                await self._channel.unary_unary(path)(raw, timeout=PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            self.codes[error.code().name] += 1
            if error.code() in BROKEN:
                raise Broken(f"{path}: {error.code()}: {error.details()}") from error
        else:
            self.codes["OK"] += 1

    async def restore(self) -> None:
        """Put every session back into its state."""
        await self._keys.restore(self._content)


def seeds_of(path: str) -> list[bytes]:
    """Return good requests of a method."""
    method = PATHS[path]
    if method.name in METHODS:
        return good_bytes(method.name)
    if method.name == "ParseTimeControl":
        return [ParseTimeControlRequest(text=text).SerializeToString() for text in ("60d5", "9+9")]
    return [GetMessageClass(method.input_type)().SerializeToString()]


async def _once(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


@asynccontextmanager
async def called(redis: RedisServer, postgres: PostgresServer) -> AsyncIterator[Called]:
    """Yield a server of its own."""
    async with own_database(postgres) as url:
        await apply_migrations(url, migrations_folder())
        settings = settings_for(redis.url, database_url=url, redis_timeout_s=30, database_connect_timeout_s=60)
        async with (
            serving(settings) as server,
            grpc.aio.insecure_channel(server.address) as channel,
            KeySpace(redis.url, settings.redis_prefix) as keys,
        ):
            await fill(SessionServiceStub(channel))
            await drain(settings, lost=lost())
            yield Called(channel, keys, await keys.content())
