"""A session whose bytes nobody can read: it stands in the store beside the others, due and listed like them."""

import time
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

import grpc
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.values import codec
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect

NESTED: Final = b"\x91" * 20_000 + b"\xc0"
HEAD: Final = bytes([codec.LAYOUTS[-1]]) + bytes(codec.HEAD_BYTES - 1)
PATIENCE_S: Final = 3.0
EXPECTED: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


class UnreadableSession:
    """Written into the store behind the servers' backs, and taken out again."""

    def __init__(self, redis_url: str) -> None:
        self.session_id = str(uuid4())
        self._redis_url = redis_url
        self._keys = Keys().of(self.session_id)
        self._member = bytes(8) + codec.pack_id(self.session_id)

    async def put(self) -> None:
        """Write it, with its entries in the indexes."""
        async with Redis.from_url(self._redis_url) as redis:
            await redis.set(self._keys.session, HEAD + NESTED)
            await redis.zadd(self._keys.deadlines, {self.session_id: 1})
            await redis.zadd(self._keys.live, {self._member: 0})

    async def remove(self) -> None:
        """Take it out."""
        async with Redis.from_url(self._redis_url) as redis:
            await redis.delete(self._keys.session)
            await redis.zrem(self._keys.deadlines, self.session_id)
            await redis.zrem(self._keys.live, self._member)

    async def call(self, addresses: Sequence[str], for_s: float) -> int:
        """Let it be switched at every server for a while; return the answers that it should not have got."""
        wrong, until = 0, time.monotonic() + for_s
        while time.monotonic() < until:
            for address in addresses:
                async with connect(address) as stub:
                    try:
                        request = pb.SwitchCycleRequest(session_id=self.session_id)
                        await stub.SwitchCycle(request, timeout=PATIENCE_S)
                        wrong += 1
                    except grpc.aio.AioRpcError as error:
                        wrong += error.code() not in EXPECTED
        return wrong
