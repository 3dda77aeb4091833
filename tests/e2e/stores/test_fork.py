"""Redis comes back without its last moments and goes on differently: the two branches are never confused."""

import asyncio
import os
from pathlib import Path
from typing import Any

from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, new_id, running_session, watching
from tests.e2e.conftest import StartServers

LOST = 3


def append_only_file(directory: Path) -> Path:
    """Return the file Redis appends to."""
    return max(directory.glob("**/*.incr.aof"), key=lambda path: path.stat().st_mtime)


async def answered(call: Any, request: Any) -> session_pb2.Session:
    """Repeat a call until the store is back and it is answered; return the session."""
    async with asyncio.timeout(10):
        while True:
            try:
                reply = await call(request)
            except Exception:
                await asyncio.sleep(0.02)  # the wait on a condition with a deadline
            else:
                session: session_pb2.Session = reply.session
                return session


async def other_branch(stub: Stub, session_id: str) -> session_pb2.Session:
    """Come to the versions that were lost, and one more, by other changes than those."""
    for number in range(LOST + 1):
        request = pb.UpdateSessionRequest(session_id=session_id, request_id=new_id(), labels={"n": str(number)})
        last = await answered(stub.UpdateSession, request)
    return last


def branches(recording: Recording) -> list[tuple[str, int]]:
    """Return the kinds and versions of the messages, ticks and progress left out."""
    return [(message.WhichOneof("payload") or "", message.version) for message in recording.messages]


async def test_a_store_without_its_last_second_is_told_from_the_one_before(
    own_redis: RedisServer, server_directory: Path, start_servers: StartServers
) -> None:
    """An open stream and a token of the lost branch, on either server, get a gap (FORKED) and a snapshot."""
    first, second = start_servers(own_redis.url, 2)
    async with connect(first.address) as one, connect(second.address) as other:
        session_id = (await running_session(one)).session_id
        request = pb.WatchSessionRequest(session_id=session_id)
        async with watching(one.WatchSession(request)) as stayed:
            await stayed.until(lambda r: r.of("snapshot"))
            file = append_only_file(server_directory / "redis")
            kept = file.stat().st_size
            for _ in range(LOST):
                await one.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
            await stayed.until(lambda r: 2 + LOST in r.versions)
            token = stayed.messages[-1].resume_token

            own_redis.kill()
            os.truncate(file, kept)
            await asyncio.to_thread(own_redis.start)
            last = await other_branch(other, session_id)
            await stayed.until(lambda r: r.messages[-1].version == last.version and "gap" in r.kinds())
            again = pb.WatchSessionRequest(session_id=session_id, resume_token=token)
            async with watching(one.WatchSession(again)) as here, watching(other.WatchSession(again)) as there:
                for back in (here, there):
                    await back.until(lambda r: r.of("snapshot"))

    assert last.version == 2 + LOST + 1
    at_the_gap = stayed.kinds().index("gap")
    assert branches(stayed)[:at_the_gap] == [("snapshot", 2), *(("event", 3 + place) for place in range(LOST))]
    assert stayed.of("gap")[0].gap.reason == event_pb2.GAP_REASON_FORKED
    _, snapshot, *events = branches(stayed)[at_the_gap:]
    assert snapshot[0] == "snapshot"
    assert events == [("event", version) for version in range(snapshot[1] + 1, last.version + 1)]
    for back in (here, there):
        assert back.kinds() == ["gap", "snapshot"]
        assert back.messages[0].gap.reason == event_pb2.GAP_REASON_FORKED
        assert back.messages[1].snapshot.labels == last.labels
