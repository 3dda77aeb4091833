"""What is looked at of a request before anything is done for it."""

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeAlias

from synckairos.gateway.guard import Asker, Guard
from synckairos.rpc.server import MAX_METADATA_BYTES

Scope: TypeAlias = MutableMapping[str, Any]
Pairs: TypeAlias = tuple[tuple[bytes, bytes], ...]

EXPOSED_HEADERS: Final = b"grpc-message, grpc-status, grpc-status-details-bin, trailer-x-request-id, x-request-id"


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
    head = _head(scope)
    hosts, origins = head.get(b"host", []), head.get(b"origin", [])
    if len(hosts) != 1 or not guard.is_known(hosts[0]):
        raise Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            "permission_denied",
            "this name is not served: SYNCKAIROS_GATEWAY_HOSTS lists those that are",
        )
    origin = ", ".join(origins) or None
    asker = guard.asker(origin, scope["scheme"], hosts[0])
    if asker is Asker.FOREIGN_PAGE:
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "permission_denied",
            "pages of this origin may not call: SYNCKAIROS_GATEWAY_ORIGINS lists those that may",
        )
    return Admitted(
        content_type_of(scope),
        ",".join(head.get(b"if-none-match", [])),
        _sharing_with(origin) if asker is Asker.LISTED_PAGE and origin else (),
    )


def content_type_of(scope: Scope) -> str:
    """Return the content type of a request without its parameters, empty if it has none."""
    found = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return str(found.partition(b";")[0].strip().lower(), "ascii", "replace")


def _head(scope: Scope) -> dict[bytes, list[str]]:
    """Return the values of the headers that are looked at; raises Refusal for those that cannot be metadata."""
    size = 0
    head: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if not value.isascii() or not (text := value.decode("ascii")).isprintable():
            raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_argument", "headers must be printable ASCII")
        if name in {b"host", b"origin", b"if-none-match"}:
            head.setdefault(name, []).append(text)
    if size > MAX_METADATA_BYTES:
        raise Refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "resource_exhausted",
            f"headers are larger than {MAX_METADATA_BYTES} bytes",
        )
    return head


def _sharing_with(origin: str) -> Pairs:
    return (
        (b"access-control-allow-origin", origin.encode()),
        (b"access-control-expose-headers", EXPOSED_HEADERS),
        (b"vary", b"Origin"),
    )
