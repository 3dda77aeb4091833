"""A proxy in front of Redis that harms pub/sub messages and nothing else: lost, doubled, swapped, late.

The connections for commands stay as healthy as ever, so that no broken one gives away that hints are missing.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from testing.harness.processes.tcp_proxy import Hook, TcpProxy

LINE_END: Final = b"\r\n"


class Harm(Enum):
    """The fate of a message."""

    NONE = auto()
    LOSE = auto()
    DOUBLE = auto()
    SWAP = auto()
    """It is passed on behind the next one that is passed on."""
    DELAY = auto()
    """It is passed on a while later, whatever has been passed on meanwhile."""


class HintProxy(TcpProxy):
    """Forwards to a Redis (RESP2); `choose` decides the fate of each message, `done` counts the fates.

    `is_deaf`: every message is lost, while pings are answered. `is_silent`: not even they are, and the connection stays
    open. `lost_confirmations`: how many answers to SUBSCRIBE are swallowed from now on.
    """

    def __init__(self, target_host: str, target_port: int, choose: Callable[[], Harm] = lambda: Harm.NONE) -> None:
        super().__init__(target_host, target_port)
        self.choose = choose
        self.is_deaf = False
        self.is_silent = False
        self.lost_confirmations = 0
        self.delay_s = 0.1
        self.done: Counter[Harm] = Counter()

    def _hooks(self, client: asyncio.StreamWriter) -> tuple[Hook, Hook]:
        line = _Line(self, client)
        return line.to_server, line.to_client

    def harm(self) -> Harm:
        """Decide upon the next message."""
        harm = Harm.LOSE if self.is_deaf else self.choose()
        self.done[harm] += 1
        return harm

    def swallows_confirmation(self) -> bool:
        """Decide upon the next answer to SUBSCRIBE."""
        if not self.lost_confirmations:
            return False
        self.lost_confirmations -= 1
        return True


@dataclass
class _Line:
    """One connection, looked into once it has subscribed to a channel."""

    proxy: HintProxy
    client: asyncio.StreamWriter
    is_feed: bool = False
    rest: bytes = b""
    swapped: bytes = b""

    def to_server(self, data: bytes) -> bytes:
        """Note that the connection is one for messages; nothing else is on its way then."""
        self.is_feed = self.is_feed or b"SUBSCRIBE" in data
        return data

    def to_client(self, data: bytes) -> bytes:
        """Return the bytes that are passed on now."""
        if not self.is_feed:
            return data
        self.rest += data
        return b"".join(self._passed(reply) for reply in self._replies())

    def _replies(self) -> Iterator[bytes]:
        """Take the whole replies off the bytes that have come."""
        while (end := _end_of_reply(self.rest, 0)) is not None:
            reply, self.rest = self.rest[:end], self.rest[end:]
            yield reply

    def _passed(self, reply: bytes) -> bytes:
        kind = reply.split(LINE_END, 3)[2] if reply.startswith(b"*3") else b""
        if self.proxy.is_silent:
            self.proxy.done[Harm.LOSE] += kind == b"message"
            return b""
        if kind == b"subscribe":
            return b"" if self.proxy.swallows_confirmation() else reply
        if kind != b"message":
            return reply
        match self.proxy.harm():
            case Harm.LOSE:
                return b""
            case Harm.DOUBLE:
                return reply + reply
            case Harm.SWAP:
                self.swapped += reply
                return b""
            case Harm.DELAY:
                asyncio.get_running_loop().call_later(self.proxy.delay_s, self._pass_late, reply)
                return b""
            case _:
                swapped, self.swapped = self.swapped, b""
                return reply + swapped

    def _pass_late(self, reply: bytes) -> None:
        if not self.client.is_closing():
            self.client.write(reply)


def _end_of_reply(data: bytes, start: int) -> int | None:
    """Return where the reply that begins at `start` ends, None if it is not complete."""
    line = data.find(LINE_END, start)
    if line < 0:
        return None
    end = line + len(LINE_END)
    kind, rest = data[start : start + 1], data[start + 1 : line]
    if kind == b"$" and rest != b"-1":
        end += int(rest) + len(LINE_END)
        return end if end <= len(data) else None
    if kind == b"*":
        for _ in range(int(rest)):
            found = _end_of_reply(data, end)
            if found is None:
                return None
            end = found
    return end
