"""What a process tells whoever started it, as services tell systemd: datagrams of NAME=value lines to NOTIFY_SOCKET."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, TypeAlias

NOTIFY_SOCKET: Final = "NOTIFY_SOCKET"
READY: Final = "READY"
STATUS: Final = "STATUS"
SERVING: Final = "SERVING"
"""The STATUS of a process that serves sessions."""
METRICS_PORT: Final = "X_METRICS_PORT"
"""Not of systemd, which takes no notice of it."""

Notice: TypeAlias = Mapping[str, str]


def notify(**told: object) -> None:
    """Tell whoever started this process, if that listens; who does not hear it is not waited for."""
    address = os.environ.get(NOTIFY_SOCKET, "")
    if not address.startswith(("/", "@")):
        return
    place = f"\0{address[1:]}" if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as caller:
        caller.setblocking(False)
        caller.sendto("\n".join(f"{name}={value}" for name, value in told.items()).encode(), place)


class Notices(asyncio.DatagramProtocol):
    """Hears the notices of one process."""

    def __init__(self, hear: Callable[[Notice], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, _address: object) -> None:
        """Take one notice."""
        lines = data.decode(errors="replace").splitlines()
        self._hear({name: value for name, _, value in (line.partition("=") for line in lines)})
