"""How often one session may be switched a second, over all servers, without asking any of them.

The session itself says how many turns it has had, whoever ended them: a server that looks at it accounts for all.
"""

from collections.abc import Callable
from math import ceil
from typing import Final

from synckairos.application.admission.limits import Limits
from synckairos.application.errors import RateLimited
from synckairos.application.ports import Reading
from synckairos.domain.model import Session
from synckairos.domain.tenancy import name_of

REMEMBERED: Final = 10_000
"""Sessions met last; of any other nothing is known but what it says itself."""
NAME: Final = "switches_per_second"


class _Seen:
    """What is known of a session: `rate` 0 if it has no limit, `left` switches at `at_us`."""

    __slots__ = ("at_us", "cycle_number", "epoch", "left", "most", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.most = max(1.0, rate)
        self.epoch = self.cycle_number = self.at_us = 0
        self.left = 0.0

    def begin(self, session: Session) -> None:
        """Take a session as if all its turns had been ended when it changed last."""
        self.epoch, self.cycle_number = session.epoch, session.cycle_number
        self.left = max(0.0, self.most - session.cycle_number)
        self.at_us = (session.real_at or session.updated_at) * 1_000


class Paces:
    """Judges switches by what has been seen of their sessions."""

    def __init__(self, limits_of: Callable[[str], Limits]) -> None:
        """`limits_of` returns the limits of a tenant now."""
        self._limits_of = limits_of
        self._seen: dict[str, _Seen] = {}

    def reloaded(self) -> None:
        """Take note of changed limits."""
        self._seen.clear()

    def judge(self, session_id: str, reading: Reading) -> None:
        """Raise RateLimited if a session, by its qualified id, has been switched too often to be switched again."""
        seen = self._seen.get(session_id) or self._meet(session_id)
        session = reading.session
        if not seen.rate or session is None:
            return
        if seen.epoch != session.epoch or seen.cycle_number > session.cycle_number:
            seen.begin(session)
        if reading.now_us > seen.at_us:
            seen.left = min(seen.most, seen.left + (reading.now_us - seen.at_us) / 1e6 * seen.rate)
            seen.at_us = reading.now_us
        seen.left -= session.cycle_number - seen.cycle_number
        seen.cycle_number = session.cycle_number
        if seen.left < 1:
            text = f"the session may be switched {seen.rate:g} times a second"
            raise RateLimited(NAME, seen.rate, text, ceil((1 - seen.left) / seen.rate * 1_000))

    def _meet(self, session_id: str) -> _Seen:
        if len(self._seen) >= REMEMBERED:
            del self._seen[next(iter(self._seen))]
        seen = self._seen[session_id] = _Seen(self._limits_of(name_of(session_id).tenant).switches_per_second)
        return seen
