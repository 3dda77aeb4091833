"""The port of gRPC, as the settings protect it: plain, with TLS, or behind a front that asks for certificates."""

import grpc

from synckairos.composition.listeners.listening import AddressInUseError, most_connections, problem_of
from synckairos.composition.listeners.tls import GRPC, Tls
from synckairos.composition.listeners.tls_front import FILES_EACH, TlsFront
from synckairos.rpc.admission.peers import peer_of, shown_certificate
from synckairos.rpc.interceptor import Context
from synckairos.settings import Settings


class GrpcPort:
    """Where calls come in; `number` is 0 before `open`."""

    def __init__(self, settings: Settings, *, reuse_port: bool) -> None:
        self._settings = settings
        self._reuse_port = reuse_port
        self._front: TlsFront | None = None
        self._held: grpc.ServerCredentials | None = None
        """gRPC's server needs them until it has stopped."""
        self.number = 0

    def open(self, server: grpc.aio.Server, tls: Tls | None) -> None:
        """Let a server listen, with TLS unless there is none; raises AddressInUseError."""
        listen = self._settings.listen
        try:
            self.number = self._listen(server, listen, tls)
        except RuntimeError as error:
            raise AddressInUseError(f"{listen} cannot be listened on: {problem_of(listen)}") from error

    async def start(self) -> None:
        """Take connections: gRPC listens by now."""
        if self._front is not None:
            await self._front.start()

    async def close(self) -> None:
        """Take no more connections; those that are open go on until gRPC ends them."""
        if self._front is not None:
            await self._front.close()

    async def stop(self) -> None:
        """Cut off what is open."""
        if self._front is not None:
            await self._front.stop()

    def certificate(self, context: Context) -> bytes:
        """Return the certificate (PEM) that the connection of a call has shown; empty for none."""
        if self._front is not None and context.peer().startswith("unix:"):
            return self._front.certificate(peer_of(context))
        return shown_certificate(context)

    def _listen(self, server: grpc.aio.Server, listen: str, tls: Tls | None) -> int:
        if tls is None:
            return server.add_insecure_port(listen)
        if tls.is_optional:
            room = most_connections(self._settings, files_each=FILES_EACH)
            self._front = TlsFront(listen, tls.context(GRPC), room, reuse_port=self._reuse_port)
            server.add_insecure_port(self._front.backend)
            return self._front.port
        self._held = tls.grpc_credentials()
        return server.add_secure_port(listen, self._held)
