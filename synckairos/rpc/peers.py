"""Where a call comes from."""

from typing import Any


def peer_of(context: Any) -> str:  # noqa: ANN401 - any of gRPC's contexts
    """Return the network address of a caller, as gRPC names it.

    Behind this process' own handshakes (composition.tls_front) it is the last part of a Unix socket's name.
    """
    peer: str = context.peer()
    return peer.rpartition("/")[2] if peer.startswith("unix:") else peer
