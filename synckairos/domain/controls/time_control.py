"""Time controls: the agreement on one holder's clock; it never changes after creation."""

from typing import Final, NamedTuple

from synckairos.domain.families import ABSOLUTE
from synckairos.domain.families.family import Family
from synckairos.domain.families.hourglass import Hourglass


class Stage(NamedTuple):
    """A stage of `turns` turns (0: all the rest), which adds `base_ms` to the bank when it begins."""

    base_ms: int
    turns: int = 0
    family: Family = ABSOLUTE


class LagCompensation(NamedTuple):
    """A quota of network lag that is given back, in ms; `max_per_turn_ms` 0: as much as the quota has."""

    start_ms: int = 0
    gain_ms: int = 0
    max_ms: int = 0
    max_per_turn_ms: int = 0


class TimeControl(NamedTuple):
    """The stages of a clock, of which the last repeats, and what is composed around them; limits 0: none."""

    stages: tuple[Stage, ...]
    turn_limit_ms: int = 0
    free_turns: int = 0
    free_turn_limit_ms: int = 0
    lag_compensation: LagCompensation | None = None

    @property
    def flows(self) -> bool:
        """Whether what a turn spends goes to the other holders, as in an hourglass."""
        for stage in self.stages:  # noqa: SIM110 - asked several times a switch: a generator takes three times as long
            if isinstance(stage.family, Hourglass):
                return True
        return False

    def limit_of(self, turns_made: int) -> int | None:
        """Return how long a holder's turn may last after so many turns, in ms; None if it has no limit."""
        own, free = self.turn_limit_ms, self.free_turn_limit_ms if turns_made < self.free_turns else 0
        return min(own, free) if own and free else own or free or None


class Progress(NamedTuple):
    """Where a holder stands in its control: the parts beside the bank, and what `Parts` does not say.

    `open_ms` is what the turn that is not completed has been charged for, while the parts stand as at its beginning
    (in overtime, how long it lasts);
    `burnt` are the periods of that turn which an adjustment has made final.
    """

    control: TimeControl
    stage: int = 0
    stage_turns: int = 0
    turns_made: int = 0
    periods: int = 0
    extra_ms: int = 0
    block_ms: int = 0
    block_turns: int = 0
    lag_quota_ms: int = 0
    open_ms: int = 0
    burnt: int = 0


class Settled(NamedTuple):
    """What a completed turn did to its holder's clock, in ms; `stage` is that of the turn."""

    spent_ms: int = 0
    granted_ms: int = 0
    credited_ms: int = 0
    periods_burnt: int = 0
    stage: int = 0


MAX_STAGES: Final = 16
