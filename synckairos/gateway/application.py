"""The HTTP port's application: who may ask is checked first, then calls, files and health have their answers."""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeAlias

from google.protobuf.descriptor import ServiceDescriptor

from synckairos.gateway.backend import Backend
from synckairos.gateway.calls import Calls
from synckairos.gateway.files import POLICY, Files
from synckairos.gateway.guard import Asker, Guard
from synckairos.rpc.server import MAX_METADATA_BYTES

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Pairs: TypeAlias = tuple[tuple[bytes, bytes], ...]

GRPC_WEB: Final = ("application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json")
UNARY_TYPES: Final = frozenset({"application/proto", "application/json", *GRPC_WEB})
STREAM_TYPES: Final = frozenset({"application/connect+proto", "application/connect+json", *GRPC_WEB})
HEALTH: Final = "/healthz"
PACKAGE: Final = "/synckairos."
ALLOWED_HEADERS: Final = (
    "authorization, connect-protocol-version, connect-timeout-ms, content-type, grpc-timeout, x-actor, x-api-key,"
    " x-grpc-web, x-request-id, x-user-agent"
)
EXPOSED_HEADERS: Final = "grpc-message, grpc-status, grpc-status-details-bin, trailer-x-request-id, x-request-id"
PREFLIGHT: Final[Pairs] = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", ALLOWED_HEADERS.encode()),
    (b"access-control-max-age", b"7200"),
)
ALWAYS: Final[Pairs] = ((b"x-content-type-options", b"nosniff"),)
OF_CALLS: Final[Pairs] = (*ALWAYS, (b"cache-control", b"no-store"))
TEXT_BYTES: Final = frozenset(range(0x20, 0x7F))


class Head(NamedTuple):
    """What is looked at of a request before anything is done for it."""

    hosts: list[str]
    origins: list[str]
    content_type: str
    etags: str


class Application:
    """Calls of these services at their paths, files everywhere else, and `/healthz`."""

    def __init__(self, backend: Backend, services: Iterable[ServiceDescriptor], guard: Guard, files: Files) -> None:
        self._backend = backend
        self._calls = Calls(backend, services)
        self._guard = guard
        self._files = files
        self._is_draining = False

    def drain(self) -> None:
        """End every stream with UNAVAILABLE, answer new calls so, and be unhealthy."""
        self._is_draining = True
        self._calls.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI 3)."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not spoken here")
        path = scope["path"]
        if path == HEALTH:
            await self._tell_health(scope["method"], send)
            return
        head = _head(scope)
        if head is None:
            await _refuse(send, HTTPStatus.BAD_REQUEST, "invalid_argument", "headers must be printable ASCII")
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_METADATA_BYTES:
            problem = f"headers are larger than {MAX_METADATA_BYTES} bytes"
            await _refuse(send, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "resource_exhausted", problem)
            return
        if len(head.hosts) != 1 or not self._guard.is_known(head.hosts[0]):
            problem = "this name is not served: SYNCKAIROS_GATEWAY_HOSTS lists those that are"
            await _refuse(send, HTTPStatus.MISDIRECTED_REQUEST, "permission_denied", problem)
            return
        origin = head.origins[0] if head.origins else None
        asker = self._guard.asker(origin, scope["scheme"], head.hosts[0])
        if asker is Asker.FOREIGN_PAGE or len(head.origins) > 1:
            problem = "pages of this origin may not call: SYNCKAIROS_GATEWAY_ORIGINS lists those that may"
            await _refuse(send, HTTPStatus.FORBIDDEN, "permission_denied", problem)
            return
        shared = _shared_with(origin) if asker is Asker.LISTED_PAGE and origin else ()
        await self._answer(scope, receive, send, head, shared)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, head: Head, shared: Pairs) -> None:
        path, method = scope["path"], scope["method"]
        streams = self._calls.streaming.get(path)
        if streams is None:
            if path.startswith(PACKAGE):
                problem = f"{path[1:]} is not offered over HTTP"
                await _refuse(send, HTTPStatus.NOT_FOUND, "unimplemented", problem, shared)
            else:
                await self._send_file(path, method, head.etags, _adding(send, shared))
        elif shared and method == "OPTIONS":
            await _send(send, HTTPStatus.NO_CONTENT, b"", (*ALWAYS, *shared, *PREFLIGHT))
        elif method != "POST":
            more = (*shared, (b"allow", b"POST"))
            await _refuse(send, HTTPStatus.METHOD_NOT_ALLOWED, "unimplemented", "calls are made by POST", more)
        elif head.content_type not in (STREAM_TYPES if streams else UNARY_TYPES):
            types = ", ".join(sorted(STREAM_TYPES if streams else UNARY_TYPES))
            more = (*shared, (b"accept-post", types.encode()))
            problem = f"the content type must be one of {types}"
            await _refuse(send, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unknown", problem, more)
        else:
            await self._calls(scope, receive, _adding(send, (*OF_CALLS, *shared)))

    async def _send_file(self, path: str, method: str, etags: str, send: Send) -> None:
        if method not in {"GET", "HEAD"}:
            more = ((b"allow", b"GET, HEAD"),)
            await _refuse(send, HTTPStatus.METHOD_NOT_ALLOWED, "unimplemented", "files are only read", more)
            return
        file = self._files.find(path)
        if file is None:
            await _send(send, HTTPStatus.NOT_FOUND, b"nothing lies here\n", (*ALWAYS, (b"content-type", b"text/plain")))
            return
        headers = (
            *ALWAYS,
            *POLICY,
            (b"etag", file.etag.encode()),
            (b"cache-control", b"no-cache"),
            (b"content-type", file.content_type.encode()),
        )
        if file.etag in (etag.strip().removeprefix("W/") for etag in etags.split(",")):
            await _send(send, HTTPStatus.NOT_MODIFIED, None, headers)
            return
        await _send(send, HTTPStatus.OK, file.content, headers, is_head=method == "HEAD")

    async def _tell_health(self, method: str, send: Send) -> None:
        is_serving = not self._is_draining and await self._backend.is_serving()
        status = HTTPStatus.OK if is_serving else HTTPStatus.SERVICE_UNAVAILABLE
        text = b"SERVING\n" if is_serving else b"NOT_SERVING\n"
        headers = (*OF_CALLS, (b"content-type", b"text/plain"))
        await _send(send, status, text, headers, is_head=method == "HEAD")


def _head(scope: Scope) -> Head | None:
    """Return the head of a request, None if it holds what gRPC's metadata cannot."""
    hosts: list[str] = []
    origins: list[str] = []
    content_type = etags = ""
    for name, value in scope["headers"]:
        try:
            text = value.decode("ascii")
        except UnicodeDecodeError:
            return None
        if not text.isprintable():
            return None
        if name == b"host":
            hosts.append(text)
        elif name == b"origin":
            origins.append(text)
        elif name == b"content-type":
            content_type = text.partition(";")[0].strip().lower()
        elif name == b"if-none-match":
            etags = text
    return Head(hosts, origins, content_type, etags)


def _shared_with(origin: str) -> Pairs:
    return (
        (b"access-control-allow-origin", origin.encode()),
        (b"access-control-expose-headers", EXPOSED_HEADERS.encode()),
        (b"vary", b"Origin"),
    )


def _adding(send: Send, headers: Pairs) -> Send:
    """Return a `send` that adds headers to the response."""
    if not headers:
        return send

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return sending


async def _refuse(send: Send, status: HTTPStatus, code: str, problem: str, headers: Pairs = ()) -> None:
    """Answer with an error in Connect's form, which every reader of JSON can read."""
    body = json.dumps({"code": code, "message": problem}).encode()
    await _send(send, status, body, (*OF_CALLS, (b"content-type", b"application/json"), *headers))


async def _send(send: Send, status: HTTPStatus, body: bytes | None, headers: Pairs, *, is_head: bool = False) -> None:
    length = () if body is None or status is HTTPStatus.NO_CONTENT else ((b"content-length", str(len(body)).encode()),)
    await send({"type": "http.response.start", "status": int(status), "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": b"" if is_head or body is None else body})
