"""What is looked at of a request before anything is done for it."""

import re
from collections.abc import MutableMapping, Sequence
from http import HTTPStatus
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from synckairos.gateway.guard import Asker, Guard
from synckairos.rpc.server import MAX_METADATA_BYTES

Scope: TypeAlias = MutableMapping[str, Any]
Pairs: TypeAlias = tuple[tuple[bytes, bytes], ...]

EXPOSED_HEADERS: Final = b"grpc-message, grpc-status, grpc-status-details-bin, trailer-x-request-id, x-request-id"

PRINTABLE: Final = re.compile(rb"[ -~]*")
ONCE: Final = (b"host", b"origin", b"content-type", b"if-none-match")


class Refusal(Exception):
    """A request that is not answered, with its status and the words of Connect for it."""

    def __init__(self, status: HTTPStatus, code: str, problem: str, headers: Pairs = ()) -> None:
        super().__init__(problem)
        self.status = status
        self.code = code
        self.problem = problem
        self.headers = headers


class Admitted(NamedTuple):
    """A request that may be answered; `sharing` are the headers by which a listed origin's page may read the answer."""

    content_type: str
    etags: str
    sharing: Pairs


def admit(scope: Scope, guard: Guard) -> Admitted:
    """Return what an answer needs of a request's head; raises Refusal."""
    head = _head(scope["headers"])
    host = head.get(b"host", b"").decode()
    if not guard.is_known(host):
        raise Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            "permission_denied",
            "this name is not served: SYNCKAIROS_GATEWAY_HOSTS lists those that are",
        )
    sharing: Pairs = ()
    origin = head.get(b"origin")
    if origin is not None:
        asker = guard.asker(origin.decode(), scope["scheme"], host)
        if asker is Asker.FOREIGN_PAGE:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "permission_denied",
                "pages of this origin may not call: SYNCKAIROS_GATEWAY_ORIGINS lists those that may",
            )
        if asker is Asker.LISTED_PAGE:
            sharing = _sharing_with(origin)
    return Admitted(_essence(head.get(b"content-type", b"")), head.get(b"if-none-match", b"").decode(), sharing)


def content_type_of(scope: Scope) -> str:
    """Return the content type of a request without its parameters, empty if it has none."""
    return _essence(next((value for name, value in scope["headers"] if name == b"content-type"), b""))


def _essence(content_type: bytes) -> str:
    return str(content_type.partition(b";")[0].strip().lower(), "ascii", "replace")


def _head(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by name; raises Refusal where they are too large, or one that is looked at comes twice.

    So it does for what gRPC's metadata cannot hold.
    """
    text = b"".join(chain.from_iterable(headers))
    if len(text) > MAX_METADATA_BYTES:
        raise Refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "resource_exhausted",
            f"headers are larger than {MAX_METADATA_BYTES} bytes",
        )
    if PRINTABLE.fullmatch(text) is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_argument", "headers must be printable ASCII")
    head = dict(headers)
    if len(head) != len(headers):
        names = [name for name, _ in headers]
        if any(names.count(name) > 1 for name in ONCE):
            raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_argument", "a header that must come once comes twice")
    return head


def _sharing_with(origin: bytes) -> Pairs:
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED_HEADERS),
        (b"vary", b"Origin"),
    )
