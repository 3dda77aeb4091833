"""The sizes of a run: large enough to publish, or small enough for a minute."""

from typing import Final, NamedTuple


class Sizes(NamedTuple):
    """The size of a run; times in seconds."""

    is_quick: bool
    rounds: int
    """Of the scenarios that take turns."""
    single_rounds: int
    """Of the scenarios that have servers of their own."""
    warm_s: float
    run_s: float
    fresh_s: float
    """A baseline this old is measured again before a scenario that is compared with it."""
    settle_s: float
    """After the last change, for messages still under way."""
    sessions: int
    watchers: int
    many_watchers: int
    fan_outs: int
    """Changes told to `watchers`; to `many_watchers` a fifth of that."""
    ticking: int
    ticking_s: float
    running: int
    """Sessions that run while others expire."""
    expiring_s: float
    large: int
    """Sessions of the store that is compared with one of 1 000."""
    weighed: int
    """Sessions whose memory is measured."""
    starts: int
    readers: int
    """Of one session, one of whom stops reading."""
    written: int
    """Events written without a worker."""
    drained: int
    """Events of a full outbox."""
    stored: int
    """Events of a trail that is paged through."""
    recovered: int
    participants: tuple[int, ...]


FULL: Final = Sizes(
    is_quick=False,
    rounds=3,
    single_rounds=3,
    warm_s=0.5,
    run_s=3.0,
    fresh_s=0.0,
    settle_s=1.0,
    sessions=1_000,
    watchers=1_000,
    many_watchers=10_000,
    fan_outs=50,
    ticking=1_000,
    ticking_s=10.0,
    running=10_000,
    expiring_s=20.0,
    large=100_000,
    weighed=2_000,
    starts=5,
    readers=500,
    written=20_000,
    drained=200_000,
    stored=1_000_000,
    recovered=10_000,
    participants=(2, 10, 100, 1_000),
)
QUICK: Final = FULL._replace(
    is_quick=True,
    rounds=2,
    single_rounds=1,
    warm_s=0.1,
    run_s=0.3,
    fresh_s=6.0,
    settle_s=0.3,
    watchers=300,
    many_watchers=1_000,
    fan_outs=10,
    ticking=200,
    ticking_s=2.0,
    running=1_000,
    expiring_s=1.5,
    large=5_000,
    weighed=200,
    starts=1,
    readers=20,
    written=4_000,
    drained=2_000,
    stored=10_000,
    recovered=100,
    participants=(2, 100),
)
CHECK: Final = QUICK._replace(rounds=20, single_rounds=5, fresh_s=1.0)
"""A quick run of only those that a quick check looks at."""
