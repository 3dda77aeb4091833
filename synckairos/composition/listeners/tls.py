"""TLS of the ports: one set of files for gRPC and HTTP, changed under new connections without a restart."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import grpc

from synckairos.composition.reloading import Reloaded, Tell
from synckairos.settings import Settings

HTTP: Final = "http/1.1"
GRPC: Final = "h2"


class Served(NamedTuple):
    """A certificate with its key, and the authorities of clients, in the form of either port."""

    configuration: grpc.ServerCertificateConfiguration
    contexts: Mapping[str, ssl.SSLContext]
    """By protocol: it is agreed on with the context that a handshake is switched to."""


class Tls:
    """What the ports of this process show their callers, and ask of them."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        """Read the files of the settings; raises UnusableFilesError."""
        self._cert, self._key = Path(settings.tls_cert), Path(settings.tls_key)
        self._client_ca = Path(settings.tls_client_ca) if settings.tls_client_ca else None
        self._is_required = settings.tls_client_auth == "required"
        paths = [self._cert, self._key, *([self._client_ca] if self._client_ca else [])]
        self.files = Reloaded("tls", paths, self._made, tell)

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return credentials that gRPC asks for the certificate of the moment at every new connection.

        Not where a certificate is optional: that is beyond grpcio (see TlsFront).

        They have to be held as long as the server runs: its core calls them by a bare pointer.
        """
        given = self.files.current.configuration

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            if given is self.files.current.configuration:
                return None
            given = self.files.current.configuration
            return given

        return grpc.dynamic_ssl_server_credentials(
            given,
            changed,  # type: ignore[arg-type] # None means that nothing has changed: types-grpcio leaves it out
            require_client_authentication=self._client_ca is not None,
        )

    @property
    def is_optional(self) -> bool:
        """Whether clients may show a certificate and need not."""
        return self._client_ca is not None and not self._is_required

    def context(self, protocol: str) -> ssl.SSLContext:
        """Return a context whose handshakes are done with the files of the moment, for HTTP or GRPC."""

        def switch(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            # OpenSSL calls this at every handshake, with a name or without.
            connection.context = self.files.current.contexts[protocol]

        context = self._context(protocol)
        context.sni_callback = switch
        return context

    def _made(self) -> Served:
        contexts = {protocol: self._context(protocol) for protocol in (HTTP, GRPC)}
        roots = self._client_ca.read_bytes() if self._client_ca else None
        pair = (self._key.read_bytes(), self._cert.read_bytes())
        return Served(grpc.ssl_server_certificate_configuration([pair], roots), contexts)

    def _context(self, protocol: str) -> ssl.SSLContext:
        """Return a context of the files as they are; raises OSError if certificate and key do not belong together."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([protocol])
        context.load_cert_chain(self._cert, self._key, password=_no_password)
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if self._is_required else ssl.CERT_OPTIONAL
        return context


def opened_tls(settings: Settings, tell: Tell) -> Tls | None:
    """Return the TLS of the settings, None without; raises UnusableFilesError."""
    return Tls(settings, tell) if settings.tls_cert else None


def _no_password() -> str:
    """Raise ValueError: otherwise OpenSSL asks for it on the terminal."""
    raise ValueError("the key is encrypted: a server takes one without a password, in a file that only it can read")
