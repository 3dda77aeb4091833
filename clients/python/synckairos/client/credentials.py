"""Who calls: a token, and the rule that it never crosses a network in the clear."""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final, TypeAlias

import grpc

Token: TypeAlias = str | Callable[[], Awaitable[str]]
"""A token, or a coroutine function that returns the one of the moment; it is asked before every call."""

HEADER: Final = "authorization"
IP_SCHEMES: Final = ("ipv4:", "ipv6:")
NAME_SCHEMES: Final = ("dns:///", "dns:")


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
