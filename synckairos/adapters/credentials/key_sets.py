"""JSON Web Key Sets: which keys tokens may be signed with, and each one's only algorithm."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from jwt import PyJWK
from jwt.exceptions import PyJWTError

MAX_BYTES: Final = 64 << 10
MIN_RSA_BITS: Final = 2_048
MIN_SECRET_BYTES: Final = 32
SHARED_SECRET: Final = "HS256"  # noqa: S105 - the name of an algorithm
ALGORITHMS: Final = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
    ("oct", None): "HS256",
}
"""The algorithm of a key by its kty and crv: a key that says another one is for something else."""


class TokenKey(NamedTuple):
    """A key with its only algorithm; `kid` is empty where it has none."""

    kid: str
    algorithm: str
    key: PyJWK


KeySet = Sequence[TokenKey]


def read_key_set(content: bytes, *, may_share_secrets: bool, may_be_empty: bool = False) -> KeySet:
    """Return the keys of a set that can be used here; raises ValueError, which never shows a key.

    Keys of other kinds and uses are passed over: providers publish them for others. `may_share_secrets` is whether
    the set is private, so that keys of HS256 may stand in it; `may_be_empty` whether one without a usable key says that
    there is none.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    try:
        entries = json.loads(content)["keys"]
        keys = [key for entry in entries if (key := _key(entry)) is not None]
    except (KeyError, TypeError, AttributeError, RecursionError, UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError("it is no JSON Web Key Set") from None
    if not keys and not may_be_empty:
        raise ValueError("it has no key for RS256, ES256, EdDSA or HS256")
    if not may_share_secrets and any(key.algorithm == SHARED_SECRET for key in keys):
        raise ValueError("it has keys for HS256, which are taken from a file alone")
    _refuse_likes(keys)
    return keys


def _refuse_likes(keys: KeySet) -> None:
    by_kid: dict[str, list[str]] = {}
    for key in keys:
        by_kid.setdefault(key.kid, []).append(key.algorithm)
    for kid, algorithms in by_kid.items():
        if kid and len(set(algorithms)) < len(algorithms):
            raise ValueError(f"several keys have the kid {kid!r}")
        if SHARED_SECRET in algorithms and len(algorithms) > 1:
            raise ValueError(f"a key for HS256 stands beside another one of the same kid ({kid!r})")


def _key(entry: dict[str, Any]) -> TokenKey | None:
    """Return a key of a set; None if it is for something else."""
    kind, kid = entry["kty"], entry.get("kid", "")
    algorithm = ALGORITHMS.get((kind, entry.get("crv") if kind in {"EC", "OKP"} else None))
    operations = entry.get("key_ops", ["verify"])
    if algorithm is None or entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig":
        return None
    if "verify" not in operations or not isinstance(kid, str):
        return None
    try:
        key = PyJWK(entry, algorithm)
    except PyJWTError:
        raise ValueError(f"the key {kid!r} is broken") from None
    # Of a private key only the public half is kept.
    public = getattr(key.key, "public_key", None)
    if public is not None:
        key.key = public()
    if kind == "RSA" and key.key.key_size < MIN_RSA_BITS:
        raise ValueError(f"the key {kid!r} has fewer than {MIN_RSA_BITS} bits")
    if kind == "oct" and len(key.key) < MIN_SECRET_BYTES:
        raise ValueError(f"the key {kid!r} has fewer than {MIN_SECRET_BYTES} bytes")
    return TokenKey(kid, algorithm, key)
