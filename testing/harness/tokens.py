"""An issuer of tokens, and files of keys, for the tests of identity."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from synckairos.adapters.credentials.api_keys import new_key
from synckairos.application.identity import OF_TENANTS, Scope

ISSUER: Final = "https://issuer.example"
AUDIENCE: Final = "synckairos"
EVERYTHING: Final = " ".join(sorted(OF_TENANTS))


class Signer:
    """A private key with its kid."""

    def __init__(self, kid: str, algorithm: str = "ES256") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.key: Any = {
            "RS256": lambda: rsa.generate_private_key(65_537, 2_048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()

    @property
    def public(self) -> dict[str, Any]:
        """The public key as an entry of a JWKS."""
        kind: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}[self.algorithm]
        return {**kind.to_jwk(self.key.public_key(), as_dict=True), "kid": self.kid}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token that is right but for the claims given; None leaves one out."""
        return jwt.encode(claims_of(**claims), self.key, self.algorithm, {"kid": self.kid, **(header or {})})

    def signed_by_public_key(self) -> str:
        """Return a token of HS256 whose secret is the public key, as everybody may know it."""
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        signed = ".".join(map(_encoded, ({"alg": "HS256", "typ": "JWT", "kid": self.kid}, claims_of())))
        return f"{signed}.{_text(hmac.digest(pem, signed.encode(), hashlib.sha256))}"

    def unsigned(self) -> str:
        """Return a token of the algorithm `none`."""
        return f"{_encoded({'alg': 'none', 'typ': 'JWT', 'kid': self.kid})}.{_encoded(claims_of())}."


def claims_of(**changed: Any) -> dict[str, Any]:
    """Return right claims but for those given; None leaves one out."""
    right = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "tenant": "default", "scope": EVERYTHING,
        # Far away: tokens are made when tests are collected, and a whole suite may run before they are used.
        "exp": int(time.time()) + 86_400,
    }  # fmt: skip
    return {name: value for name, value in {**right, **changed}.items() if value is not None}


def key_set(*signers: Signer) -> bytes:
    """Return a JWKS."""
    return json.dumps({"keys": [signer.public for signer in signers]}).encode()


def write_key(path: Path, key_id: str, *scopes: Scope, tenant: str = "default", **more: Any) -> str:
    """Add a key to a file and return it."""
    made = new_key(key_id, tenant, list(scopes or OF_TENANTS), more.get("subject", ""), more.get("expires_at"))
    with path.open("ab") as file:
        file.write(made.line + b"\n")
    return made.key


def _encoded(part: dict[str, Any]) -> str:
    return _text(json.dumps(part).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
