"""A server in virtual time, with callers who wait for answers and some who do not.

It works as the real one does: calls share an exchange with the store, which takes a while for itself and a while for
each of them, and to refuse one costs a fraction of that.
"""

from collections import deque
from heapq import heappop, heappush
from random import Random
from typing import Final, NamedTuple

from synckairos.application.admission.overload import INTERVAL_S, Kind, Overload, Weight

EXCHANGE_S: Final = 0.001
CALL_S: Final = 0.0003
REFUSAL_S: Final = 0.00006


class Seen(NamedTuple):
    """What has been seen of limits and refusals."""

    refusals: list[str]
    limits: list[int]

    def refused(self, limit: str) -> None:
        """Keep it."""
        self.refusals.append(limit)

    def loaded(self, limit: int, queueing_s: float | None) -> None:
        """Keep the limit."""
        del queueing_s
        self.limits.append(limit)


class Call(NamedTuple):
    """A call that has been taken on."""

    began: float
    caller: int
    kind: Kind


class ModelServer:
    """Serves until an instant; `served` has the instant and the time of each answer."""

    def __init__(self, *, target_s: float = 0.01, most: int = 2_000) -> None:
        self.now = 0.0
        self.seen = Seen([], [])
        self.overload = Overload(self.seen, target_s=target_s, most=most, now=lambda: self.now, draw=Random(7).random)
        self.kinds = {weight: self.overload.kind(weight) for weight in (Weight.READ, Weight.CHANGE)}
        self.served: list[tuple[float, float, Weight]] = []
        self._arrivals: list[tuple[float, int, Weight, bool]] = []
        self._waiting: deque[Call] = deque()
        self._look = INTERVAL_S
        self._callers = 0

    def callers(self, count: int, weight: Weight = Weight.CHANGE) -> None:
        """Add callers who call again as soon as they are answered, or when they are told to."""
        for _ in range(count):
            self._callers += 1
            heappush(self._arrivals, (self.now, self._callers, weight, True))

    def flood(self, rate: float, seconds: float, weight: Weight = Weight.CHANGE) -> None:
        """Add calls at a rate, whatever comes of them."""
        for place in range(round(rate * seconds)):
            self._callers += 1
            heappush(self._arrivals, (self.now + place / rate, self._callers, weight, False))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.now < until:
            self._arrive()
            if self._waiting:
                self._exchange()
            else:
                self.now = min([until, self._look, *(one[0] for one in self._arrivals[:1])])
            while self._look <= self.now:
                self.overload.looked(INTERVAL_S)
                self._look += INTERVAL_S

    def rate(self, since: float) -> float:
        """Return the answers a second since an instant."""
        return sum(at >= since for at, *_ in self.served) / (self.now - since)

    def p99(self, since: float) -> float:
        """Return how long all but the slowest hundredth of the answers took, in seconds."""
        times = sorted(took for at, took, _ in self.served if at >= since)
        return times[int(len(times) * 0.99)]

    def _arrive(self) -> None:
        while self._arrivals and self._arrivals[0][0] <= self.now:
            at, caller, weight, again = heappop(self._arrivals)
            refusal = None
            if self.overload.under_way >= self.overload.free:
                refusal = self.overload.refusal(weight, None)
            if refusal is None:
                self.overload.under_way += 1
                self._waiting.append(Call(at, caller if again else 0, self.kinds[weight]))
                continue
            self.now += REFUSAL_S
            if again:
                heappush(self._arrivals, (self.now + refusal.retry_after_ms / 1_000, caller, weight, True))

    def _exchange(self) -> None:
        batch, self._waiting = self._waiting, deque()
        self.now += EXCHANGE_S + CALL_S * len(batch)
        for call in batch:
            self.overload.end(call.kind, call.began)
            self.served.append((self.now, self.now - call.began, call.kind.weight))
            if call.caller:
                heappush(self._arrivals, (self.now, call.caller, call.kind.weight, True))
