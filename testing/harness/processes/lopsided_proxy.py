"""A proxy whose two directions take different times, as a satellite link's or a loaded uplink's do."""

import asyncio
from dataclasses import dataclass

from testing.harness.processes.tcp_proxy import CHUNK_BYTES, Hook, TcpProxy


@dataclass(frozen=True, slots=True)
class _Way:
    """One direction: every chunk arrives so many seconds later."""

    seconds: float

    def __call__(self, data: bytes) -> bytes:
        return data


class LopsidedProxy(TcpProxy):
    """Holds back what goes to the server, and what comes from it, each for a time of its own; order and rate stay."""

    def __init__(self, target_host: str, target_port: int, there_s: float, back_s: float) -> None:
        super().__init__(target_host, target_port)
        self._ways = _Way(there_s), _Way(back_s)

    def _hooks(self, client: asyncio.StreamWriter) -> tuple[Hook, Hook]:  # noqa: ARG002 - the same for all
        return self._ways

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hook: Hook) -> None:
        assert isinstance(hook, _Way)
        loop = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.create_task(_deliver(on_the_way, writer))
        try:
            while data := await reader.read(CHUNK_BYTES):
                on_the_way.put_nowait((loop.time() + hook.seconds, data))
            on_the_way.put_nowait((loop.time() + hook.seconds, b""))
            await delivering
        finally:
            delivering.cancel()


async def _deliver(on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due, data = await on_the_way.get()
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        if not data:
            writer.write_eof()
            return
        writer.write(data)
        await writer.drain()
