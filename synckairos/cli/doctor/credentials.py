"""The files that say who may call: whether a server could use them, and what in them expires."""

import time
from collections.abc import Callable, Iterable, Sized
from pathlib import Path
from typing import Final, TypeVar

from synckairos.adapters.credentials.api_keys import KeyTable, read_keys
from synckairos.adapters.credentials.certificates import read_certificates
from synckairos.adapters.credentials.fetched_keys import FetchedKeys, shown_url
from synckairos.adapters.credentials.key_sets import read_key_set
from synckairos.cli.doctor.certificates import DAY_S, SOON_DAYS
from synckairos.cli.doctor.findings import Finding, advice, fine, unseen, wrong
from synckairos.settings import Settings

KEYS: Final = "auth.api_keys"
TOKENS: Final = "auth.jwks"
MAPPING: Final = "auth.certificates"

ContentT = TypeVar("ContentT")


async def look_at_credentials(settings: Settings) -> list[Finding]:
    """Return how the files of the settings stand; nothing where none is set."""
    found: list[Finding] = []
    if settings.auth_api_keys:
        found.append(_read(KEYS, settings.auth_api_keys, read_keys, _keys))
    if "://" in settings.auth_jwks:
        found.append(await _fetched(settings.auth_jwks))
    elif settings.auth_jwks:
        found.append(
            _read(
                TOKENS,
                settings.auth_jwks,
                lambda content: read_key_set(content, may_share_secrets=True),
                lambda keys: fine(TOKENS, f"it has {len(keys)} keys"),
            )
        )
    if settings.auth_certificates:
        found.append(_read(MAPPING, settings.auth_certificates, read_certificates, _certificates))
    return found


def _read(name: str, path: str, read: Callable[[bytes], ContentT], judge: Callable[[ContentT], Finding]) -> Finding:
    setting = f"SYNCKAIROS_{name.replace('.', '_').upper()}"
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        return unseen(name, f"it cannot be read: {error.strerror}", f"correct {setting}, or who may read the file")
    try:
        return judge(read(content))
    except ValueError as error:
        return wrong(name, f"a server would not start with it: {error}", f"correct the file of {setting}")


def _keys(table: KeyTable) -> Finding:
    now = time.time()
    ends = {known.identity.credential_id: known.identity.expires_at for known in table.values()}
    over = [key for key, end in ends.items() if end <= now]
    if len(over) == len(ends):
        what = "all keys in it have expired" if over else "it has no key: nobody can call by one"
        return wrong(KEYS, what, "synckairos keys create")
    soon = [key for key, end in ends.items() if now < end <= now + SOON_DAYS * DAY_S]
    if soon:
        return advice(
            KEYS, f"within {SOON_DAYS} days expire {_named(soon)}", "synckairos keys create, and tell callers"
        )
    if over:
        return advice(KEYS, f"expired are {_named(over)}", "take their lines out")
    return fine(KEYS, f"it has {len(ends)} keys")


def _certificates(table: Sized) -> Finding:
    if not table:
        return wrong(MAPPING, "it has no line: no certificate says who calls", "add those that may call")
    return fine(MAPPING, f"it has {len(table)} names")


def _named(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys))


async def _fetched(url: str) -> Finding:
    keys = FetchedKeys(url, lambda _name, _outcome: None, lambda: None)
    await keys.refresh()
    if not keys.keys:
        return unseen(
            TOKENS, f"no keys come from {shown_url(url)}: the log line above says why", "correct SYNCKAIROS_AUTH_JWKS"
        )
    return fine(TOKENS, f"{len(keys.keys)} keys come from {shown_url(url)}")
