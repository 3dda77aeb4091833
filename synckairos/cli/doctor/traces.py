"""Where traces go, if any are asked for."""

import asyncio
from typing import Final

from synckairos.cli.doctor.findings import Finding, fine, wrong
from synckairos.composition.traces import ENDPOINTS, TracingError, asked_receiver, is_traced

NAME: Final = "otel.endpoint"


async def look_at_traces() -> list[Finding]:
    """Return whether somebody takes what a server would send; nothing where the environment asks for no traces."""
    if not is_traced():
        return []
    try:
        problem = await asyncio.to_thread(asked_receiver)
    except TracingError as error:
        return [wrong(NAME, "traces cannot be had", str(error))]
    if problem:
        return [wrong(NAME, f"nobody takes traces: {problem}", f"correct {ENDPOINTS[0]}, or OTEL_TRACES_EXPORTER=none")]
    return [fine(NAME, "traces are taken")]
