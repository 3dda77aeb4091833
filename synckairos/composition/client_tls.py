"""What this process shows the servers that it calls, and whom it trusts: files that may change while it runs."""

import ssl
from pathlib import Path

import grpc

from synckairos.client.credentials import SYSTEM, credentials_of
from synckairos.composition.reloading import Reloaded, Tell
from synckairos.settings import Settings


def opened_client_tls(settings: Settings, tell: Tell) -> Reloaded[grpc.ChannelCredentials | None]:
    """Return the credentials of the settings, None for calls in the clear; raises UnusableFilesError."""
    ca, cert, key = settings.tls_ca, settings.tls_client_cert, settings.tls_client_key
    paths = [Path(path) for path in (ca, cert, key) if path and path != SYSTEM]

    def made() -> grpc.ChannelCredentials | None:
        # gRPC takes whatever it is given, and then cannot connect: what is broken is to be noticed here.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if ca and ca != SYSTEM:
            context.load_verify_locations(ca)
        if cert:
            context.load_cert_chain(cert, key, password=_no_password)
        return credentials_of(ca, cert, key)

    return Reloaded("client_tls", paths, made, tell)


def _no_password() -> str:
    """Raise ValueError: otherwise OpenSSL asks for it on the terminal."""
    raise ValueError("the key is encrypted: take one without a password, in a file that only this process can read")
