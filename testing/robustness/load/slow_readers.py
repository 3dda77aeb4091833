"""A watcher that stops reading for a while, with a narrow window, just when its session changes often."""

import asyncio
import contextlib
from typing import Any, Final

from synckairos.v1 import session_service_pb2 as pb
from testing.robustness.load.clients import Caller
from testing.robustness.load.drawn_requests import LONG, uuid
from testing.robustness.load.watchers import WatchContext, Watcher, WatchSettings

NARROW: Final = (("grpc.http2.lookahead_bytes", 65_535), ("grpc.http2.bdp_probe", 0))
"""By default a client's window grows to megabytes, and messages in it count as read."""
BURST: Final = 500
"""Changes: some fill the window, some are in hand, 256 wait; from the next one on there is a gap."""
AT_ONCE: Final = 64
"""How many are asked for at a time: of all at once the last would time out on a busy machine, and be repeated."""
BULK: Final = "x" * 3_000
BURST_S: Final = 5.0
REST_S: Final = 6.0
"""Longer than the servers wait for a reader."""
COME_BACK_S: Final = 2.0
"""For so long it reads on from its token."""
SETTINGS: Final = WatchSettings(stays_s=(BURST_S + REST_S + 2.0,) * 2, tick_ms=500)
PAUSE_S: Final = (6.0, 14.0)


class SlowReader(Watcher):
    """Watches a session and has it changed so often meanwhile that there is a gap; every other time it rests, too."""

    def __init__(self, name: int, seed: str, context: WatchContext, caller: Caller) -> None:
        super().__init__(name, seed, context, SETTINGS, is_slow=True)
        self._caller = caller
        self._bursts: list[asyncio.Task[Any]] = []
        self._over = asyncio.Event()
        self._is_to_stop = False

    async def run_until(self, over: asyncio.Event) -> None:
        """Watch now and then until told to stop; wait for the changes that were asked for, and record them."""
        self._over = over
        while not over.is_set():
            await self._pause(self._chance.uniform(*PAUSE_S))
            lasting = [one.session_id for one in self._known.live() if one.labels.get("kind") == LONG]
            if lasting and not over.is_set():
                self.tokens, self._is_to_stop = {self._chance.choice(lasting): ""}, True
                await self._watch(self._chance.uniform(*self._settings.stays_s))
            if self.tokens:
                await self._watch(COME_BACK_S)
        await asyncio.gather(*self._bursts)

    async def _read(self, stream: int, call: Any) -> None:
        async for message in call:
            self._take(stream, message)
            if self._is_to_stop:
                self._is_to_stop = False
                self._bursts.append(asyncio.create_task(self._burst(message.session_id)))
                await asyncio.wait(self._bursts[-1:], timeout=BURST_S)
                if len(self._bursts) % 2:
                    await self._pause(REST_S)
            elif self._over.is_set():
                return

    async def _burst(self, session_id: str) -> None:
        asked = [pb.UpdateSessionRequest(session_id=session_id, request_id=uuid(self._chance)) for _ in range(BURST)]
        for place, request in enumerate(asked):
            request.metadata.update({"bulk": BULK, "place": place})
        to_ask = iter(asked)

        async def work() -> None:
            for request in to_ask:
                await self._caller.operate("UpdateSession", request)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
