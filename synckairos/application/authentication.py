"""The authenticators of a server as one, with a short memory of what was verified."""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final

from synckairos.application.errors import CredentialsInvalid, CredentialsMissing
from synckairos.application.identity import Authenticator, Identity, Presented

REMEMBERED_S: Final = 60.0
MAX_REMEMBERED: Final = 10_000


class Authentication:
    """Tells who calls: the first authenticator that recognises the credentials decides."""

    def __init__(self, authenticators: Sequence[Authenticator], now: Callable[[], float] = time.time) -> None:
        self._authenticators = authenticators
        self.now = now
        """Seconds since 1970."""
        # A hash that nobody outside can compute: how long a look-up takes says nothing about what is remembered.
        self._keyed = hashlib.blake2b(key=secrets.token_bytes(32))
        self._remembered: dict[bytes, tuple[float, Identity]] = {}
        self._reloads = 0
        self._on_reload: list[Callable[[], None]] = []

    def remembered(self, presented: Presented) -> Identity | None:
        """Return whose credentials these are if that was verified a short while ago."""
        found = self._remembered.get(self._hash(presented))
        return found[1] if found is not None and self.now() < found[0] else None

    async def identify(self, presented: Presented) -> Identity:
        """Verify credentials; raises CredentialsMissing, CredentialsInvalid, CredentialsExpired."""
        if not any(presented):
            raise CredentialsMissing
        for authenticator in self._authenticators:
            if authenticator.recognises(presented):
                reloads = self._reloads
                identity = await authenticator.identify(presented)
                if reloads == self._reloads:
                    self._remember(presented, identity)
                return identity
        raise CredentialsInvalid("of a kind that is not accepted here")

    def on_reload(self, call: Callable[[], None]) -> None:
        """Have a function called whenever credentials have to be judged anew."""
        self._on_reload.append(call)

    def reloaded(self) -> None:
        """Forget everything: keys have changed."""
        self._reloads += 1
        self._remembered.clear()
        for call in self._on_reload:
            call()

    def _remember(self, presented: Presented, identity: Identity) -> None:
        while len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        until = min(identity.expires_at, self.now() + REMEMBERED_S)
        self._remembered[self._hash(presented)] = (until, identity)

    def _hash(self, presented: Presented) -> bytes:
        text = f"{presented.bearer}\n{presented.api_key}\n".encode(errors="surrogateescape")
        keyed = self._keyed.copy()
        keyed.update(text + presented.certificate)
        return keyed.digest()
