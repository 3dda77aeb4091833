"""The methods of services as endpoints of Connect, each passed on to a backend."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeAlias

from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from synckairos.gateway.backend import Backend, Request, Stream, Told
from synckairos.gateway.codecs import BinaryCodec, JsonCodec, Wire
from synckairos.gateway.failures import CallFailed, draining
from synckairos.gateway.metadata import from_headers, put_into
from synckairos.rpc.server import MAX_RECEIVE_BYTES

Context: TypeAlias = RequestContext[Any, Any]

KINDS: Final = {
    (False, False): StreamType.UNARY,
    (False, True): StreamType.SERVER_STREAM,
    (True, False): StreamType.CLIENT_STREAM,
    (True, True): StreamType.BIDI_STREAM,
}


class Calls(ConnectASGIApplication[Backend]):
    """Connect's application for every method of these services whose request is one message."""

    def __init__(self, backend: Backend, services: Iterable[ServiceDescriptor]) -> None:
        methods = [m for service in services for m in service.methods if not m.client_streaming]
        self.streaming: Mapping[str, bool] = {_path(method): bool(method.server_streaming) for method in methods}
        """Whether a method answers with a stream, by its full name."""
        self._streams: set[Stream] = set()
        self._is_draining = False
        super().__init__(
            service=backend,
            endpoints=lambda backend: {_path(method): self._endpoint(backend, method) for method in methods},
            codecs=[BinaryCodec(), JsonCodec()],
            compressions=(),
            read_max_bytes=MAX_RECEIVE_BYTES,
        )

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return "/"

    def drain(self) -> None:
        """End every stream with UNAVAILABLE, and answer new calls so."""
        self._is_draining = True
        for stream in tuple(self._streams):
            stream.end(draining())

    def _endpoint(self, backend: Backend, method: MethodDescriptor) -> Any:  # noqa: ANN401 - their kinds have no public names
        path, reply = _path(method), GetMessageClass(method.output_type)
        # Its idempotency is not said: Connect's GET is only for methods that have none of it to lose.
        info: MethodInfo[Any, Any] = MethodInfo(
            name=method.name,
            service_name=method.containing_service.full_name,
            input=GetMessageClass(method.input_type),
            output=reply,
            idempotency_level=IdempotencyLevel.UNKNOWN,
            stream_type=KINDS[method.client_streaming, method.server_streaming],
        )

        async def unary(message: Wire, context: Context) -> Wire:
            self._refuse_if_draining()
            told = Told()
            try:
                encoded = await backend.unary(_request(path, message, context), told)
            except CallFailed as error:
                put_into(context.response_headers, told.headers)
                put_into(context.response_trailers, error.trailers)
                raise error.as_connect_error() from None
            put_into(context.response_headers, told.headers)
            put_into(context.response_trailers, told.trailers)
            return Wire(encoded, reply)

        async def stream(message: Wire, context: Context) -> AsyncIterator[Wire]:
            self._refuse_if_draining()
            told = Told()
            under_way = backend.stream(_request(path, message, context), told)
            self._streams.add(under_way)
            is_first = True
            try:
                async with aclosing(under_way.messages()) as messages:  # type: ignore[type-var] # they are generators
                    async for encoded in messages:
                        if is_first:
                            put_into(context.response_headers, told.headers)
                            is_first = False
                        yield Wire(encoded, reply)
            except CallFailed as error:
                put_into(context.response_trailers, error.trailers)
                raise error.as_connect_error() from None
            else:
                put_into(context.response_trailers, told.trailers)
            finally:
                self._streams.discard(under_way)
                if is_first:
                    put_into(context.response_headers, told.headers)

        return Endpoint.server_stream(info, stream) if method.server_streaming else Endpoint.unary(info, unary)

    def _refuse_if_draining(self) -> None:
        if self._is_draining:
            raise draining().as_connect_error()


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _request(path: str, message: Wire, context: Context) -> Request:
    left = context.timeout_ms
    timeout_s = None if left is None else max(left, 0.0) / 1_000
    return Request(path, message.encoded, from_headers(context.request_headers), timeout_s, _peer(context))


def _peer(context: Context) -> str:
    """Return the caller's address as gRPC writes it."""
    host, _, port = (context.client_address or "").rpartition(":")
    if not host:
        return "http"
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
