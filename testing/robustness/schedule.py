"""Which faults come when: a pure function of a seed."""

import random
from enum import StrEnum
from typing import Final, NamedTuple


class FaultKind(StrEnum):
    """The kinds of faults."""

    SERVER_KILLED = "server killed"
    SERVER_STOPPED = "server stopped"
    SERVER_FROZEN = "server frozen"
    WORKER_KILLED = "worker killed"
    WORKER_FROZEN = "worker frozen"
    REDIS_KILLED = "redis killed"
    REDIS_FROZEN = "redis frozen"
    POWER_LOST = "power lost"
    CONNECTIONS_CUT = "connections cut"
    NETWORK_SLOW = "network slow"
    NETWORK_SILENT = "network silent"
    CLOCK_FORWARD = "clock stepped forward"
    CLOCK_BACK = "clock stepped back"
    POSTGRES_STOPPED = "postgres stopped"


class PlannedFault(NamedTuple):
    """A fault `at_s` seconds after the start, for `for_s` seconds where it lasts.

    `target` is the server concerned; `amount_ms` the delay of a slow network, or the step of a clock.
    """

    at_s: float
    kind: FaultKind
    target: int
    for_s: float
    amount_ms: int


WARM_UP_S: Final = 3.0
CALM_S: Final = (2.0, 4.0)
"""From one fault, once it is over, to the next one."""
LONGEST_STEP_BACK_MS: Final = 1_900
"""Shorter than any calm: after a power loss, no change can bear an instant from before it."""

_LASTS_S: Final[dict[FaultKind, tuple[float, float]]] = {
    FaultKind.SERVER_FROZEN: (1.0, 3.0),
    FaultKind.WORKER_FROZEN: (1.0, 3.0),
    FaultKind.REDIS_FROZEN: (0.3, 2.5),
    FaultKind.NETWORK_SLOW: (1.0, 3.0),
    FaultKind.NETWORK_SILENT: (1.0, 5.0),
    FaultKind.POSTGRES_STOPPED: (0.5, 3.0),
    FaultKind.POWER_LOST: (1.0, 1.0),
}
_AMOUNT_MS: Final[dict[FaultKind, tuple[int, int]]] = {
    FaultKind.NETWORK_SLOW: (5, 120),
    FaultKind.CLOCK_FORWARD: (200, 4_000),
    FaultKind.CLOCK_BACK: (100, LONGEST_STEP_BACK_MS),
}
_TAKES_S: Final = 3.0
"""A process that is started again is waited for; about so long. The schedule goes on whatever it took."""
_RESTARTS: Final = frozenset(
    {
        FaultKind.SERVER_KILLED,
        FaultKind.SERVER_STOPPED,
        FaultKind.WORKER_KILLED,
        FaultKind.REDIS_KILLED,
        FaultKind.POWER_LOST,
    }
)


def schedule(seed: int, seconds: float, servers: int) -> list[PlannedFault]:
    """Return the faults of a run: every kind once before any kind comes again, until the time is over."""
    chance = random.Random(f"schedule {seed}")
    planned: list[PlannedFault] = []
    deck: list[FaultKind] = []
    at = WARM_UP_S
    while True:
        if not deck:
            deck = list(FaultKind)
            chance.shuffle(deck)
        kind = deck.pop()
        lasts = chance.uniform(*_LASTS_S.get(kind, (0.0, 0.0)))
        takes = lasts + (_TAKES_S if kind in _RESTARTS else 0.0)
        if at + takes + CALM_S[0] > seconds:
            return planned
        amount = chance.randint(*_AMOUNT_MS.get(kind, (0, 0)))
        planned.append(PlannedFault(round(at, 2), kind, chance.randrange(servers), round(lasts, 2), amount))
        at += takes + chance.uniform(*CALM_S)
