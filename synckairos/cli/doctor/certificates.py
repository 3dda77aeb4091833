"""The certificate that a server shows: whether its key fits, and how long it is valid.

The standard library shows the dates of a certificate only after a handshake, so one is made in memory.
"""

import ssl
import time
from typing import Final

from synckairos.cli.doctor.findings import Finding, advice, fine, unseen, wrong

DAY_S: Final = 86_400
SOON_DAYS: Final = 14
ANY_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, for which the module has no name: an expired certificate is to be read, too."""


def look_at_certificate(certificate: str, key: str, kind: str = "") -> Finding:
    """Return how the certificate in a PEM file stands: that of the ports, or (`CLIENT_`) the one shown as a client."""
    name = f"tls.{kind.lower()}certificate"
    files = f"SYNCKAIROS_TLS_{kind}CERT and SYNCKAIROS_TLS_{kind}KEY"
    remedy = f"renew it, and replace the files of {files}"
    try:
        starts, ends = validity(certificate, key)
    except (OSError, ssl.SSLError) as error:
        what = f"it cannot be used with its key: {getattr(error, 'reason', None) or error.strerror}"
        if isinstance(error, FileNotFoundError | PermissionError):
            return unseen(name, what, f"correct {files}")
        return wrong(name, what, remedy)
    left = (ends - time.time()) / DAY_S
    if left <= 0:
        return wrong(name, f"it expired {-left:.1f} days ago", remedy)
    if starts > time.time():
        return wrong(name, "it is not valid yet", "see to the clock of this machine, or of its issuer")
    if left < SOON_DAYS:
        return advice(name, f"it expires in {left:.1f} days", remedy)
    return fine(name, f"it is valid for {left:.0f} more days")


def validity(certificate: str, key: str) -> tuple[float, float]:
    """Return since when and until when a certificate is valid (s since 1970); raises OSError, SSLError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(certificate)
    client.verify_flags = ssl.VerifyFlags(client.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN | ANY_TIME)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (asking, answering, asking):
        _step(side)
    shown = asking.getpeercert() or {}
    return ssl.cert_time_to_seconds(str(shown["notBefore"])), ssl.cert_time_to_seconds(str(shown["notAfter"]))


def _step(side: ssl.SSLObject) -> None:
    """Go on with a handshake as far as it goes without the other side."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return
