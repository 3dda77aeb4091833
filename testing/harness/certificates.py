"""Authorities and certificates of a test, in files as an operator has them."""

import os
from pathlib import Path

import grpc
import trustme

HOST = "127.0.0.1"


class Certificates:
    """A folder with an authority (ca.pem), a server's certificate (cert.pem, key.pem) and a client's."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.authority = trustme.CA()
        self.ca, self.cert, self.key = (folder / f"{name}.pem" for name in ("ca", "cert", "key"))
        self.client_cert, self.client_key = folder / "client-cert.pem", folder / "client-key.pem"
        self.authority.cert_pem.write_to_path(str(self.ca))
        self.renew()
        write_pair(self.authority.issue_cert("client.test"), self.client_cert, self.client_key)

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a server with TLS."""
        return {"tls_cert": str(self.cert), "tls_key": str(self.key)}

    @property
    def mutual(self) -> dict[str, str]:
        """Settings of a server that asks for certificates."""
        return {**self.settings, "tls_client_ca": str(self.ca)}

    def renew(self) -> None:
        """Put another certificate with another key in the place of the server's."""
        write_pair(self.authority.issue_cert(HOST, "localhost"), self.cert, self.key)

    def credentials(self, *, own: bool = False) -> grpc.ChannelCredentials:
        """Return what a client connects with; with `own` it shows its certificate."""
        pair = (self.client_key.read_bytes(), self.client_cert.read_bytes()) if own else (None, None)
        return grpc.ssl_channel_credentials(self.ca.read_bytes(), *pair)


def write_pair(issued: trustme.LeafCert, cert: Path, key: Path) -> None:
    """Write a certificate with its chain, and its key, each in one step."""
    for path, text in (
        (cert, b"".join(one.bytes() for one in issued.cert_chain_pems)),
        (key, issued.private_key_pem.bytes()),
    ):
        beside = path.with_suffix(".new")
        beside.write_bytes(text)
        os.replace(beside, path)
