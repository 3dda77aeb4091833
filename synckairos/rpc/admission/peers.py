"""Where a call comes from, and what its connection has proved."""

import ssl
from ipaddress import IPv6Address, ip_address
from typing import Any


def peer_of(context: Any) -> str:  # noqa: ANN401 - any of gRPC's contexts
    """Return the network address of a caller, as gRPC names it.

    Behind this process' own handshakes (composition.listeners.tls_front) it is the last part of a Unix socket's name.
    """
    peer: str = context.peer()
    return peer.rpartition("/")[2] if peer.startswith("unix:") else peer


def address_of(context: Any) -> str:  # noqa: ANN401 - any of gRPC's contexts
    """Return the address of a caller without its port: several connections are one peer."""
    peer = peer_of(context)
    host, colon, port = peer.rpartition(":")
    return host if colon and port.isdecimal() else peer


def shown_certificate(context: Any) -> bytes:  # noqa: ANN401 - any of gRPC's contexts
    """Return the certificate (PEM) that the connection of a call has shown, as gRPC knows it; empty for none."""
    shown: list[bytes] = context.auth_context().get("x509_pem_cert", [b""])
    return shown[0]


def shown_by(connection: ssl.SSLObject | None) -> bytes:
    """Return the certificate (PEM) that was shown in a handshake; empty for none, and without TLS."""
    shown = None if connection is None else connection.getpeercert(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(shown).encode() if shown else b""


def forwarded_peer(said: str | bytes) -> str:
    """Return the last address of an `x-forwarded-for`, which may have a port, as gRPC names it; empty if it is none."""
    last = said.decode(errors="replace") if isinstance(said, bytes) else said
    last = last.rpartition(",")[2].strip()
    for host, port in ((last, ""), (last.rpartition(":")[0], last.rpartition(":")[2])):
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            continue
        name = f"ipv6:[{address}]" if isinstance(address, IPv6Address) else f"ipv4:{address}"
        return f"{name}:{port}" if port.isdecimal() and len(port) <= len("65535") else name
    return ""
