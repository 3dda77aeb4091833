"""The JSON of time controls, of where a clock stands in one, and of what an event did.

A session has its controls in one list, each once; clocks refer to them by their places there.
"""

from collections.abc import Iterable
from dataclasses import fields
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from synckairos.domain.controls.time_control import MAX_STAGES, LagCompensation, Progress, Settled, Stage, TimeControl
from synckairos.domain.events import NO_EFFECT, Effect, Event
from synckairos.domain.families import FAMILIES
from synckairos.domain.model import Clock

MAX_INT64: Final = 2**63 - 1
Count = Annotated[int, Meta(ge=0, le=MAX_INT64)]
Signed = Annotated[int, Meta(ge=-MAX_INT64, le=MAX_INT64)]

_FAMILIES: Final = {family.name: family for family in FAMILIES}


class Json(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A JSON object without the values that are equal to their default."""


class _Stage(Json):
    base_ms: Count
    turns: Count = 0
    family: str = "absolute"
    parameters: dict[str, Count | bool] = {}


class _Lag(Json):
    start_ms: Count = 0
    gain_ms: Count = 0
    max_ms: Count = 0
    max_per_turn_ms: Count = 0


class ControlJson(Json):
    """A time control."""

    stages: Annotated[list[_Stage], Meta(min_length=1, max_length=MAX_STAGES)]
    turn_limit_ms: Count = 0
    free_turns: Count = 0
    free_turn_limit_ms: Count = 0
    lag_compensation: _Lag | None = None


class ProgressJson(Json):
    """Where a clock stands in the control at place `control`."""

    control: Count
    stage: Count = 0
    stage_turns: Count = 0
    turns_made: Count = 0
    periods: Count = 0
    extra_ms: Signed = 0
    block_ms: Count = 0
    block_turns: Count = 0
    lag_quota_ms: Count = 0
    open_ms: Count = 0
    burnt: Count = 0


class TurnJson(Json):
    """What a completed turn did."""

    spent_ms: Count = 0
    granted_ms: Signed = 0
    credited_ms: Count = 0
    periods_burnt: Count = 0
    stage: Count = 0


class EffectJson(Json):
    """What an event did beside what the session after it shows."""

    turn: TurnJson | None = None
    extended_ms: Count = 0
    advanced_ms: Count = 0


class Controls:
    """The controls of one session while it is written: every control has a place, equal ones share it."""

    def __init__(self, default: TimeControl | None, clocks: Iterable[Clock]) -> None:
        self._places: dict[TimeControl, int] = {}
        self.default = None if default is None else self._place(default)
        # By identity first: hashing a control takes as long as writing a clock.
        self._known: dict[int, int] = {}
        for clock in clocks:
            if clock.progress is not None and id(clock.progress.control) not in self._known:
                self._known[id(clock.progress.control)] = self._place(clock.progress.control)

    def _place(self, control: TimeControl) -> int:
        return self._places.setdefault(control, len(self._places))

    def progress(self, progress: Progress | None) -> ProgressJson | None:
        """Return the JSON of where one of the session's clocks stands."""
        return None if progress is None else ProgressJson(self._known[id(progress.control)], *progress[1:])

    def all(self) -> list[ControlJson]:
        """Return the JSON of the controls, by place."""
        return [_control(control) for control in self._places]


def _control(control: TimeControl) -> ControlJson:
    stages, turn_limit, free_turns, free_limit, lag = control
    return ControlJson([*map(_stage, stages)], turn_limit, free_turns, free_limit, None if lag is None else _Lag(*lag))


def _stage(stage: Stage) -> _Stage:
    family = stage.family
    parameters = {field.name: getattr(family, field.name) for field in fields(family)}
    return _Stage(stage.base_ms, stage.turns, family.name, parameters)


def read_control(read: ControlJson) -> TimeControl:
    """Return the control; raises LookupError, TypeError or ValueError for one that there cannot be."""
    lag = read.lag_compensation
    return TimeControl(
        tuple([_read_stage(stage) for stage in read.stages]),
        read.turn_limit_ms,
        read.free_turns,
        read.free_turn_limit_ms,
        None if lag is None else LagCompensation(lag.start_ms, lag.gain_ms, lag.max_ms, lag.max_per_turn_ms),
    )


def _read_stage(read: _Stage) -> Stage:
    family = _FAMILIES[read.family]
    for field in fields(family):
        if (field.type is bool) is not isinstance(read.parameters.get(field.name, field.default), bool):
            raise ValueError(f"{read.family} has another kind of {field.name}")
    return Stage(read.base_ms, read.turns, family(**read.parameters))


def read_progress(read: ProgressJson | None, controls: list[TimeControl]) -> Progress | None:
    """Return where a clock stands; raises LookupError for a control or a stage that there is not."""
    if read is None:
        return None
    progress = Progress(controls[read.control], *[getattr(read, name) for name in Progress._fields[1:]])
    progress.control.stages[progress.stage]
    return progress


def effect_of(event: Event) -> Effect:
    """Return what an event did beside what the session after it shows."""
    return Effect(event.turn, event.extended_ms, event.advanced_ms)


def effect_json(effect: Effect) -> EffectJson | None:
    """Return the JSON of what an event did; None for nothing."""
    if effect == NO_EFFECT:
        return None
    turn = None if effect.turn is None else TurnJson(*effect.turn)
    return EffectJson(turn, effect.extended_ms, effect.advanced_ms)


def read_turn(read: TurnJson | None) -> Settled | None:
    """Return what a turn did."""
    return None if read is None else Settled(*[getattr(read, name) for name in Settled._fields])


def read_effect(read: EffectJson | None) -> Effect:
    """Return what an event did."""
    return NO_EFFECT if read is None else Effect(read_turn(read.turn), read.extended_ms, read.advanced_ms)
