"""Settings of the callers: who they are, and how much they may ask for."""

from base64 import b64decode
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from synckairos.domain.tenancy import TENANT

MIN_TOKEN_KEY_BYTES = 32


class CallerSettings(BaseSettings):
    """Who may call, and how much."""

    auth_api_keys: str = Field("", description="File of API keys' hashes; `synckairos keys create` adds to it.")
    auth_certificates: str = Field(
        "",
        description="File of names in client certificates, and whose they are; takes TLS_CLIENT_CA.",
        validate_default=True,
    )
    auth_issuer: str = Field("", description="Issuer (`iss`) of the tokens that are accepted.")
    auth_audience: str = Field("", description="Audience (`aud`) that tokens must name.")
    auth_tenant_claim: Annotated[str, Field(min_length=1)] = Field(
        "tenant", description="Claim that names a token's tenant."
    )
    auth_default_tenant: Annotated[str, Field(pattern=rf"^({TENANT.pattern})?$")] = Field(
        "", description="Tenant of tokens without that claim; empty: they are refused."
    )
    auth_jwks: str = Field(
        "",
        description="Keys (JWKS) of tokens, a file or an https URL; takes AUTH_ISSUER and AUTH_AUDIENCE.",
    )
    token_key: SecretStr | None = Field(
        None,
        description="Keys that sign page and resume tokens, by commas: 32 bytes or more of base64 each, the first "
        "signs and all verify; needed where callers are authenticated.",
    )
    reflection: Literal["", "open", "authenticated", "off"] = Field(
        "", description="open, authenticated or off; empty: authenticated where callers are, else open."
    )
    calls_max: Annotated[int, Field(ge=16, le=100_000)] = Field(
        2_000, description="Calls under way at most; while they queue, the server takes on fewer by itself."
    )
    queue_target_ms: Annotated[float, Field(gt=0, le=10_000)] = Field(
        10.0, description="How long most calls may queue before the server takes on fewer."
    )
    limits: str = Field(
        "", description="Limits of tenants: a JSON file, looked at again while the server runs; empty: none."
    )

    @field_validator("auth_certificates")
    @classmethod
    def _has_client_ca(cls, value: str, info: ValidationInfo) -> str:
        if value and not info.data.get("tls_client_ca"):
            raise ValueError("needs SYNCKAIROS_TLS_CLIENT_CA: otherwise no client is asked for a certificate")
        return value

    @field_validator("auth_jwks")
    @classmethod
    def _is_for_tokens(cls, value: str, info: ValidationInfo) -> str:
        lacking = [name for name in ("auth_issuer", "auth_audience") if not info.data.get(name)]
        if value and lacking:
            raise ValueError(f"needs {' and '.join(f'SYNCKAIROS_{name.upper()}' for name in lacking)}")
        parts = urlsplit(value)
        if "://" in value and not (parts.scheme == "https" or (parts.scheme == "http" and is_own_host(parts.hostname))):
            raise ValueError("must be a file, an https URL, or an http URL of this machine")
        return value

    @field_validator("token_key")
    @classmethod
    def _is_a_list_of_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _token_keys(value)
        return value

    @property
    def token_keys(self) -> list[bytes]:
        """The keys of token_key; none without it."""
        return [] if self.token_key is None else _token_keys(self.token_key)


def _token_keys(value: SecretStr) -> list[bytes]:
    """Return the keys of a list; raises ValueError, which does not say what was in it."""
    try:
        keys = [b64decode(text.strip(), validate=True) for text in value.get_secret_value().split(",")]
    except ValueError:
        raise ValueError("must be base64, several by commas") from None
    if any(len(key) < MIN_TOKEN_KEY_BYTES for key in keys):
        raise ValueError(f"a key must have {MIN_TOKEN_KEY_BYTES} bytes or more: `openssl rand -base64 32` makes one")
    return keys


def is_own_host(host: str | None) -> bool:
    """Whether a host's name or address is always this machine's own."""
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
