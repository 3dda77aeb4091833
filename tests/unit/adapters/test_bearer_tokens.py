"""JSON web tokens: which keys and which claims count."""

import base64
import json
import time
from typing import Any, Final

import jwt
import pytest

from synckairos.adapters.credentials.bearer_tokens import BearerTokens, TokenRules
from synckairos.adapters.credentials.key_sets import read_key_set
from synckairos.application.errors import CredentialsExpired, CredentialsInvalid
from synckairos.application.identity import Identity, Presented, Scope
from testing.harness.tokens import AUDIENCE, ISSUER, Signer, claims_of, key_set

SIGNERS: Final = {name: Signer(f"k-{name}", name) for name in ("RS256", "ES256", "EdDSA")}
SIGNER: Final = SIGNERS["ES256"]
SECRET: Final = "0123456789abcdef0123456789abcdef"
SHARED: Final = {"kty": "oct", "kid": "shared", "k": base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")}


async def identified(token: str, content: bytes = key_set(*SIGNERS.values()), **rules: str) -> Identity:
    """Return whose token it is by the rules of the tests."""
    keys = read_key_set(content, may_share_secrets=True)
    tokens = BearerTokens(lambda: keys, TokenRules(ISSUER, AUDIENCE, **rules))
    return await tokens.identify(Presented(bearer=token))


def from_now(claims: dict[str, Any]) -> dict[str, Any]:
    """Return claims whose instants are given in seconds from now."""
    return {
        name: int(time.time()) + value if name in {"exp", "nbf", "iat"} and value is not None else value
        for name, value in claims.items()
    }


@pytest.mark.parametrize("algorithm", SIGNERS)
async def test_each_algorithm_counts(algorithm: str) -> None:
    """The algorithm is the key's: none of them says one."""
    identity = await identified(SIGNERS[algorithm].token(scope="sessions:read unknown operations"))

    assert (identity.subject, identity.tenant, identity.scopes) == ("ann", "default", {Scope.SESSIONS_READ})
    assert identity.credential_id == f"jwt:k-{algorithm}"


async def test_a_shared_secret_counts_from_a_file_alone() -> None:
    """Never from a URL, and never beside another key of its kid."""
    token = jwt.encode(claims_of(), SECRET, "HS256", {"kid": "shared"})
    content = json.dumps({"keys": [SHARED]}).encode()

    assert (await identified(token, content)).subject == "ann"
    with pytest.raises(ValueError, match="HS256"):
        read_key_set(content, may_share_secrets=False)
    with pytest.raises(ValueError, match="beside another"):
        read_key_set(
            json.dumps({"keys": [SHARED, {**SIGNER.public, "kid": "shared"}]}).encode(), may_share_secrets=True
        )


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -20},
        {"nbf": 20},
        {"iat": 3_600},
        {"aud": ["other", AUDIENCE]},
        {"scope": None, "scp": ["sessions:read"]},
        {"tenant": "acme-2_x"},
    ],
)
async def test_what_a_token_may_say(claims: dict[str, Any]) -> None:
    """Clocks may differ by half a minute; audiences and scopes may be lists."""
    assert (await identified(SIGNER.token(**from_now(claims)))).subject == "ann"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": 10**400},
        {"sub": None},
        {"sub": ""},
        {"sub": " SYSTEM "},
        {"sub": "a\nb"},
        {"sub": "x" * 129},
        {"nbf": 60},
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"tenant": None},
        {"tenant": "*"},
        {"tenant": "Acme"},
        {"tenant": ["default"]},
        {"tenant": "a/b"},
        {"scope": ["sessions:read"]},
        {"scp": "sessions:read"},
    ],
)
async def test_what_a_token_must_not_say(claims: dict[str, Any]) -> None:
    """All of it is CREDENTIALS_INVALID, whose text never says which."""
    with pytest.raises(CredentialsInvalid) as refusal:
        await identified(SIGNER.token(**from_now(claims)))

    assert str(refusal.value) == CredentialsInvalid.text


async def test_a_token_expires() -> None:
    """That alone has a reason of its own, and only where all else is right."""
    with pytest.raises(CredentialsExpired):
        await identified(SIGNER.token(exp=int(time.time()) - 40))
    with pytest.raises(CredentialsInvalid):
        await identified(Signer(SIGNER.kid).token(exp=int(time.time()) - 40))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "x" * 10_000,
        SIGNER.unsigned(),
        SIGNER.signed_by_public_key(),
        SIGNER.token(header={"kid": "nobody"}),
        SIGNER.token(header={"kid": SIGNERS["EdDSA"].kid}),
        SIGNER.token(header={"crit": ["x"], "x": 1}),
        SIGNER.token()[:-4] + "AAAA",
        f"{SIGNER.token().rsplit('.', 1)[0]}.",
    ],
)
async def test_what_is_no_token_of_a_known_key(token: str) -> None:
    """Whatever it is, it is invalid and nothing else."""
    with pytest.raises(CredentialsInvalid):
        await identified(token)


async def test_the_tenant_has_a_claim_and_a_default() -> None:
    """As the settings name them."""
    assert (await identified(SIGNER.token(tenant=None, org="default"), tenant_claim="org")).tenant == "default"
    assert (await identified(SIGNER.token(tenant=None), default_tenant="default")).tenant == "default"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "no JSON Web Key Set"),
        (b'{"keys": 1}', "no JSON Web Key Set"),
        (b'{"keys": []}', "no key for"),
        (b" " * 70_000, "bytes"),
        (key_set(SIGNER, SIGNER), "several keys"),
        (json.dumps({"keys": [{**SHARED, "k": "c2hvcnQ"}]}).encode(), "fewer than 32 bytes"),
        (json.dumps({"keys": [{**SIGNER.public, "x": "broken"}]}).encode(), "is broken"),
        (json.dumps({"keys": [{**SIGNER.public, "use": "enc"}]}).encode(), "no key for"),
        (json.dumps({"keys": [{**SIGNER.public, "alg": "HS256"}]}).encode(), "no key for"),
    ],
)
def test_a_set_that_cannot_be_used(content: bytes, problem: str) -> None:
    """The refusal says why, and shows no key."""
    with pytest.raises(ValueError, match=problem):
        read_key_set(content, may_share_secrets=True)
