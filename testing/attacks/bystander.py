"""A caller who means well, and what a server costs meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import running_session

CALL_S = 10.0


@dataclass
class Bystander:
    """Keeps calling on a connection of its own, and connects anew now and then."""

    address: str
    credentials: grpc.ChannelCredentials | None
    seconds: list[float] = field(default_factory=list)
    """How long each call took."""
    failures: list[str] = field(default_factory=list)

    async def call_while(self, goes_on: Callable[[], bool], calls_each: int = 20) -> None:
        """Make calls, on a fresh connection after so many, as long as the condition holds."""
        while goes_on():
            async with self._channel() as channel:
                await self._call(channel, calls_each)

    async def _call(self, channel: grpc.aio.Channel, calls: int) -> None:
        stub = SessionServiceStub(channel)
        try:
            began = time.monotonic()
            session = await running_session(stub)
            self.seconds.append(time.monotonic() - began)
            for _ in range(calls):
                began = time.monotonic()
                await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id), timeout=CALL_S)
                self.seconds.append(time.monotonic() - began)
        except grpc.aio.AioRpcError as error:
            self.failures.append(f"{error.code().name}: {error.details()}")

    def _channel(self) -> grpc.aio.Channel:
        # Channels to one address would share a connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        return grpc.aio.secure_channel(self.address, self.credentials, options=options)


def memory_mb(process: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kilobytes) * 1_024 / 1e6
