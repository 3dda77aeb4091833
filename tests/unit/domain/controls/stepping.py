"""A clock with a time control that counts every millisecond, as a mechanical one does: an arithmetic of its own."""

from copy import copy
from dataclasses import dataclass
from typing import Self

from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.family import Family
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn


@dataclass
class SteppingClock:
    """One holder's clock; `tick` lets a millisecond of its turn pass, `complete` ends the turn."""

    control: TimeControl
    bank: int = 0
    stage: int = 0
    stage_turns: int = 0
    turns: int = 0
    periods: int = 0
    period: int = 0
    block_turns: int = 0
    turn: int = 0
    used: int = 0
    overtime: int = 0
    is_over: bool = False

    @classmethod
    def new(cls, control: TimeControl) -> Self:
        """Return an unused clock."""
        clock = cls(control)
        clock._enter(0)
        clock._grant_before()
        return clock

    @property
    def family(self) -> Family:
        """The family of the turn that runs."""
        return self.control.stages[self.stage].family

    @property
    def is_free(self) -> bool:
        """Whether the turn charges nothing."""
        return self.turns < self.control.free_turns

    @property
    def has_flagged(self) -> bool:
        """Whether nothing is left of the turn that runs."""
        if self.is_free or self.is_over:
            return False
        match self.family:
            case SimpleDelay(delay_ms=own) | PerTurn(turn_ms=own):
                return self.bank == 0 and self.turn >= own
            case ByoYomi():
                return self.bank == 0 and self.periods == 0
            case Canadian():
                return self.bank == 0 and self.period == 0
            case Penalty(limit_ms=limit):
                return bool(limit) and self.bank <= -limit
            case _:
                return self.bank == 0

    def tick(self) -> None:
        """Let a millisecond pass."""
        self.turn += 1
        if self.is_free:
            return
        if self.is_over:
            self.overtime += 1
            return
        self.used += 1
        match self.family:
            case SimpleDelay(delay_ms=own) | PerTurn(turn_ms=own):
                self.bank -= self.turn > own
            case ByoYomi(period_ms=length) if self.bank == 0:
                self.period -= 1
                if self.period == 0:
                    self.periods, self.period = self.periods - 1, length
            case Canadian() if self.bank == 0:
                self.period -= 1
            case _:
                self.bank -= 1

    def complete(self) -> None:
        """End the turn."""
        if not self.is_over and not self.is_free:
            self._earn()
        self.turns, self.turn = self.turns + 1, 0
        if self.is_over:
            if isinstance(self.family, PerTurn):
                self.is_over = False
            return
        self.stage_turns += 1
        stage = self.control.stages[self.stage]
        if stage.turns and self.stage_turns == stage.turns:
            self._enter(min(self.stage + 1, len(self.control.stages) - 1))
        if self.turns > self.control.free_turns:
            self._grant_before()

    def flag(self) -> None:
        """Go on in overtime, without anything of the family."""
        self.is_over, self.periods, self.period, self.block_turns = True, 0, 0, 0

    def without(self, credit: int, begun: "SteppingClock") -> "SteppingClock":
        """Return the clock as if its turn, which began like `begun`, had lasted `credit` ms less."""
        clock = copy(begun)
        for _ in range(self.turn - credit):
            clock.tick()
        clock.used = self.used
        return clock

    def _enter(self, stage: int) -> None:
        self.stage, self.stage_turns = stage, 0
        self.bank += self.control.stages[stage].base_ms
        self.periods = self.period = self.block_turns = 0
        match self.family:
            case ByoYomi(periods=periods, period_ms=length):
                self.periods, self.period = periods, length
            case Canadian(turns=turns, period_ms=length):
                self.block_turns, self.period = turns, length
            case _:
                pass

    def _earn(self) -> None:
        match self.family:
            case Fischer(before_turn=False):
                self._increment()
            case Bronstein(delay_ms=delay):
                self.bank += min(self.turn, delay)
            case ByoYomi(period_ms=length, increment_ms=increment):
                self.period = length
                self.bank += increment if self.bank else 0
            case Canadian(turns=turns, period_ms=length) if self.bank == 0:
                self.block_turns -= 1
                if self.block_turns == 0:
                    self.block_turns, self.period = turns, length
            case Penalty(increment_ms=increment):
                self.bank += increment
            case _:
                pass

    def _grant_before(self) -> None:
        if isinstance(self.family, Fischer) and self.family.before_turn:
            self._increment()

    def _increment(self) -> None:
        assert isinstance(self.family, Fischer)
        room = max(0, self.family.cap_ms - self.bank) if self.family.cap_ms else self.family.increment_ms
        self.bank += min(self.family.increment_ms, room)
