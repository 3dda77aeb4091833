"""Who calls: a token, and the rule that it never crosses a network in the clear."""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from os import PathLike
from pathlib import Path
from typing import Final, TypeAlias

import grpc

Token: TypeAlias = str | Callable[[], Awaitable[str]]
"""A token, or a coroutine function that returns the one of the moment; it is asked before every call."""

HEADER: Final = "authorization"
SYSTEM: Final = "system"
IP_SCHEMES: Final = ("ipv4:", "ipv6:")
NAME_SCHEMES: Final = ("dns:///", "dns:")


class CredentialsError(ValueError):
    """Files of credentials cannot be read."""


def tls(
    ca: str | PathLike[str] | None = None,
    cert: str | PathLike[str] | None = None,
    key: str | PathLike[str] | None = None,
) -> grpc.ChannelCredentials:
    """Return credentials for `connect`: PEM files of the authorities to trust, and of one's own certificate and key.

    Without `ca` gRPC's own list of authorities is trusted. Raises CredentialsError.
    """
    if (cert is None) != (key is None):
        raise CredentialsError("a certificate and its key go together")
    roots, private, chain = (None if path is None else _pem(path) for path in (ca, key, cert))
    return grpc.ssl_channel_credentials(roots, private, chain)


def credentials_of(ca: str, cert: str = "", key: str = "") -> grpc.ChannelCredentials | None:
    """Return what settings ask for: none without authorities, whose file may also be called SYSTEM.

    Raises CredentialsError.
    """
    if not ca:
        if cert or key:
            raise CredentialsError("a certificate is shown over TLS only: name the authorities to trust, too")
        return None
    return tls(None if ca == SYSTEM else ca, cert or None, key or None)


def _pem(path: str | PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read: {error.strerror}") from error


def check_token(
    address: str, token: Token | None, credentials: grpc.ChannelCredentials | None, *, allow_insecure: bool
) -> None:
    """Raise ValueError if a token would leave this machine without encryption and nobody has allowed it."""
    if token is not None and credentials is None and not allow_insecure and not is_loopback(address):
        raise ValueError(
            f"a token for {address} would be sent in the clear: give credentials, such as"
            " grpc.ssl_channel_credentials(), or allow_insecure_token=True on a network that you trust"
        )


async def authorization(token: Token | None) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call: a token is a bearer's, unless it names another scheme before a space."""
    if token is None:
        return ()
    text = token if isinstance(token, str) else await token()
    return ((HEADER, text if " " in text else f"Bearer {text}"),)


def is_loopback(address: str) -> bool:
    """Whether what is sent to an address of gRPC's stays on this machine."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    for scheme in (*IP_SCHEMES, *NAME_SCHEMES):
        address = address.removeprefix(scheme)
    return all(_is_local(place) for place in address.split(","))


def _is_local(place: str) -> bool:
    host = place[1:].partition("]")[0] if place.startswith("[") else place.rpartition(":")[0] or place
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
