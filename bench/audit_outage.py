"""Are mutations as fast while PostgreSQL is down? Alternating rounds with and without it, in one run.

python -m bench.audit_outage [--mutations 4000] [--rounds 3]
"""

import asyncio
import sys
from statistics import median
from typing import Annotated, NamedTuple

import typer
from redis.asyncio import Redis
from rich.console import Console
from rich.progress import track

from bench.load import Load
from synckairos.adapters.redis.keys import PARTITIONS
from testing.harness.deployment import Deployment, eventually, fresh_deployment


class Round(NamedTuple):
    """One stretch of load: mutations a second, the median latency in ms, and what was refused."""

    is_up: bool
    rate: float
    p50_ms: float
    refused: int


async def play_round(stack: Deployment, mutations: int, *, is_up: bool) -> Round:
    """Drive one stretch of load."""
    load = Load(stack.addresses, mutations, on_progress=lambda _: None)
    ledger = await load.run()
    return Round(is_up, len(ledger.told) / load.seconds, median(ledger.latencies) * 1_000, sum(ledger.other.values()))


async def measure(mutations: int, rounds: int) -> bool:
    """Alternate; return whether the outage cost less than a tenth and left no pile of messages."""
    played: list[Round] = []
    health, queued = "", 0
    async with fresh_deployment() as stack:
        server = stack.start_server()
        stack.start_worker()
        await Load(stack.addresses, mutations // 2, on_progress=lambda _: None).run()  # warms everything up
        for _ in track(range(rounds), "rounds", console=Console(stderr=True)):
            await eventually(stack.is_drained, 120, "the outbox is empty")
            # Both rounds without a drain at the same time, which has its own price on two cores: see audit_drain.
            stack.workers[0].pause()
            played.append(await play_round(stack, mutations, is_up=True))
            stack.workers[0].resume()
            await eventually(stack.is_drained, 120, "the outbox is empty")
            await asyncio.to_thread(stack.postgres.stop)
            played.append(await play_round(stack, mutations, is_up=False))
            health = server.health()
            queued = await _queued(stack)
            await asyncio.to_thread(stack.postgres.start)
        drained = await eventually(stack.is_drained, 180, "the outbox is empty")
    up, down = ([one for one in played if one.is_up is state] for state in (True, False))
    ratio = median(one.rate for one in down) / median(one.rate for one in up)
    sys.stdout.write(
        "\n".join(
            f"PostgreSQL {'up  ' if one.is_up else 'down'}: {one.rate:8,.0f} mutations/s, p50 {one.p50_ms:.1f} ms, "
            f"{one.refused} refused"
            for one in played
        )
        + f"\nrate without PostgreSQL / with it: {ratio:.2f}; health meanwhile {health}, at most {queued} messages for "
        f"{PARTITIONS} partitions; drained {drained:.1f} s after it was back, nothing restarted\n"
    )
    return ratio >= 0.9 and health == "SERVING" and queued <= PARTITIONS and not sum(one.refused for one in played)


async def _queued(stack: Deployment) -> int:
    """Return how many messages wait in Dramatiq, delayed ones included."""
    async with Redis.from_url(stack.broker_url) as broker:
        bodies = [key async for key in broker.scan_iter("dramatiq:*.msgs")]
        return sum([await broker.hlen(key) for key in bodies if b".XQ." not in key])


def main(
    mutations: Annotated[int, typer.Option(help="Mutations in each round.")] = 4_000,
    rounds: Annotated[int, typer.Option(help="Pairs of rounds.")] = 3,
) -> None:
    """Compare mutations with and without PostgreSQL."""
    sys.exit(0 if asyncio.run(measure(mutations, rounds)) else 1)


if __name__ == "__main__":
    typer.run(main)
