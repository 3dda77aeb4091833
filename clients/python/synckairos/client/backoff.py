"""How long to wait before a stream is opened again."""

import random
from typing import Final

FIRST_S: Final = 0.1
LONGEST_S: Final = 2.0


class Backoff:
    """Doubles from try to try, with full jitter, so that the readers of a lost server do not come back as one."""

    def __init__(self) -> None:
        self._tries = 0

    def reset(self) -> None:
        """Begin anew: the stream has said something."""
        self._tries = 0

    def pause_s(self, at_least_s: float = 0.0) -> float:
        """Return the pause before the next try; no shorter than what a server asked for."""
        longest = min(LONGEST_S, FIRST_S * 2**self._tries)
        self._tries = min(self._tries + 1, 10)
        return at_least_s + random.uniform(0.0, longest)  # noqa: S311 - spreads readers, guards no secret
