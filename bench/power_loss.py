"""A machine that loses power: Redis comes back without the last moments of its append-only file."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import grpc

from bench.load import Change, Ledger, Load
from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, running_session, two_players, watching
from testing.harness.deployment import Deployment, eventually

CUT_S: Final = 1.0
"""What `appendfsync everysec` may lose."""
WATCHED: Final = 8


@dataclass(frozen=True)
class Rollback:
    """How much was lost: what was answered OK before `cut_at` (monotonic seconds) must be there.

    `lost_before` of the lost changes were answered before the cut and `lost_after` after it; `gaps` of `watched`
    streams said that history had changed.
    """

    cut_at: float
    killed_at: float
    bytes_cut: int
    watched: int
    gaps: int
    told_after: int = 0
    lost_before: int = 0
    lost_after: int = 0

    def with_lost(self, ledger: Ledger, lost: set[Change]) -> "Rollback":
        """Return it with the counts of what was lost."""
        before = sum(1 for change in lost if ledger.told[change].at < self.cut_at)
        at_risk = sum(1 for told in ledger.told.values() if self.cut_at <= told.at <= self.killed_at)
        return replace(self, told_after=at_risk, lost_before=before, lost_after=len(lost) - before)

    @property
    def is_bounded(self) -> bool:
        """Whether nothing older than the cut was lost, and everyone who watched a lost change was told."""
        return self.lost_before == 0 and self.gaps == self.watched

    @property
    def text(self) -> str:
        """One line about it."""
        return (
            f"power loss: the last {self.killed_at - self.cut_at:.2f} s ({self.bytes_cut:,} bytes) of the file were "
            f"cut off; {self.told_after:,} changes had been answered OK in them, {self.lost_after:,} of these lost and "
            f"{self.lost_before} of those before; {self.gaps} of {self.watched} watched streams said gap"
        )


async def watched_power_loss(stack: Deployment, load: Load) -> Rollback:
    """Cut the power in mid-load, with streams open on sessions that change in the moments that will be lost."""
    async with AsyncExitStack() as exits:
        stub = await exits.enter_async_context(connect(stack.addresses[0]))
        sessions = [await running_session(stub, two_players()) for _ in range(WATCHED)]
        streams: list[Recording] = []
        for session in sessions:
            call = stub.WatchSession(pb.WatchSessionRequest(session_id=session.session_id))
            streams.append(await exits.enter_async_context(watching(call)))
        for stream in streams:
            await stream.until(lambda seen: seen.of("snapshot"))
        await load.reached(0.4)
        file = _append_only_file(stack.directory / "redis")
        await asyncio.sleep(CUT_S)  # what was written before is on the disk, says the policy
        kept, cut_at = file.stat().st_size, time.monotonic()
        for session, stream in zip(sessions, streams, strict=True):
            reply = await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))
            await stream.until(_has_seen(reply.session.version))
        await asyncio.sleep(max(0.0, cut_at + CUT_S - time.monotonic()))
        # What is lost in Redis but was written to PostgreSQL before becomes a fork once its version is made again.
        await eventually(_written(stack, [session.session_id for session in sessions]), 10, "the changes are written")
        killed_at = time.monotonic()
        stack.redis.kill()
        size = file.stat().st_size
        os.truncate(file, kept)
        await asyncio.to_thread(stack.redis.start)
        gaps = await _gaps(streams)
        for session in sessions:
            await eventually(_switched(stub, session.session_id), 10, "the store answers again")
        return Rollback(cut_at, killed_at, size - kept, WATCHED, gaps)


def _has_seen(version: int) -> Callable[[Recording], bool]:
    return lambda seen: version in seen.versions


def _switched(stub: Stub, session_id: str) -> Callable[[], Awaitable[bool]]:
    async def is_switched() -> bool:
        try:
            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
        return True

    return is_switched


def _written(stack: Deployment, session_ids: list[str]) -> Callable[[], Awaitable[bool]]:
    async def is_written() -> bool:
        sql = (
            "SELECT count(*) AS n FROM sync_events WHERE session_id = ANY($1::uuid[]) AND event_type = 'cycle_switched'"
        )
        (row,) = await stack.query(sql, session_ids)
        return bool(row["n"] == len(session_ids))

    return is_written


def _append_only_file(directory: Path) -> Path:
    """Return the file Redis appends to now."""
    return max(directory.glob("**/*.incr.aof"), key=lambda path: path.stat().st_mtime)


async def _gaps(streams: list[Recording]) -> int:
    """Count the streams that were told that what they had seen is not so."""
    for stream in streams:
        await stream.until(lambda seen: seen.of("gap") and len(seen.of("snapshot")) > 1, seconds=30)
    return sum(
        1
        for stream in streams
        if stream.of("gap")[0].gap.reason == event_pb2.GAP_REASON_FORKED and stream.of("snapshot")[1:]
    )
