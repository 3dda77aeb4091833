"""A fan-out to many watchers gives way to calls: by the order in which the server answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc
import pytest

from synckairos.devstack import RedisServer
from synckairos.rpc.interceptor import CallJournal
from synckairos.rpc.streams.writing import StreamWriter
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import connect, running_session
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually

WATCHERS: Final = 600
FRAME: Final = "frame"
REPLY: Final = "reply"


@contextmanager
def watched(address: str, session_id: str) -> Iterator[None]:
    """Watch a session many times over, by a client whose work is not the event loop's."""
    with grpc.insecure_channel(address) as channel:
        stub: Any = SessionServiceStub(channel)
        request = pb.WatchSessionRequest(session_id=session_id)
        watches = [stub.WatchSession(request) for _ in range(WATCHERS)]
        yield
        for watch in watches:
            watch.cancel()


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the server does, in its order: the messages to watchers, and the ends of switches."""
    noted: list[str] = []
    write, ended = StreamWriter.write, CallJournal.ended

    async def note_write(writer: StreamWriter, message: bytes) -> None:
        noted.append(FRAME)
        await write(writer, message)

    def note_end(journal: CallJournal, method: str, failure: BaseException | None, seconds: float) -> None:
        if method.endswith("/SwitchCycle"):
            noted.append(REPLY)
        ended(journal, method, failure, seconds)

    monkeypatch.setattr(StreamWriter, "write", note_write)
    monkeypatch.setattr(CallJournal, "ended", note_end)
    return noted


async def test_a_reply_overtakes_the_frames_of_its_change(redis_server: RedisServer, order: list[str]) -> None:
    """Whoever changes a session that many watch is answered before most of them are told."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        session_id = (await running_session(stub)).session_id
        with watched(server.address, session_id):
            await eventually(lambda: order.count(FRAME) == WATCHERS, seconds=20.0)
            order.clear()

            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
            await eventually(lambda: order.count(FRAME) == WATCHERS, seconds=20.0)

    assert order.count(REPLY) == 1
    assert order.index(REPLY) < WATCHERS / 10
