"""The bus of a cluster, where each node listens behind a proxy that can cut it off from the others.

A node opens a connection to each other one, so a proxy sees whoever connects to its node; who that is stands in the
header of each message.
"""

from collections.abc import Set as AbstractSet
from typing import Final

from testing.harness.processes.tcp_proxy import Hook, TcpProxy

MAGIC: Final = b"RCmb"
SENDER: Final = slice(40, 80)


class BusProxy(TcpProxy):
    """Stands before the bus port of one node; `isolated` are the ids of nodes that are cut off, now."""

    def __init__(self, port: int, isolated: AbstractSet[bytes]) -> None:
        super().__init__("127.0.0.1", port)
        self.node = b""
        """The id of the node behind it."""
        self._isolated = isolated

    def cuts(self, sender: bytes) -> bool:
        """Whether nothing may pass between a sender and the node."""
        return sender in self._isolated or self.node in self._isolated

    def _hooks(self, client: object) -> tuple[Hook, Hook]:  # noqa: ARG002 - the link knows its two ends
        link = _Link(self)
        return link.to_node, link.pass_on


class _Link:
    """One connection; bytes are missing once it has been cut off, so whoever ends that resets it."""

    def __init__(self, proxy: BusProxy) -> None:
        self._proxy = proxy
        self._sender = b""

    def to_node(self, data: bytes) -> bytes:
        """Take bytes for the node, the first of which tell who sends them."""
        if not self._sender and data.startswith(MAGIC):
            self._sender = data[SENDER]
        return self.pass_on(data)

    def pass_on(self, data: bytes) -> bytes:
        """Return the bytes that pass."""
        return b"" if self._proxy.cuts(self._sender) else data
