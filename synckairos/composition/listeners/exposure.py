"""The rule for addresses that other machines can reach: TLS and authentication, unless waived by a word."""

from collections.abc import Mapping
from typing import Final

import structlog

from synckairos.client.credentials import is_loopback
from synckairos.settings import Settings

MEANING: Final = {
    "plaintext": "calls to it are not encrypted",
    "anonymous": "nobody who calls it is authenticated",
}
MENDING: Final = {
    "plaintext": "set SYNCKAIROS_TLS_CERT and SYNCKAIROS_TLS_KEY",
    "anonymous": "set SYNCKAIROS_AUTH_API_KEYS, SYNCKAIROS_AUTH_JWKS or SYNCKAIROS_TLS_CLIENT_CA (with "
    "SYNCKAIROS_TLS_CLIENT_AUTH=required)",
}

_log = structlog.get_logger(__name__)


class ExposedError(Exception):
    """An address is open to other machines without what protects it; the text names the settings that mend it."""


class TokenKeyMissingError(Exception):
    """Callers are authenticated, but nothing keeps one of them from making up another's page and resume tokens."""

    def __init__(self) -> None:
        super().__init__(
            "callers are authenticated, their page and resume tokens are not: set SYNCKAIROS_TOKEN_KEY, the same "
            "for all servers (`openssl rand -base64 32` makes one)"
        )


def authenticating(settings: Settings) -> list[str]:
    """Return the settings by which callers are authenticated, whoever they are; none: everybody is anonymous."""
    is_required = settings.tls_client_ca and settings.tls_client_auth == "required"
    named = [name for name in ("auth_api_keys", "auth_jwks", "auth_certificates") if getattr(settings, name)]
    return [*(["SYNCKAIROS_TLS_CLIENT_CA"] if is_required else []), *(f"SYNCKAIROS_{name.upper()}" for name in named)]


def require_protection(settings: Settings, addresses: Mapping[str, str]) -> None:
    """Raise ExposedError if one of the addresses (by their settings' names) is open and not protected.

    What is waived is logged, at every start.
    """
    for waived in sorted(settings.waived):
        _log.warning("insecure", waived=waived, problem=f"SYNCKAIROS_INSECURE waives it: {MEANING[waived]}")
    is_lacking = {"plaintext": not settings.tls_cert, "anonymous": not authenticating(settings)}
    needed = [word for word, lacks in is_lacking.items() if lacks and word not in settings.waived]
    problems = [
        f"{name}={address} is open to other machines, and {MEANING[word]}: {MENDING[word]}"
        for name, address in addresses.items()
        if address and not is_loopback(address)
        for word in needed
    ]
    if problems:
        waiver = ",".join(word for word in is_lacking if word in needed or word in settings.waived)
        last = f"or listen on 127.0.0.1; or, on a network that you trust, waive it: SYNCKAIROS_INSECURE={waiver}"
        raise ExposedError("\n".join([*problems, last]))
