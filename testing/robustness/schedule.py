"""Which faults come when: a pure function of a seed.

Some come two at once: those of parts that can be broken independently of each other.
"""

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
    DISK_SLOW = "disk slow"
    DISK_SLOW_KILLED = "redis killed on a slow disk"
    SESSION_UNREADABLE = "session unreadable"
    PRIMARY_KILLED = "primary killed"
    PRIMARY_FROZEN = "primary frozen"
    PRIMARY_CUT_OFF = "primary cut off"
    SHARD_AWAY = "shard away"
    SLOTS_MOVED = "slots moved"
    SENTINELS_LOST = "sentinels lost"


class Topology(StrEnum):
    """How Redis keeps the sessions."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


_OF_REPLICAS: Final = frozenset(
    {
        FaultKind.PRIMARY_KILLED,
        FaultKind.PRIMARY_FROZEN,
        FaultKind.PRIMARY_CUT_OFF,
        FaultKind.SHARD_AWAY,
        FaultKind.SLOTS_MOVED,
        FaultKind.SENTINELS_LOST,
    }
)
_PROCESSES: Final = (
    FaultKind.SERVER_KILLED,
    FaultKind.SERVER_FROZEN,
    FaultKind.WORKER_KILLED,
    FaultKind.POSTGRES_STOPPED,
)
KINDS: Final = {
    Topology.SINGLE: tuple(kind for kind in FaultKind if kind not in _OF_REPLICAS),
    # A primary that was frozen takes changes beside the new one until the Sentinels tell it: no judge can part the two.
    Topology.SENTINEL: (FaultKind.PRIMARY_KILLED, FaultKind.SENTINELS_LOST, *_PROCESSES),
    Topology.CLUSTER: (*sorted(_OF_REPLICAS - {FaultKind.SENTINELS_LOST}), *_PROCESSES),
}
"""The faults of each: a single Redis stands behind a network, a clock and a disk that can be broken."""


class PlannedFault(NamedTuple):
    """A fault `at_s` seconds after the start, for `for_s` seconds where it lasts.

    `target` is the server concerned, or the shard; `amount_ms` the delay of a slow network, the step of a clock, or how
    far replicas are behind.
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
    FaultKind.DISK_SLOW: (2.0, 5.0),
    FaultKind.DISK_SLOW_KILLED: (2.0, 2.0),
    FaultKind.SESSION_UNREADABLE: (1.0, 3.0),
    FaultKind.PRIMARY_FROZEN: (0.0, 2.0),
    FaultKind.PRIMARY_CUT_OFF: (0.0, 2.0),
    FaultKind.SHARD_AWAY: (0.5, 3.0),
    FaultKind.SENTINELS_LOST: (2.0, 4.0),
}
_AMOUNT_MS: Final[dict[FaultKind, tuple[int, int]]] = {
    FaultKind.NETWORK_SLOW: (5, 120),
    FaultKind.CLOCK_FORWARD: (200, 4_000),
    FaultKind.CLOCK_BACK: (100, LONGEST_STEP_BACK_MS),
    FaultKind.DISK_SLOW: (500, 3_000),
    FaultKind.DISK_SLOW_KILLED: (1_500, 1_500),
    FaultKind.PRIMARY_KILLED: (0, 400),
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
        FaultKind.DISK_SLOW_KILLED,
        FaultKind.PRIMARY_KILLED,
        FaultKind.PRIMARY_FROZEN,
        FaultKind.PRIMARY_CUT_OFF,
        FaultKind.SHARD_AWAY,
    }
)
_ASIDE: Final[dict[FaultKind, str]] = {
    FaultKind.WORKER_KILLED: "worker",
    FaultKind.WORKER_FROZEN: "worker",
    FaultKind.POSTGRES_STOPPED: "database",
    FaultKind.SERVER_KILLED: "server",
    FaultKind.SERVER_FROZEN: "server",
    FaultKind.REDIS_KILLED: "redis",
    FaultKind.REDIS_FROZEN: "redis",
    FaultKind.DISK_SLOW: "redis",
    FaultKind.CONNECTIONS_CUT: "network",
    FaultKind.NETWORK_SLOW: "network",
    FaultKind.PRIMARY_KILLED: "redis",
    FaultKind.PRIMARY_FROZEN: "redis",
    FaultKind.PRIMARY_CUT_OFF: "redis",
    FaultKind.SHARD_AWAY: "redis",
    FaultKind.SLOTS_MOVED: "slots",
    FaultKind.SENTINELS_LOST: "sentinels",
}
"""Faults that may come two at once, and the part each of them breaks; the two break different ones."""
_TWO_AT_ONCE: Final = 0.5
"""The share of the faults that may come so, and do where there is another one."""


def schedule(seed: int, seconds: float, servers: int, topology: Topology = Topology.SINGLE) -> list[PlannedFault]:
    """Return the faults of a run: every kind once before any kind comes again, until the time is over."""
    chance = random.Random(f"schedule {seed}")
    planned: list[PlannedFault] = []
    deck: list[FaultKind] = []
    at = WARM_UP_S
    while True:
        if not deck:
            deck = list(KINDS[topology])
            chance.shuffle(deck)
        kinds = [deck.pop()]
        beside = _beside(kinds[0], deck)
        if beside is not None and chance.random() < _TWO_AT_ONCE:
            deck.remove(beside)
            kinds.append(beside)
        faults = [_fault(chance, kind, at, servers) for kind in kinds]
        if FaultKind.SLOTS_MOVED in kinds:
            # Slots move between the shards that the other fault spares.
            faults = [fault._replace(target=faults[0].target) for fault in faults]
        takes = max(fault.for_s + _TAKES_S * (fault.kind in _RESTARTS) for fault in faults)
        if at + takes + CALM_S[0] > seconds:
            return planned
        planned += faults
        at += takes + chance.uniform(*CALM_S)


def _beside(kind: FaultKind, deck: list[FaultKind]) -> FaultKind | None:
    """Return the next fault of the deck that may come at once with this one."""
    part = _ASIDE.get(kind)
    return next((other for other in reversed(deck) if part and _ASIDE.get(other, part) != part), None)


def _fault(chance: random.Random, kind: FaultKind, at: float, servers: int) -> PlannedFault:
    lasts = chance.uniform(*_LASTS_S.get(kind, (0.0, 0.0)))
    amount = chance.randint(*_AMOUNT_MS.get(kind, (0, 0)))
    return PlannedFault(round(at, 2), kind, chance.randrange(servers), round(lasts, 2), amount)
