"""JSON callers at a steady rate in a process of their own.

python -m bench.http.background ADDRESS RATE SECONDS SESSION_ID ...
"""

import sys
from contextlib import AsyncExitStack

import uvloop

from bench.http.callers import JSON, called_at_rate, http_calls

CALLERS = 16


async def _run(address: str, rate: float, seconds: float, ids: list[str]) -> int:
    async with AsyncExitStack() as stack:
        return len(await called_at_rate(await http_calls(stack, address, ids, JSON, CALLERS), rate, seconds))


if __name__ == "__main__":
    sys.stdout.write(f"{uvloop.run(_run(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))}\n")
