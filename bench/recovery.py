"""Loses a whole Redis under running sessions and measures how long it takes until all are back, and how exactly.

python -m bench.recovery [--sessions 10000]
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

import typer
from redis.asyncio import Redis
from rich.console import Console
from rich.progress import track

from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, running_session, two_players
from testing.harness.deployment import Deployment, eventually, fresh_deployment

CALLERS: Final = 64
DRAIN_S: Final = 120.0


async def create_running(stub: Stub, sessions: int) -> None:
    """Start sessions with banks long enough to survive the run."""
    places = asyncio.Semaphore(CALLERS)

    async def one() -> None:
        async with places:
            session = await running_session(stub, two_players())
            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))

    tasks = [asyncio.create_task(one()) for _ in range(sessions)]
    for task in track(tasks, "creating", console=Console(stderr=True)):
        await task


async def everything(stub: Stub) -> AsyncIterator[session_pb2.Session]:
    """Yield every session the store holds."""
    token = ""
    while True:
        page = await stub.ListSessions(pb.ListSessionsRequest(page_size=500, page_token=token))
        for session in page.sessions:
            yield session
        token = page.next_page_token
        if not token:
            return


async def recover(stack: Deployment) -> float:
    """Run `synckairos recover --all` and return its seconds; its progress goes to this terminal."""
    environment = stack.servers[0].environment
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "synckairos", "recover", "--all", "--policy", "continue", env=environment
    )
    if await process.wait() != 0:
        raise AssertionError("`synckairos recover --all` failed")
    return time.monotonic() - started


def differences(before: dict[str, session_pb2.Session], after: dict[str, session_pb2.Session]) -> list[str]:
    """Return what is not as it was, clocks compared to the millisecond."""
    wrong = []
    for session_id, was in before.items():
        now = after.get(session_id)
        if now is None:
            wrong.append(f"{session_id} is missing")
        elif now.deadline_at != was.deadline_at or now.active_participant_id != was.active_participant_id:
            wrong.append(f"{session_id}: deadline {now.deadline_at} instead of {was.deadline_at}")
        elif now.epoch <= was.epoch or now.version != was.version + 1:
            wrong.append(f"{session_id}: epoch {now.epoch}, version {now.version} after {was.epoch}, {was.version}")
    return wrong


async def measure(sessions: int) -> bool:
    """Create, drain, flush, recover, compare; return whether all came back right."""
    async with fresh_deployment() as stack:
        server = stack.start_server()
        stack.start_worker()
        async with connect(server.address) as stub:
            await create_running(stub, sessions)
            await eventually(stack.is_drained, DRAIN_S, "the outbox is empty")
            before = {session.session_id: session async for session in everything(stub)}
            async with Redis.from_url(stack.redis.url) as redis:
                await redis.flushall()
            seconds = await recover(stack)
            await asyncio.to_thread(server.await_answer, "SERVING")
            after = {session.session_id: session async for session in everything(stub)}
        wrong = differences(before, after)
        sys.stdout.write(
            f"recovery of {len(before):,} sessions: {seconds:.1f} s ({len(before) / seconds:,.0f} a second), "
            f"{len(after):,} are back, {len(wrong)} of them not to the millisecond\n"
        )
        for line in wrong[:10]:
            sys.stdout.write(f"  {line}\n")
        return len(before) == len(after) == sessions and not wrong


def main(sessions: Annotated[int, typer.Option(help="Running sessions to lose.")] = 10_000) -> None:
    """Measure the recovery of a lost Redis."""
    sys.exit(0 if asyncio.run(measure(sessions)) else 1)


if __name__ == "__main__":
    typer.run(main)
