"""The limits of a time control: of every number, and of what its stages leave to each other."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from synckairos.domain.controls.controlled_clock import granted_before
from synckairos.domain.controls.time_control import MAX_STAGES, Stage, TimeControl
from synckairos.domain.errors import FieldViolation
from synckairos.domain.families import Hourglass, Penalty
from synckairos.domain.model import MAX_BUDGET_MS, SECOND_MS
from synckairos.domain.specification import Violations, in_range

MAX_TURNS: Final = 10_000
MIN_LIMIT_MS: Final = 100

CONTROL_RANGES: Final[dict[str, tuple[int, int]]] = {
    "turn_limit_ms": (MIN_LIMIT_MS, MAX_BUDGET_MS),
    "free_turns": (1, 1_000),
    "free_turn_limit_ms": (MIN_LIMIT_MS, MAX_BUDGET_MS),
}
"""What is composed around the stages; 0 stands for none."""

FAMILY_RANGES: Final[dict[str, tuple[int, int]]] = {
    "increment_ms": (0, MAX_BUDGET_MS),
    "cap_ms": (SECOND_MS, MAX_BUDGET_MS),
    "delay_ms": (1, MAX_BUDGET_MS),
    "periods": (1, 1_000),
    "period_ms": (SECOND_MS, MAX_BUDGET_MS),
    "turns": (1, MAX_TURNS),
    "turn_ms": (SECOND_MS, MAX_BUDGET_MS),
    "limit_ms": (0, MAX_BUDGET_MS),
    "unit_ms": (SECOND_MS, MAX_BUDGET_MS),
    "points": (0, 1_000_000),
}
"""The numbers of the families, each by its name; a cap of 0 stands for none."""


def control_violations(path: str, control: TimeControl) -> Iterator[FieldViolation]:
    """Yield everything that is wrong with a time control; `path` is that of its field."""
    yield from _around(path, control)
    count = len(control.stages)
    if not 1 <= count <= MAX_STAGES:
        yield FieldViolation(f"{path}.stages", f"has {count} entries, 1 to {MAX_STAGES} are allowed")
        return
    wrong = [violation for place in range(count) for violation in _stage(path, control, place)]
    yield from wrong or _beginnings(path, control)


def _around(path: str, control: TimeControl) -> Violations:
    for name, limits in CONTROL_RANGES.items():
        if getattr(control, name):
            yield from in_range(f"{path}.{name}", getattr(control, name), limits)
    if control.free_turn_limit_ms and not control.free_turns:
        yield FieldViolation(f"{path}.free_turn_limit_ms", "needs free_turns")
    lag = control.lag_compensation
    for name, value in lag._asdict().items() if lag else ():
        yield from in_range(f"{path}.lag_compensation.{name}", value, (0, MAX_BUDGET_MS))


def _stage(path: str, control: TimeControl, place: int) -> Violations:
    """Yield what is wrong with a stage by itself, and at its place."""
    stage, path = control.stages[place], f"{path}.stages[{place}]"
    is_last = place == len(control.stages) - 1
    if stage.base_ms:
        yield from in_range(f"{path}.base_ms", stage.base_ms, (SECOND_MS, MAX_BUDGET_MS))
    if not stage.turns and not is_last:
        yield FieldViolation(f"{path}.turns", "is required: only the last stage may leave it out")
    elif stage.turns:
        yield from in_range(f"{path}.turns", stage.turns, (1, MAX_TURNS))
    family = stage.family
    for field in fields(family):
        value: int = getattr(family, field.name)
        if field.name in FAMILY_RANGES and (value or field.name != "cap_ms"):
            yield from in_range(f"{path}.{family.name}.{field.name}", value, FAMILY_RANGES[field.name])
    if isinstance(family, Hourglass) and (stage.turns or len(control.stages) > 1):
        yield FieldViolation(f"{path}.{family.name}", "must be the only stage, without a count of turns")


def _beginnings(path: str, control: TimeControl) -> Violations:
    """Yield the first stage that could begin with a clock that has run out already."""
    left: int | None = 0
    for place, stage in enumerate(control.stages):
        if not _has_time(stage, left):
            problem = (
                "could leave the stage without time at its beginning" if place else "leaves the clock without time"
            )
            yield FieldViolation(f"{path}.stages[{place}].base_ms", f"is {stage.base_ms}, which {problem}")
            return
        left = stage.family.least_left(stage.base_ms + (left or 0))


def _has_time(stage: Stage, left_ms: int | None) -> bool:
    """Whether a stage has time to begin with, where the stages before leave at least `left_ms`, or any bank (None)."""
    family = stage.family
    if isinstance(family, Penalty) and not family.limit_ms:
        return True
    if left_ms is None:
        return False
    parts = granted_before(stage, family.begin(left_ms + stage.base_ms))
    budget = family.budget(parts)
    return (parts.bank_ms >= 0 or isinstance(family, Penalty)) and budget is not None and budget > 0
