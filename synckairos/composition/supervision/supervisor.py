"""Keeps a number of server processes running: starts, restarts, replaces and stops them."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from synckairos.composition.supervision.child import Child
from synckairos.composition.supervision.merged_metrics import MergedMetrics

BACKOFF_S: Final = (0.5, 30.0)
"""Pause before a process that ended is started again: the first, and the longest it doubles up to."""
STEADY_S: Final = 60.0
"""A process that has lived for so long is started again after the first pause."""

_log = structlog.get_logger(__name__)


class NeverReadyError(Exception):
    """A process ended before any of them served: starting it again would not help."""


class Supervisor:
    """The processes of one `serve`, by number."""

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        environment: Mapping[str, str],
        stop_s: float,
        on_ready: Callable[[], None],
    ) -> None:
        """`commands` has the command of each; a process that is to stop is killed after `stop_s`."""
        self._commands = commands
        self._environment = environment
        self._stop_s = stop_s
        self._on_ready = on_ready
        self._children: dict[int, Child] = {}
        self._begun = 0
        self._ready: set[int] = set()
        self._replacing: asyncio.Task[None] | None = None
        self.metrics = MergedMetrics(self._children)

    @property
    def is_serving(self) -> bool:
        """Whether any process says that it is SERVING."""
        return any(child.is_serving for child in self._children.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all processes running until the event is set, then until the last has ended; raises NeverReadyError."""
        with tempfile.TemporaryDirectory(prefix="synckairos-") as folder:
            self._folder = Path(folder)
            keepers = [asyncio.ensure_future(self._keep(place)) for place in range(len(self._commands))]
            stopping = asyncio.ensure_future(stop.wait())
            try:
                await asyncio.wait([stopping, *keepers], return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopping.cancel()
                await self._end(keepers)
            for keeper in keepers:
                if not keeper.cancelled():
                    keeper.result()

    def replace_all(self) -> bool:
        """Replace every process, one after the other, each once its successor serves; always True: it is on its way."""
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.ensure_future(self._replace_all())
        return True

    async def _replace_all(self) -> None:
        for place, old in list(self._children.items()):
            fresh = await self._started(place)
            try:
                is_ready = await fresh.ready()
            except asyncio.CancelledError:
                fresh.kill()
                raise
            if not is_ready:
                _log.error("process_not_replaced", process=place, problem="its successor has ended: all others stay")
                return
            self._children[place] = fresh
            old.stop()
            await self._bounded_end(old)
            _log.info("process_replaced", process=place, pid=fresh.pid)

    async def _keep(self, place: int) -> None:
        pause, longest = BACKOFF_S
        while True:
            started = time.monotonic()
            child = self._children[place] = await self._started(place)
            if await child.ready():
                self._note_ready(place)
            code = await self._end_of(place)
            if not self._ready:
                raise NeverReadyError(f"a server process ended with {code}; the reason is above")
            if time.monotonic() - started > STEADY_S:
                pause = BACKOFF_S[0]
            _log.error("process_ended", process=place, code=code, restart_s=pause)
            self.metrics.restarts.inc()
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _end_of(self, place: int) -> int:
        """Wait for the end of whichever process has this number when it ends."""
        while True:
            child = self._children[place]
            code = await child.ended()
            if self._children[place] is child:
                return code

    async def _started(self, place: int) -> Child:
        self._begun += 1
        child = Child(self._commands[place], self._environment, self._folder / str(self._begun))
        await child.start()
        return child

    def _note_ready(self, place: int) -> None:
        if len(self._ready) == len(self._commands):
            return
        self._ready.add(place)
        if len(self._ready) == len(self._commands):
            self._on_ready()

    async def _end(self, keepers: Sequence[asyncio.Future[None]]) -> None:
        if self._replacing is not None:
            self._replacing.cancel()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.wait(keepers)
        for child in self._children.values():
            child.stop()
        await asyncio.gather(*(self._bounded_end(child) for child in self._children.values()))

    async def _bounded_end(self, child: Child) -> None:
        try:
            async with asyncio.timeout(self._stop_s):
                await child.ended()
        except TimeoutError:
            child.kill()
            await child.ended()
