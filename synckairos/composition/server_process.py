"""A process that is a server until it is asked to stop."""

import asyncio
import gc
import socket
from collections.abc import Callable
from typing import Final

import structlog

from synckairos.composition.ending import end_without, stop_requested
from synckairos.composition.server import Server
from synckairos.composition.supervision.sd_notify import METRICS_PORT, READY, notify
from synckairos.settings import Settings

GC_THRESHOLDS: Final = (1_000, 5, 1_600)
"""Short looks at what is young, for every call waits meanwhile: a pass takes about a microsecond an object. Looking in
full is as rare as with (20 000, 20, 20), whose passes took 20 ms."""
CLOSE_S: Final = 15.0
"""For closing everything once the calls are over: the timeouts of the stores lie below it."""

_log = structlog.get_logger(__name__)


def _calm_collector() -> None:
    """Keep the garbage collector from looking at objects that live as long as the process, and its pauses short."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def serve(
    settings: Settings,
    *,
    reuse_port: bool = False,
    http: socket.socket | None = None,
    on_started: Callable[[Server], None] = lambda _: None,
    may_reload: bool = True,
    supervisor: int = 0,
) -> None:
    """Run a server until it is asked to stop; then it is gone within delay, grace and CLOSE_S.

    SIGHUP asks it to stop, unless it may reload files instead and has some. It stops without its `supervisor`, too, if
    it has one (a process id).
    """
    server = Server(settings, reuse_port=reuse_port, http=http)
    reload = server.reloading.ask if may_reload else None
    stop = stop_requested(settings.drain_delay_s + settings.drain_grace_s + CLOSE_S, reload)
    await server.start()
    _calm_collector()
    watch = asyncio.ensure_future(end_without(supervisor)) if supervisor else None
    try:
        on_started(server)
        notify(**{READY: 1, METRICS_PORT: server.metrics_port or 0})
        await stop.wait()
        _log.info("stopping")
    finally:
        if watch is not None:
            watch.cancel()
        await server.stop()
