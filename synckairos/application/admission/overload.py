"""Which calls begin while more come than this server can do.

A call's queueing time is what it takes beyond the quickest of its kind, wherever in the server it waits. The bound of
the calls under way follows it, as CoDel judges a queue: one that comes and goes is a burst and is served; one that
stays only makes everybody wait, and the bound shrinks until it is short.

Calls count once it is known whose they are. Until then they are strangers, who have a small bound of their own, and
whatever becomes of them moves no other.
"""

import asyncio
import random
import time
from collections.abc import Callable
from enum import StrEnum
from math import inf
from typing import Final, Protocol

import structlog

from synckairos.application.errors import Overloaded

INTERVAL_S: Final = 0.1
"""Between two looks at what has ended since."""
LEAST: Final = 32
"""Calls that are always taken on: they share exchanges with the store, so that fewer would be served more slowly."""
BACKOFF: Final = 0.85
"""What is left of the bound after an interval in which most calls were late."""
FAR_BACKOFF: Final = 0.5
"""The same if they were late by more than the target itself."""
GROWTH: Final = 1.03
"""By how much the bound grows after an interval in which most were in time."""
RELAXATION: Final = 1.1
"""The same once nobody has been refused for a while."""
CALM_S: Final = 2.0
"""That while: those who were refused have come back by then."""
READ_SHARE: Final = 0.75
"""Of the bound: reads are refused from here on, which leaves the rest to changes."""
STRANGERS_SHARE: Final = 0.125
"""Of the bound: so many strangers there may be beside the calls that count."""
FIRST_S: Final = 0.002
"""What the quickest call of a kind is taken to need before any has ended."""
SLOWING: Final = 1.02
"""By how much it is taken to need more after an interval in which all were slower, and not for queueing."""
FADING: Final = 0.9
"""What an interval still counts for in the rate of a busy server after the next one."""
KNOWN_S: Final = 0.5
"""How long a server must have been busy before its rate is known."""
SHORT_S: Final = 0.05
"""Deadlines are looked at only where what is under way takes longer than this: no sensible one is shorter."""
PAUSE_S: Final = (1.0, 3.0)
"""Bounds of the pause that a refused caller is asked to make."""
SPREAD: Final = 0.25
"""By how much of it pauses differ, either way."""
RETURNING: Final = 0.25
"""Of the calls that are served: no more than so many refused ones shall come back in the same time."""
TELL_S: Final = 10.0
"""Between two lines in the log."""

_log = structlog.get_logger(__name__)


class Weight(StrEnum):
    """What a call counts for: the first to be refused, the last, or never."""

    READ = "read"
    CHANGE = "change"
    ALWAYS = "always"


class LoadObserver(Protocol):
    """Hears of what is refused, and how busy the server is."""

    def refused(self, limit: str) -> None:
        """A call was refused by this limit."""

    def loaded(self, limit: int, queueing_s: float | None) -> None:
        """So many calls may be under way now; those that ended queued so long on average, None if none has ended."""


class Kind:
    """The calls of one kind, by what they weigh, how long the quickest takes, and how long it took lately."""

    __slots__ = ("least_s", "quickest_s", "weight")

    def __init__(self, weight: Weight) -> None:
        self.weight = weight
        self.quickest_s = FIRST_S
        self.least_s = inf

    def adapt(self, slowing: float) -> None:
        """Take note of how long the quickest took in an interval; slower ones count by this factor only."""
        if self.least_s < inf:
            self.quickest_s = min(self.least_s, self.quickest_s * slowing)
            self.least_s = inf


class Overload:
    """Counts the calls under way and decides whether another one may begin."""

    def __init__(
        self,
        observer: LoadObserver,
        *,
        target_s: float,
        most: int,
        now: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`target_s`: how long most calls may queue; `most`: calls under way, however quickly they are answered."""
        self.now = now
        """Seconds, by a clock that is never set."""
        self._observer = observer
        self._target_s = target_s
        self._most = most
        self._draw = draw
        self._kinds: list[Kind] = []
        self.under_way = 0
        self.limit = float(most)
        self.free = 0
        """Below so many calls under way, another one may begin whatever it is."""
        self.strangers = 0
        """Calls of which nobody knows yet whose they are, or which are being told that their credentials do not do."""
        self.most_strangers = 0
        """Below so many of them, another one may be looked at."""
        self._rate = inf
        self._busy_s = self._busy_ended = 0.0
        self._pause_s = PAUSE_S[0]
        self._calm_s = CALM_S
        self._untold, self._untold_strangers, self._quiet_s = 0, 0, TELL_S
        self._begin_interval()

    def kind(self, weight: Weight) -> Kind:
        """Return a new kind of calls."""
        kind = Kind(weight)
        self._kinds.append(kind)
        return kind

    def end(self, kind: Kind, began: float) -> None:
        """Count a call whose answer is sent; it counts in `under_way` since the instant `began`."""
        took = self.now() - began
        self.under_way -= 1
        self._ended += 1
        if took < kind.least_s:  # noqa: PLR1730 - min() takes longer, and all calls come here
            kind.least_s = took
        took -= kind.quickest_s
        self._queued_s += took
        if took > self._target_s:
            self._late += 1

    def leave(self) -> None:
        """Count a command of a stream that is answered: how long it queued says how many its client sends ahead."""
        self.under_way -= 1
        self._left += 1

    def refusal(self, weight: Weight, left_s: float | None, *, was_tried: bool = False) -> Overloaded | None:
        """Return why a call may not begin, None if it may; `left_s`: until its deadline, `was_tried`: it is a retry.

        Returned, not raised: to refuse has to cost next to nothing, and tracebacks are left to the garbage collector.
        """
        expected_s = self.under_way / self._rate
        if self.under_way >= self.limit * (READ_SHARE if weight is Weight.READ else 1.0):
            why = f"overload_{weight}"
        elif left_s is not None and left_s < expected_s and expected_s > SHORT_S and self.under_way >= LEAST:
            why = "overload_deadline"
        else:
            return None
        self._refused += 1
        self._observer.refused(why)
        return self._refused_for_now(was_tried=was_tried)

    def refusal_of_stranger(self, *, was_tried: bool = False) -> Overloaded | None:
        """Return why it may not even be found out whose a call is, None if it may; it moves no bound."""
        if self.strangers < self.most_strangers:
            return None
        self._untold_strangers += 1
        self._observer.refused("overload_stranger")
        return self._refused_for_now(was_tried=was_tried)

    def _refused_for_now(self, *, was_tried: bool) -> Overloaded:
        return Overloaded(self._pause_s * (1 - SPREAD + 2 * SPREAD * self._draw()), was_tried=was_tried)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            began = self.now()
            await asyncio.sleep(INTERVAL_S)
            self.looked(self.now() - began)

    def looked(self, seconds: float) -> None:
        """Adapt to what has ended in so many seconds."""
        # Besides those there are at this instant: by Little's law, those who queued on average.
        busiest = max(self.under_way, int(self._queued_s / seconds), self._refused and int(self.limit))
        # Fewer calls than that are no queue: what is slow then is the machine, or the store.
        is_late = 2 * self._late > self._ended and busiest >= LEAST
        # What is slow though next to nothing queues is slow by itself, for example because the store is far away.
        slowing = SLOWING if busiest < LEAST or (is_late and self.limit == LEAST) else 1.0
        for kind in self._kinds:
            kind.adapt(slowing)
        if is_late:
            # From what there is: a bound far above that would take long to be felt.
            is_far = self._queued_s > 2 * self._target_s * self._ended
            self.limit = max(LEAST, min(self.limit, busiest) * (FAR_BACKOFF if is_far else BACKOFF))
        elif self._calm_s >= CALM_S:
            self.limit = min(self._most, self.limit * RELAXATION)
        elif busiest > self.limit * READ_SHARE:
            self.limit = min(self._most, self.limit * GROWTH)
        self._calm_s = 0.0 if self._refused else self._calm_s + seconds
        # Before any has ended, a pause of the store would pass for a server that answers nothing.
        if busiest >= LEAST and (self._busy_s or self._ended or self._left):
            self._busy_s = self._busy_s * FADING + seconds
            self._busy_ended = self._busy_ended * FADING + self._ended + self._left
            self._rate = max(self._busy_ended, 1.0) / self._busy_s if self._busy_s >= KNOWN_S else inf
        pause_s = PAUSE_S[0] * self._refused / (RETURNING * max(self._ended + self._left, 1))
        self._pause_s = min(max(0.9 * self._pause_s + 0.1 * pause_s, PAUSE_S[0]), PAUSE_S[1])
        self._observer.loaded(int(self.limit), max(self._queued_s / self._ended, 0.0) if self._ended else None)
        self._tell(seconds)
        self._begin_interval()

    def _begin_interval(self) -> None:
        self._ended = self._left = self._late = self._refused = 0
        self._queued_s = 0.0
        self.most_strangers = max(int(self.limit * STRANGERS_SHARE), 1)
        self.free = int(max(min(self.limit * READ_SHARE, self._rate * SHORT_S), LEAST * READ_SHARE))

    def _tell(self, seconds: float) -> None:
        """Say that calls are refused, now and then."""
        self._untold += self._refused
        self._quiet_s += seconds
        if (self._untold or self._untold_strangers) and self._quiet_s >= TELL_S:
            _log.warning(
                "overloaded",
                refused=self._untold,
                strangers=self._untold_strangers,
                limit=int(self.limit),
                under_way=self.under_way,
            )
            self._untold, self._untold_strangers, self._quiet_s = 0, 0, 0.0
