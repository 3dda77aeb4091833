"""The HTTP port's application: who may ask is checked first, then calls, files and health have their answers."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from synckairos.gateway.admission import Admitted, Pairs, Refusal, Scope, admit, content_type_of
from synckairos.gateway.backend import Backend
from synckairos.gateway.calls import Calls, certificate
from synckairos.gateway.files import POLICY, Files
from synckairos.gateway.guard import Guard

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

GRPC_WEB: Final = "application/grpc-web"
GRPC_WEB_TYPES: Final = (GRPC_WEB, f"{GRPC_WEB}+proto", f"{GRPC_WEB}+json")
CONNECT_UNARY: Final = ("application/proto", "application/json")
CONNECT_STREAM: Final = ("application/connect+proto", "application/connect+json")
CONNECT_TYPES: Final = frozenset({*CONNECT_UNARY, *CONNECT_STREAM})
UNARY_TYPES: Final = frozenset({*CONNECT_UNARY, *GRPC_WEB_TYPES})
STREAM_TYPES: Final = frozenset({*CONNECT_STREAM, *GRPC_WEB_TYPES})
HEALTH: Final = "/healthz"
PACKAGE: Final = "/synckairos."
CERTIFICATE: Final = "synckairos.certificate"
"""What a request's scope calls the certificate (PEM) of its connection."""
ALLOWED_HEADERS: Final = (
    b"authorization, connect-protocol-version, connect-timeout-ms, content-type, grpc-timeout, x-actor, x-api-key,"
    b" x-grpc-web, x-request-id, x-user-agent"
)
PREFLIGHT: Final[Pairs] = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", ALLOWED_HEADERS),
    (b"access-control-max-age", b"7200"),
)
ALWAYS: Final[Pairs] = ((b"x-content-type-options", b"nosniff"),)
OF_CALLS: Final[Pairs] = (*ALWAYS, (b"cache-control", b"no-store"))
TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")


class Application:
    """Calls at their paths, files everywhere else, and the health of the calls' backend."""

    def __init__(self, backend: Backend, calls: Calls, guard: Guard, files: Files) -> None:
        self._backend = backend
        self._calls = calls
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
        if scope["path"] == HEALTH:
            await self._tell_health(scope, send)
            return
        certificate.set(scope.get(CERTIFICATE, b""))
        sharing: Pairs = ()
        try:
            admitted = admit(scope, self._guard)
            sharing = admitted.sharing
            await self._answer(scope, receive, send, admitted)
        except Refusal as refusal:
            await _refuse(scope, send, refusal, sharing)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, admitted: Admitted) -> None:
        path, method = scope["path"], scope["method"]
        is_stream = self._calls.is_stream.get(path)
        if is_stream is None:
            await self._send_file(path, method, admitted, send)
            return
        if method == "OPTIONS" and admitted.sharing:
            await _send(send, HTTPStatus.NO_CONTENT, (*ALWAYS, *PREFLIGHT, *admitted.sharing))
            return
        if method != "POST":
            raise Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED, "unknown", "calls are made by POST", headers=((b"allow", b"POST"),)
            )
        types = STREAM_TYPES if is_stream else UNARY_TYPES
        if admitted.content_type not in types:
            known = ", ".join(sorted(types))
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unknown",
                f"the content type must be one of {known}",
                headers=((b"accept-post", known.encode()),),
            )
        await self._calls(scope, receive, _adding(send, (*OF_CALLS, *admitted.sharing)))

    async def _send_file(self, path: str, method: str, admitted: Admitted, send: Send) -> None:
        if path.startswith(PACKAGE):
            raise Refusal(HTTPStatus.NOT_FOUND, "unimplemented", f"{path[1:]} is not offered over HTTP")
        file = self._files.find(path)
        if file is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "unimplemented", "nothing lies here")
        if method not in {"GET", "HEAD"}:
            raise Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED, "unknown", "files are only read", headers=((b"allow", b"GET, HEAD"),)
            )
        headers = (
            *ALWAYS,
            *POLICY,
            *admitted.sharing,
            (b"etag", file.etag.encode()),
            (b"cache-control", b"no-cache"),
            (b"content-type", file.content_type.encode()),
        )
        if file.etag in (etag.strip().removeprefix("W/") for etag in admitted.etags.split(",")):
            await _send(send, HTTPStatus.NOT_MODIFIED, headers)
        else:
            await _send(send, HTTPStatus.OK, headers, file.content, is_head=method == "HEAD")

    async def _tell_health(self, scope: Scope, send: Send) -> None:
        is_serving = not self._is_draining and await self._backend.is_serving()
        status = HTTPStatus.OK if is_serving else HTTPStatus.SERVICE_UNAVAILABLE
        text = b"SERVING\n" if is_serving else b"NOT_SERVING\n"
        await _send(send, status, (*OF_CALLS, TEXT), text, is_head=scope["method"] == "HEAD")


def _adding(send: Send, headers: Pairs) -> Send:
    """Return a `send` that adds headers to the response, its length among them where the body is one piece."""
    start: MutableMapping[str, Any] | None = None

    async def sending(message: MutableMapping[str, Any]) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        if start is not None:
            began, start = start, None
            more = headers if message.get("more_body") else (*headers, _length(message["body"]))
            began["headers"] = [*began["headers"], *more]
            await send(began)
        await send(message)

    return sending


def _length(body: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % len(body))


async def _refuse(scope: Scope, send: Send, refusal: Refusal, sharing: Pairs) -> None:
    """Answer callers of Connect in its form of an error, others in words: those of gRPC-Web read the status alone."""
    if content_type_of(scope) in CONNECT_TYPES:
        headers = (*OF_CALLS, (b"content-type", b"application/json"))
        body = json.dumps({"code": refusal.code, "message": refusal.problem}).encode()
    else:
        headers, body = (*OF_CALLS, TEXT), f"{refusal.problem}\n".encode()
    await _send(send, refusal.status, (*headers, *refusal.headers, *sharing), body, is_head=scope["method"] == "HEAD")


async def _send(
    send: Send, status: HTTPStatus, headers: Pairs, body: bytes | None = None, *, is_head: bool = False
) -> None:
    length = () if body is None else (_length(body),)
    await send({"type": "http.response.start", "status": int(status), "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": b"" if is_head or body is None else body})
