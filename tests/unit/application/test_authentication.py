"""The memory of what was verified, and who decides."""

import pytest

from synckairos.application.authentication import MAX_REMEMBERED, REMEMBERED_S, Authentication
from synckairos.application.errors import CredentialsInvalid, CredentialsMissing
from synckairos.application.identity import Identity, Presented


class Door:
    """An authenticator that admits everybody who says its word, and counts how often it was asked."""

    def __init__(self, word: str, expires_at: float = 1e12) -> None:
        self.word = word
        self.expires_at = expires_at
        self.asked = 0
        self.authentication: Authentication | None = None

    def recognises(self, presented: Presented) -> bool:
        return presented.bearer.startswith(self.word)

    async def identify(self, presented: Presented) -> Identity:
        self.asked += 1
        if self.authentication is not None:
            self.authentication.reloaded()
        return Identity(presented.bearer, "default", frozenset(), self.expires_at, self.word)


async def test_the_first_that_recognises_credentials_decides() -> None:
    """Nobody else is asked; nobody at all is for a call without credentials."""
    doors = [Door("a"), Door("ab"), Door("c")]
    authentication = Authentication(doors)

    assert (await authentication.identify(Presented("abc"))).credential_id == "a"
    assert [door.asked for door in doors] == [1, 0, 0]
    with pytest.raises(CredentialsMissing):
        await authentication.identify(Presented())
    with pytest.raises(CredentialsInvalid):
        await authentication.identify(Presented("x"))


async def test_what_was_verified_is_remembered_for_a_minute_at_most() -> None:
    """And never longer than it counts."""
    now = [1_000.0]
    authentication = Authentication([Door("a"), Door("b", expires_at=1_010.0)], lambda: now[0])
    await authentication.identify(Presented("a"))
    await authentication.identify(Presented("b"))

    now[0] += 9.0
    remembered = [authentication.remembered(Presented(word)) is not None for word in "ab"]
    now[0] += 1.0
    expired = [authentication.remembered(Presented(word)) is not None for word in "ab"]
    now[0] += REMEMBERED_S - 10.0
    over = [authentication.remembered(Presented(word)) is not None for word in "ab"]

    assert (remembered, expired, over) == ([True, True], [True, False], [False, False])


async def test_a_reload_forgets_everything() -> None:
    """Also what is being verified at that moment, perhaps with keys that are gone."""
    door = Door("a")
    authentication = Authentication([door])
    await authentication.identify(Presented("a1"))
    told: list[bool] = []
    authentication.on_reload(lambda: told.append(True))

    door.authentication = authentication
    await authentication.identify(Presented("a2"))

    assert told == [True]
    assert authentication.remembered(Presented("a1")) is None
    assert authentication.remembered(Presented("a2")) is None


async def test_the_memory_is_bounded() -> None:
    """The oldest go first."""
    authentication = Authentication([Door("a")])

    for number in range(MAX_REMEMBERED + 1):
        await authentication.identify(Presented(f"a{number}"))

    assert authentication.remembered(Presented("a0")) is None
    assert authentication.remembered(Presented("a1")) is not None
