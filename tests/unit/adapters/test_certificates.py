"""Client certificates as credentials: whose the names in them are, and files that say nonsense."""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from synckairos.adapters.credentials.certificates import Certificates, read_certificates
from synckairos.application.errors import CredentialsExpired, CredentialsInvalid
from synckairos.application.identity import Identity, Presented, Scope
from testing.harness.documents import blocks

KEY: Final = ec.generate_private_key(ec.SECP256R1())
NOW: Final = datetime(2027, 1, 31, 12, tzinfo=UTC)
LATER: Final = NOW + timedelta(days=1)
CLUB: Final = (
    x509.DNSName("club.example"), x509.UniformResourceIdentifier("spiffe://club/server"),
    x509.RFC822Name("ops@club.example"), x509.IPAddress(ip_address("192.0.2.7")),
)  # fmt: skip


def certificate(*names: x509.GeneralName, subject: str = "O=Club,CN=umpire", until: datetime = LATER) -> Presented:
    """Return what a connection with such a certificate presents."""
    name = x509.Name.from_rfc4514_string(subject)
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 1, NOW - timedelta(days=9), until)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Presented(certificate=builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM))


def lines(*entries: dict[str, Any]) -> bytes:
    """Return the content of a file; entries are right but for what they say."""
    right = {"tenant": "default", "scopes": ["sessions:read"]}
    return b"\n".join(json.dumps({**right, **entry}).encode() for entry in entries)


async def judged(presented: Presented, *entries: dict[str, Any]) -> Identity:
    """Return whose a certificate is by a file of these lines."""
    table = read_certificates(lines(*entries))
    return await Certificates(lambda: table, NOW.timestamp).identify(presented)


@pytest.mark.parametrize(
    "name",
    [
        "DNS:club.example",
        "DNS:CLUB.example",
        "URI:spiffe://club/server",
        "email:ops@club.example",
        "IP:192.0.2.7",
        "subject:O=Club,CN=umpire",
    ],
)
async def test_every_name_may_say_whose_a_certificate_is(name: str) -> None:
    """Its identity counts no longer than the certificate, and logs name it by the line."""
    identity = await judged(certificate(*CLUB), {"name": name, "subject": "umpire"})

    assert identity == Identity(
        "umpire", "default", frozenset({Scope.SESSIONS_READ}), LATER.timestamp(), f"cert:{name}"
    )


async def test_the_first_line_that_fits_counts() -> None:
    """In the order of the file, whatever the order in the certificate; without a subject the name is the actor."""
    identity = await judged(certificate(*CLUB), {"name": "IP:192.0.2.7"}, {"name": "DNS:club.example", "scopes": []})

    assert (identity.subject, identity.scopes) == ("IP:192.0.2.7", {Scope.SESSIONS_READ})


@pytest.mark.parametrize(
    "presented",
    [
        pytest.param(certificate(x509.DNSName("x.club.example")), id="another name"),
        pytest.param(certificate(x509.UniformResourceIdentifier("club.example")), id="a name of another kind"),
        pytest.param(certificate(subject="CN=club.example"), id="only a common name"),
        pytest.param(
            Presented(certificate=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), id="none"
        ),
    ],
)
async def test_other_certificates_are_nobodys(presented: Presented) -> None:
    """Names are compared whole, and with their kind."""
    with pytest.raises(CredentialsInvalid):
        await judged(presented, {"name": "DNS:club.example"})


async def test_a_certificate_expires_under_its_connection() -> None:
    """The handshake looked at its end once; connections last longer."""
    with pytest.raises(CredentialsExpired):
        await judged(certificate(*CLUB, until=NOW), {"name": "DNS:club.example"})


def test_the_lines_of_the_document_are_right() -> None:
    """Each of them."""
    (block,) = blocks("docs/security.md", "json")

    assert len(read_certificates(block.encode())) == len(block.splitlines())


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "club.example"}, "line 2: name: 'club.example' is none of DNS:…, URI:…, IP:…, email:…, subject:…"),
        ({"name": "DNS:"}, "line 2: name:"),
        ({"name": "subject:"}, "line 2: name:"),
        ({"name": "subject:nonsense"}, "line 2: "),
        ({"name": "DNS:ONE"}, "line 2: the name DNS:ONE stands in an earlier line"),
        ({"name": "DNS:two", "tenant": "*"}, "line 2: tenant `*` takes the scope forward or operations alone"),
        ({"name": "DNS:two", "scopes": ["forward"]}, "line 2: the scope forward takes tenant `*`"),
        ({"name": "DNS:two", "tenant": "*", "scopes": ["forward", "operations"]}, "line 2: tenant `*` takes"),
        ({"name": "DNS:two", "subject": " SYSTEM "}, "line 2: subject: `system` is reserved"),
        ({"name": "DNS:two", "scope": "audit:read"}, "line 2: Object contains unknown field `scope`"),
        ({"name": "DNS:two", "scopes": ["everything"]}, "line 2: Invalid enum value 'everything'"),
    ],
)
def test_a_wrong_line_is_named(entry: dict[str, Any], problem: str) -> None:
    """With what is wrong; nothing of the file is taken."""
    with pytest.raises(ValueError, match=r"^line 2") as refused:
        read_certificates(lines({"name": "DNS:one"}, entry))

    assert str(refused.value).startswith(problem)
