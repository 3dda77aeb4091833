"""The methods of services as endpoints of Connect, each passed on to a backend."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from synckairos.gateway.backend import Backend, Request, Stream, Told
from synckairos.gateway.codecs import BinaryCodec, JsonCodec, SmallGzip, Wire
from synckairos.gateway.failures import CallFailed, broken, draining
from synckairos.gateway.metadata import from_headers, put_into
from synckairos.rpc.server import MAX_RECEIVE_BYTES

Context: TypeAlias = RequestContext[Any, Any]

certificate: Final[ContextVar[bytes]] = ContextVar("certificate", default=b"")
"""What the connection of the request that is being answered has shown (PEM): Connect has no place for it."""

KINDS: Final = {
    (False, False): StreamType.UNARY,
    (False, True): StreamType.SERVER_STREAM,
    (True, False): StreamType.CLIENT_STREAM,
    (True, True): StreamType.BIDI_STREAM,
}


class Calls(ConnectASGIApplication[Backend]):
    """Connect's application for every method of these services whose request is one message."""

    def __init__(
        self, backend: Backend, services: Iterable[ServiceDescriptor], *, max_message: int = MAX_RECEIVE_BYTES
    ) -> None:
        """Refuse messages of more than `max_message` bytes with RESOURCE_EXHAUSTED."""
        methods = [method for service in services for method in service.methods if self.is_offered(method)]
        self.is_stream: Mapping[str, bool] = {
            path_of(method): method.server_streaming or method.client_streaming for method in methods
        }
        """Whether a method has more than one message, by its full name."""
        self._streams: set[Stream] = set()
        self._is_draining = False
        super().__init__(
            service=backend,
            endpoints=lambda backend: {path_of(method): self.endpoint(backend, method) for method in methods},
            codecs=[BinaryCodec(), JsonCodec()],
            compressions=[SmallGzip()],
            read_max_bytes=max_message,
        )

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return "/"

    def is_offered(self, method: MethodDescriptor) -> bool:
        """Whether browsers can call a method: they send one message."""
        return not method.client_streaming

    def drain(self) -> None:
        """End every stream with UNAVAILABLE, and answer new calls so."""
        self._is_draining = True
        for stream in tuple(self._streams):
            stream.end(draining())

    def endpoint(self, backend: Backend, method: MethodDescriptor) -> Any:  # noqa: ANN401 - their kinds have no public names
        """Return how a method is called."""
        path, info = path_of(method), info_of(method)
        if method.server_streaming:
            return Endpoint.server_stream(
                info, lambda message, context: self._stream(backend, request_of(path, message, context), context)
            )
        return Endpoint.unary(
            info, lambda message, context: self._unary(backend, request_of(path, message, context), context)
        )

    async def _unary(self, backend: Backend, request: Request, context: Context) -> Wire:
        self._refuse_if_draining()
        told = Told()
        try:
            encoded = await backend.unary(request, told)
        except CallFailed as error:
            put_into(context.response_headers, told.headers)
            put_into(context.response_trailers, error.trailers)
            raise error.as_connect_error() from None
        except Exception as error:
            raise broken(request.path, error) from error
        # Mostly there is nothing to tell, and to ask for the headers is to have some made.
        if told.headers:
            put_into(context.response_headers, told.headers)
        if told.trailers:
            put_into(context.response_trailers, told.trailers)
        return Wire(encoded, context.method.output)

    async def _stream(self, backend: Backend, request: Request, context: Context) -> AsyncGenerator[Wire, None]:
        self._refuse_if_draining()
        told = Told()
        under_way = backend.stream(request, told)
        self._streams.add(under_way)
        try:
            async with aclosing(under_way.messages()) as messages:
                async for encoded in messages:
                    # They leave with the first message, and are put nowhere again.
                    put_into(context.response_headers, told.headers)
                    told.headers = ()
                    yield Wire(encoded, context.method.output)
        except CallFailed as error:
            put_into(context.response_trailers, error.trailers)
            raise error.as_connect_error() from None
        except Exception as error:
            raise broken(request.path, error) from error
        else:
            put_into(context.response_trailers, told.trailers)
        finally:
            self._streams.discard(under_way)
            put_into(context.response_headers, told.headers)

    def _refuse_if_draining(self) -> None:
        if self._is_draining:
            raise draining().as_connect_error()


def info_of(method: MethodDescriptor) -> MethodInfo[Any, Any]:
    """Return a method as Connect describes it."""
    return MethodInfo(
        name=method.name,
        service_name=method.containing_service.full_name,
        input=GetMessageClass(method.input_type),
        output=GetMessageClass(method.output_type),
        # Not said, even where the contract says it: Connect would answer to GET, which any page may send.
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=KINDS[method.client_streaming, method.server_streaming],
    )


def path_of(method: MethodDescriptor) -> str:
    """Return a method's full name."""
    return f"/{method.containing_service.full_name}/{method.name}"


def request_of(path: str, message: Wire, context: Context) -> Request:
    """Return a call as a backend takes it."""
    left = context.timeout_ms
    timeout_s = None if left is None else max(left, 0.0) / 1_000
    metadata = from_headers(context.request_headers)
    return Request(path, message.encoded, metadata, timeout_s, _peer(context), certificate.get())


def _peer(context: Context) -> str:
    """Return the caller's address as gRPC writes it."""
    host, _, port = (context.client_address or "").rpartition(":")
    if not host:
        return "http"
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
