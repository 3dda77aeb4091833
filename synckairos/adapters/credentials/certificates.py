"""Client certificates: a file says which names in them are whose. That they are genuine, the handshake has proved."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
from cryptography import x509

from synckairos.adapters.credentials.rules import require_grant
from synckairos.application.errors import CredentialsExpired, CredentialsInvalid
from synckairos.application.identity import EVERY_TENANT, OF_EVERY_TENANT, Identity, Presented, Scope

SUBJECT: Final = "subject:"
KINDS: Final[Mapping[str, type[x509.GeneralName]]] = {
    "DNS:": x509.DNSName,
    "URI:": x509.UniformResourceIdentifier,
    "IP:": x509.IPAddress,
    "email:": x509.RFC822Name,
}
"""How a name of a certificate begins, beside SUBJECT; as openssl writes them."""


class CertificateLine(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the file; `name` as openssl writes it, an absent subject is the name."""

    name: str
    scopes: list[Scope]
    tenant: str = EVERY_TENANT
    subject: str = ""


class _Known(NamedTuple):
    place: int
    identity: Identity


CertificateTable = Mapping[str, _Known]
"""Whose each name is, with the place of its line in the file."""


def read_certificates(content: bytes) -> CertificateTable:
    """Return the names of a file's content; raises ValueError naming the line of anything wrong."""
    table: dict[str, _Known] = {}
    for number, text in enumerate(content.splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=CertificateLine)
            name = _as_compared(line.name)
            subject, scopes = line.subject or line.name, frozenset(line.scopes)
            require_grant(subject, line.tenant, scopes, OF_EVERY_TENANT)
        except ValueError as error:  # also what msgspec raises
            raise ValueError(f"line {number}: {error}") from None
        if name in table:
            raise ValueError(f"line {number}: the name {line.name} stands in an earlier line")
        table[name] = _Known(number, Identity(subject, line.tenant, scopes, credential_id=f"cert:{line.name}"))
    return table


class Certificates:
    """Judges the certificate of a call's connection by the names of a file, which somebody else reads again."""

    def __init__(self, names: Callable[[], CertificateTable], now: Callable[[], float] = time.time) -> None:
        """`names` returns the file's names as they are now."""
        self._names = names
        self._now = now

    def recognises(self, presented: Presented) -> bool:
        """Whether there is a certificate."""
        return bool(presented.certificate)

    async def identify(self, presented: Presented) -> Identity:
        """Return whose certificate it is, by the first line that fits.

        Raises CredentialsInvalid, CredentialsExpired.
        """
        table = self._names()
        try:
            certificate = x509.load_pem_x509_certificate(presented.certificate)
            found = [known for name in _names_in(certificate) if (known := table.get(name)) is not None]
            ends = certificate.not_valid_after_utc.timestamp()
        except Exception as error:
            # Whatever a certificate makes the library raise, it is the certificate that is wrong.
            raise CredentialsInvalid(f"a certificate that cannot be read: {type(error).__name__}") from None
        if not found:
            raise CredentialsInvalid("a certificate of whose names no line says whose they are")
        identity = min(found, key=lambda known: known.place).identity
        if ends <= self._now():
            raise CredentialsExpired("a certificate", identity.credential_id)
        return dataclasses.replace(identity, expires_at=ends)


def _names_in(certificate: x509.Certificate) -> Iterator[str]:
    """Yield the names of a certificate as they are compared."""
    yield SUBJECT + certificate.subject.rfc4514_string()
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name in names:
        yield from (_folded(kind, str(name.value)) for kind, class_ in KINDS.items() if isinstance(name, class_))


def _as_compared(name: str) -> str:
    """Return a name of the file as it is compared; raises ValueError for what is none."""
    if name.startswith(SUBJECT):
        text = x509.Name.from_rfc4514_string(name.removeprefix(SUBJECT)).rfc4514_string()
        if text:
            return SUBJECT + text
    for kind in KINDS:
        if name.startswith(kind) and name != kind:
            return _folded(kind, name.removeprefix(kind))
    raise ValueError(f"name: {name!r} is none of {', '.join(f'{kind}…' for kind in (*KINDS, SUBJECT))}")


def _folded(kind: str, value: str) -> str:
    return kind + (value.lower() if kind == "DNS:" else value)
