"""Tokens as texts: signed for one tenant, so that nobody can make one up, nor use another tenant's."""

import base64
import hmac
from collections.abc import Sequence
from typing import Final

from synckairos.domain.tenancy import DEFAULT_TENANT

SIGNATURE_BYTES: Final = 16


class Signatures:
    """Signs with the first of its keys and verifies with all; without any, tokens are of `default` and not signed."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = keys

    def text(self, tenant: str, raw: bytes) -> str:
        """Return a tenant's token."""
        if self._keys:
            raw += _signature(self._keys[0], tenant, raw)
        elif tenant != DEFAULT_TENANT:
            raise AssertionError(f"a token of tenant {tenant} without a key")
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def raw(self, tenant: str, text: str) -> bytes:
        """Return what a tenant's token holds; raises ValueError if it is not this tenant's, or none at all."""
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if not self._keys:
            if tenant != DEFAULT_TENANT:
                raise ValueError("not signed")
            return raw
        raw, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
        if not any(hmac.compare_digest(signature, _signature(key, tenant, raw)) for key in self._keys):
            raise ValueError("not signed for this tenant")
        return raw


UNSIGNED: Final = Signatures()
"""Of a server that authenticates nobody, and has no key."""


def _signature(key: bytes, tenant: str, raw: bytes) -> bytes:
    # A tenant has no NUL, so that the two cannot be divided otherwise.
    return hmac.digest(key, tenant.encode() + b"\0" + raw, "sha256")[:SIGNATURE_BYTES]
