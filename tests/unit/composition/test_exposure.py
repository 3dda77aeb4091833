"""An address that others can reach is protected, or its start is refused."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from synckairos.composition.listeners.exposure import ExposedError, TokenKeyMissingError, require_protection
from synckairos.composition.server import Server
from testing.harness.processes.in_process import settings_for
from testing.harness.tokens import write_key

NOWHERE = "redis://127.0.0.1:1/0"
TLS = {"tls_cert": "cert.pem", "tls_key": "key.pem"}
MUTUAL = {**TLS, "tls_client_ca": "ca.pem"}
MENDS_PLAINTEXT, MENDS_ANONYMOUS = "SYNCKAIROS_TLS_CERT and SYNCKAIROS_TLS_KEY", "SYNCKAIROS_AUTH_API_KEYS"


def refusal(address: str = "0.0.0.0:1", **settings: object) -> str:
    """Return why a start is refused; nothing if it is not."""
    try:
        require_protection(
            settings_for(NOWHERE, **settings), {"SYNCKAIROS_LISTEN": address, "SYNCKAIROS_HTTP_LISTEN": ""}
        )
    except ExposedError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1"])
def test_this_machine_alone_needs_nothing(address: str) -> None:
    """The default stays as simple as it was."""
    assert refusal(address) == ""


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "clocks.example:1"])
def test_an_open_address_needs_both(address: str) -> None:
    """Each problem names its setting, the address, and what mends it."""
    text = refusal(address)

    assert f"SYNCKAIROS_LISTEN={address}" in text
    assert MENDS_PLAINTEXT in text
    assert MENDS_ANONYMOUS in text
    assert text.endswith("SYNCKAIROS_INSECURE=plaintext,anonymous")


@pytest.mark.parametrize(
    ("settings", "mends"),
    [
        (TLS, [MENDS_ANONYMOUS]),
        ({**MUTUAL, "tls_client_auth": "optional"}, [MENDS_ANONYMOUS]),
        (MUTUAL, []),
        ({**TLS, "auth_api_keys": "keys.jsonl"}, []),
        ({**TLS, "auth_issuer": "i", "auth_audience": "a", "auth_jwks": "jwks.json"}, []),
        ({"insecure": "plaintext"}, [MENDS_ANONYMOUS]),
        ({"insecure": "anonymous"}, [MENDS_PLAINTEXT]),
        ({**TLS, "insecure": "anonymous"}, []),
        ({"insecure": "plaintext,anonymous"}, []),
        ({"insecure": "true"}, []),
    ],
)
def test_each_lack_is_mended_or_waived_by_itself(settings: dict[str, str], mends: list[str]) -> None:
    """A word waives one of them."""
    text = refusal(**settings)

    assert [mend for mend in (MENDS_PLAINTEXT, MENDS_ANONYMOUS) if f"set {mend}" in text] == mends


def test_what_is_waived_is_said_at_every_start() -> None:
    """Also where no address is open yet."""
    with capture_logs() as logs:
        refusal("127.0.0.1:1", insecure="true")

    assert [(line["log_level"], line["event"], line["waived"]) for line in logs] == [
        ("warning", "insecure", "anonymous"),
        ("warning", "insecure", "plaintext"),
    ]


async def test_callers_of_several_tenants_need_signed_tokens(tmp_path: Path) -> None:
    """A server that tells callers apart does not start without a key for what it hands out to them."""
    write_key(tmp_path / "keys", "any")
    settings = settings_for(NOWHERE, auth_api_keys=str(tmp_path / "keys"), token_key=None)

    with pytest.raises(TokenKeyMissingError, match="set SYNCKAIROS_TOKEN_KEY"):
        await Server(settings).start()
