"""The clocks: Redis' decides, and the others should agree with it."""

from typing import Final, NamedTuple

from synckairos.cli.doctor.findings import Finding, advice, fine, wrong

WRONG_MS: Final = 1_000.0
ADVICE_MS: Final = 100.0


class Clock(NamedTuple):
    """A clock beside this machine's, and how far that reading may be off, in ms."""

    ahead_ms: float
    within_ms: float


THIS_MACHINE: Final = Clock(0.0, 0.0)


def compared(name: str, other: str, redis: Clock, clock: Clock) -> Finding:
    """Return how Redis' clock and another one agree; the slowness of the readings is no fault of theirs."""
    apart = redis.ahead_ms - clock.ahead_ms
    within = redis.within_ms + clock.within_ms
    way = "ahead of" if apart >= 0 else "behind"
    what = f"Redis' clock is {abs(apart):.0f} ms {way} that of {other} (measured to {within:.0f} ms)"
    least = abs(apart) - within
    remedy = "run NTP on the host of Redis, and on the others; Redis' clock decides"
    if least > WRONG_MS:
        return wrong(name, what, remedy)
    if least > ADVICE_MS:
        return advice(name, what, remedy)
    return fine(name, what)
