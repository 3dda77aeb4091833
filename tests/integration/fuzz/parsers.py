"""Everything that reads bytes of strangers or of operators by itself, and the only errors that it may raise."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import trustme

from synckairos.adapters.credentials.api_keys import ApiKeys, new_key, read_keys
from synckairos.adapters.credentials.bearer_tokens import BearerTokens, TokenRules
from synckairos.adapters.credentials.certificates import Certificates, read_certificates
from synckairos.adapters.credentials.key_sets import read_key_set
from synckairos.application.errors import Unauthenticated
from synckairos.application.identity import Authenticator, Presented, Scope
from synckairos.domain.controls import notation
from synckairos.rpc import tokens
from synckairos.rpc.admission.access import presented_in
from synckairos.rpc.admission.peers import forwarded_peer
from testing.harness.tokens import AUDIENCE, ISSUER, Signer, key_set
from tests.integration.rpc.request_strategies import PENDING

Parser = Callable[[bytes], object]

_SIGNERS: Final = tuple(Signer(algorithm, algorithm) for algorithm in ("RS256", "ES256", "EdDSA"))
_SECRET: Final = {"kty": "oct", "kid": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
_SET: Final = json.dumps({"keys": [*json.loads(key_set(*_SIGNERS))["keys"], _SECRET]}).encode()
_KEY: Final = new_key("k", "default", [Scope.SESSIONS_READ], "", None)
_CERTIFICATE: Final = trustme.CA().issue_cert("client.test").cert_chain_pems[0].bytes()
_NAMES: Final = json.dumps({"name": "DNS:client.test", "tenant": "default", "scopes": ["audit:read"]}).encode()

_SET_READ, _KEYS_READ = read_key_set(_SET, may_share_secrets=True), read_keys(_KEY.line)
_NAMES_READ: Final = read_certificates(_NAMES)
_TOKENS: Final = BearerTokens(lambda: _SET_READ, TokenRules(ISSUER, AUDIENCE))
_KEYS: Final = ApiKeys(lambda: _KEYS_READ)
_CERTIFICATES: Final = Certificates(lambda: _NAMES_READ)


def _text(raw: bytes) -> str:
    """Return bytes as gRPC hands on metadata."""
    return raw.decode("latin-1")


def _judged(by: Authenticator, presented: Presented) -> None:
    if not by.recognises(presented):
        return
    judging: Any = by.identify(presented)
    try:
        judging.send(None)
    except (StopIteration, Unauthenticated):
        return
    raise AssertionError("it waits for something")


def _allowing(read: Callable[[bytes], object], *allowed: type[Exception]) -> Parser:
    """Return a parser that may raise these errors."""

    def parse(raw: bytes) -> None:
        try:
            read(raw)
        except allowed:
            return

    return parse


PARSERS: Final[Mapping[str, tuple[Parser, list[bytes]]]] = {
    "a file of keys": (_allowing(read_keys, ValueError), [_KEY.line]),
    "a set of keys": (_allowing(lambda raw: read_key_set(raw, may_share_secrets=True), ValueError), [_SET]),
    "a file of names": (_allowing(read_certificates, ValueError), [_NAMES, b'{"name":"subject:CN=a","scopes":[]}']),
    "a token": (
        lambda raw: _judged(_TOKENS, Presented(_text(raw))),
        [*(signer.token().encode() for signer in _SIGNERS), _SIGNERS[0].unsigned().encode()],
    ),
    "a key": (lambda raw: _judged(_KEYS, Presented("", _text(raw))), [_KEY.key.encode()]),
    "a certificate": (lambda raw: _judged(_CERTIFICATES, Presented(certificate=raw)), [_CERTIFICATE]),
    "an authorization": (
        _allowing(lambda raw: presented_in([("authorization", _text(raw))]), Unauthenticated),
        [b"Bearer a.b.c"],
    ),
    "an address": (forwarded_peer, [b"198.51.100.1, [2001:db8::1]:77", b"192.0.2.1:8"]),
    "a resume token": (
        _allowing(lambda raw: tokens.read_resume(PENDING, _text(raw)), ValueError),
        [b"A" * 66],
    ),
    "a time control": (
        _allowing(lambda raw: notation.parse(_text(raw)), ValueError),
        [b"600|5x30", b"40/5400+30:1800+30", b"60d5", b"300+3"],
    ),
}
"""By what each reads, with some that is right."""
