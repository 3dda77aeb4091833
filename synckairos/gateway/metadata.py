"""HTTP headers as gRPC's metadata, and back."""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import Headers

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
"""Names in lower case with their values; those of names that end in `-bin` are bytes."""

STAYING: Final = frozenset(
    (
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection",
        "content-encoding", "content-length", "content-type", "cookie", "date", "dnt", "expect", "host", "keep-alive",
        "origin", "pragma", "priority", "referer", "server", "te", "trailer", "transfer-encoding", "upgrade",
        "upgrade-insecure-requests", "user-agent", "vary", "via", "x-forwarded-for", "x-grpc-web", "x-user-agent",
    )
)  # fmt: skip
"""Headers that are about this exchange of HTTP alone, in either direction."""
STAYING_PREFIXES: Final = ("access-control-", "connect-", "grpc-", "proxy-", "sec-", "trailer-")
NAME: Final = re.compile(r"(?!-bin$)[0-9a-z_.-]+")
"""What gRPC allows in a name; headers with other names stay behind.

`-bin` alone is one of text to gRPC, whose binary names have something before it.
"""


def from_headers(headers: Headers) -> Metadata:
    """Return a request's headers as metadata; raises ConnectError for a `-bin` header that is not base64."""
    return tuple(
        (name, _decoded(name, value) if name.endswith("-bin") else value)
        for name, value in headers.allitems()
        if name not in STAYING and not name.startswith(STAYING_PREFIXES) and NAME.fullmatch(name)
    )


def put_into(headers: Headers, metadata: Iterable[tuple[str, str | bytes]]) -> None:
    """Add metadata to a response's headers or trailers; the status itself travels by other ways."""
    for name, value in metadata:
        if name in STAYING or name.startswith("grpc-"):
            continue
        text = base64.b64encode(value).decode().rstrip("=") if isinstance(value, bytes) else value
        headers.add(name, text)


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConnectError(Code.INVALID_ARGUMENT, f"{name}: {error}") from error
