"""JSON web tokens, verified by the keys of a set."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from synckairos.adapters.credentials.key_sets import KeySet, TokenKey
from synckairos.adapters.credentials.rules import NO_TENANT, subject_problem
from synckairos.application.errors import CredentialsExpired, CredentialsInvalid
from synckairos.application.identity import OF_TENANTS, Identity, Presented
from synckairos.domain.tenancy import TENANT

TOLERANCE_S: Final = 30.0
"""How far the clocks of whoever signs and of this machine may differ."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What tokens must say; an empty `default_tenant` refuses those without a tenant."""

    issuer: str
    audience: str
    tenant_claim: str = "tenant"
    default_tenant: str = ""


class BearerTokens:
    """Judges every bearer token that comes to it."""

    def __init__(
        self, keys: Callable[[], KeySet], rules: TokenRules, look: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """`keys` returns the keys as they are now; `look` looks for new ones because of one that is not known."""
        self._keys = keys
        self._rules = rules
        self._look = look

    def recognises(self, presented: Presented) -> bool:
        """Whether there is a token."""
        return bool(presented.bearer)

    async def identify(self, presented: Presented) -> Identity:
        """Return whose token it is; raises CredentialsInvalid, CredentialsExpired."""
        header = _header(presented.bearer)
        key = self._key_for(header)
        if key is None and self._look is not None:
            await self._look()
            key = self._key_for(header)
        if key is None:
            raise CredentialsInvalid("signed with a key that is not known")
        credential_id = f"jwt:{key.kid}"
        claims = self._claims(presented.bearer, key, credential_id)
        return self._identity(claims, credential_id)

    def _key_for(self, header: Mapping[str, Any]) -> TokenKey | None:
        kid, algorithm = header.get("kid", ""), header.get("alg")
        fitting = [key for key in self._keys() if kid in ("", key.kid) and key.algorithm == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    def _claims(self, token: str, key: TokenKey, credential_id: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                leeway=TOLERANCE_S,
                options={"require": ["exp", "sub", "iss", "aud"], "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise CredentialsExpired("a token", credential_id) from None
        except Exception as error:
            # Whatever a token makes the library raise, it is the token that is wrong.
            raise CredentialsInvalid(type(error).__name__, credential_id) from None
        return claims

    def _identity(self, claims: dict[str, Any], credential_id: str) -> Identity:
        subject, tenant = claims["sub"], claims.get(self._rules.tenant_claim, self._rules.default_tenant or None)
        problem = subject_problem(subject)
        if problem:
            raise CredentialsInvalid(f"sub: {problem}", credential_id)
        if not isinstance(tenant, str) or TENANT.fullmatch(tenant) is None:
            raise CredentialsInvalid(NO_TENANT, credential_id)
        named = _scopes(claims, credential_id)
        # Others mean nothing here.
        scopes = frozenset(scope for scope in OF_TENANTS if scope.value in named)
        try:
            expires_at = float(claims["exp"]) + TOLERANCE_S
        except OverflowError:
            raise CredentialsInvalid("exp is beyond all numbers", credential_id) from None
        return Identity(subject, tenant, scopes, expires_at, credential_id)


def _header(token: str) -> Mapping[str, Any]:
    try:
        header: Mapping[str, Any] = jwt.get_unverified_header(token)
    except Exception as error:
        # Whatever a token makes the library raise, it is the token that is wrong.
        raise CredentialsInvalid(f"no token: {type(error).__name__}") from None
    if "crit" in header or "b64" in header:
        raise CredentialsInvalid("its header asks for what nobody here knows")
    return header


def _scopes(claims: dict[str, Any], credential_id: str) -> list[str]:
    words, listed = claims.get("scope", ""), claims.get("scp", [])
    if not isinstance(words, str) or not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise CredentialsInvalid("scope is no text, or scp no list of texts", credential_id)
    return [*words.split(), *listed]
