"""How clocks, their time controls and rules are written: rows of numbers, the controls once for a whole session.

A control is bytes of its own, so that one that was read before is found again instead of read again.
"""

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec.msgpack

from synckairos.adapters.redis.values import shapes
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.time_control import LagCompensation, Progress, Stage, TimeControl
from synckairos.domain.families import FAMILIES
from synckairos.domain.model import (
    UNTIMED,
    Clock,
    Durability,
    DurabilityLevel,
    Mode,
    OnExpire,
    Rules,
    Session,
    SoftClose,
    SoftClosePolicy,
)

Places: TypeAlias = dict[int, int]
"""The place of a control among those of its session, by its identity: equal ones share a place."""

_NO_CONTROLS: Final[tuple[list[bytes], Places]] = ([], {})
_NUMBERS: Final = {family: number for number, family in enumerate(FAMILIES)}
# Looked up rather than called: an enum takes five times as long to find its member.
_MODES: Final = {mode.value: mode for mode in Mode}
_LEVELS: Final = {level.value: level for level in DurabilityLevel}
_POLICIES: Final = {policy.value: policy for policy in SoftClosePolicy}
_ENDS: Final[dict[int | None, OnExpire | None]] = {None: None, **{end.value: end for end in OnExpire}}
_STAGE: Final[tuple[Any, ...]] = (0, 0, 0, [])
_CONTROL: Final[tuple[Any, ...]] = ([], 0, 0, 0, None)
_CLOCK: Final = (0, 0, 0, 0, 0)
_CONTROLLED: Final[tuple[Any, ...]] = (*_CLOCK, None, *Progress._field_defaults.values())


def row(values: tuple[Any, ...], born: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values without the defaults at their end."""
    end = len(values)
    while end and values[end - 1] == born[end - 1]:
        end -= 1
    return values[:end]


def full(values: Sequence[Any], born: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row with the defaults that were left out at its end."""
    return (*values, *born[len(values) :])


@lru_cache(maxsize=4_096)
def encode_control(control: TimeControl) -> bytes:
    """Return the bytes of a control."""
    stages, turn_limit, free_turns, free_limit, lag = control
    return msgspec.msgpack.encode(row(([*map(_stage, stages)], turn_limit, free_turns, free_limit, lag), _CONTROL))


def _stage(stage: Stage) -> tuple[Any, ...]:
    base, turns, family = stage
    parameters = [getattr(family, field.name) for field in fields(family)]
    return row((base, turns, _NUMBERS[type(family)], parameters), _STAGE)


@lru_cache(maxsize=4_096)
def decode_control(encoded: bytes) -> TimeControl:
    """Return a control; raises ValueError or LookupError for one that no session can have.

    Bytes that were read before give the same object.
    """
    shapes.require_control(encoded)
    stages, turn_limit, free_turns, free_limit, lag = full(msgspec.msgpack.decode(encoded), _CONTROL)
    control = TimeControl(
        tuple([_read_stage(*full(stage, _STAGE)) for stage in stages]),
        turn_limit,
        free_turns,
        free_limit,
        None if lag is None else LagCompensation(*lag),
    )
    for violation in control_violations("time_control", control):
        raise ValueError(f"{violation.path} {violation.description}")
    return control


def _read_stage(base: int, turns: int, number: int, parameters: list[Any]) -> Stage:
    # Not list[int]: compiled code would take each False for a 0.
    kind = FAMILIES[number]
    for field, value in zip(fields(kind), parameters, strict=False):
        if isinstance(value, bool) is not (field.type is bool):
            raise ValueError(f"{kind.name} has no {field.name} {value!r}")
    return Stage(base, turns, kind(*parameters))


def places_of(session: Session) -> tuple[list[bytes], Places]:
    """Return the controls of a session, each once, and where each is."""
    used = [progress.control for one in session.participants if (progress := one.clock.progress) is not None]
    if session.groups:
        used += [progress.control for one in session.groups if (progress := one.clock.progress) is not None]
    default = session.rules.time_control
    if default is not None:
        used.insert(0, default)
    if not used:
        return _NO_CONTROLS
    places: Places = {}
    found: dict[bytes, int] = {}
    for control in used:
        if id(control) not in places:
            places[id(control)] = found.setdefault(encode_control(control), len(found))
    return list(found), places


def clock_row(clock: Clock, places: Places) -> int | tuple[Any, ...]:
    """Return the row of a clock.

    An untimed clock is written as its use alone; a bank as the part of the allotment that is gone.
    """
    allotted, bank, used, overtime, is_expired, in_overtime, progress = clock
    if bank is None or allotted is None:
        return used
    values = (allotted, allotted - bank, used, overtime, is_expired | in_overtime << 1)
    if progress is None:
        return row(values, _CLOCK)
    return row((*values, places[id(progress.control)], *progress[1:]), _CONTROLLED)


def read_clock(raw: Any, controls: Sequence[TimeControl]) -> Clock:  # noqa: ANN401 - a decoded msgpack value
    """Return the clock of a row; raises TypeError, ValueError or LookupError for one that no session can have."""
    if isinstance(raw, int):
        return UNTIMED if raw == 0 else Clock(None, None, raw)
    if len(raw) > len(_CLOCK):
        return _read_controlled(raw, controls)
    allotted, gone, used, overtime, flags = full(raw, _CLOCK)
    return Clock(allotted, allotted - gone, used, overtime, bool(flags & 1), bool(flags & 2))


def _read_controlled(raw: Sequence[Any], controls: Sequence[TimeControl]) -> Clock:
    allotted, gone, used, overtime, flags, place, *standing = full(raw, _CONTROLLED)
    progress = Progress(controls[place], *standing)
    if progress.stage >= len(progress.control.stages):
        raise ValueError(f"there is no stage {progress.stage}")
    return Clock(allotted, allotted - gone, used, overtime, bool(flags & 1), bool(flags & 2), progress)


_RULES: Final[tuple[Any, ...]] = (0, None, [], 0, None, None, None, None)


def rules_row(rules: Rules) -> tuple[Any, ...]:
    """Return the row of what was agreed, as far as layout 1 has a place for it."""
    mode, on_expire, total, per_cycle, increment, cap, cycles, thresholds, *_ = rules
    return row((mode, on_expire, list(thresholds), increment, total, per_cycle, cap, cycles), _RULES)


def read_rules(
    raw: Sequence[Any],
    limit: int | None,
    close_at: int | None,
    soft: Sequence[int] | None,
    control: TimeControl | None,
    durability: Sequence[int] | None,
) -> Rules:
    """Return what was agreed, of its row and of what stands elsewhere in the session."""
    mode, on_expire, thresholds, increment, total, per_cycle, cap, cycles = full(raw, _RULES)
    soft_close = None if soft is None else SoftClose(soft[0], soft[1], _POLICIES[soft[2]], soft[3])
    return Rules(
        _MODES[mode],
        _ENDS[on_expire],
        total,
        per_cycle,
        increment,
        cap,
        cycles,
        tuple(thresholds),
        limit,
        close_at,
        soft_close,
        control,
        None if durability is None else Durability(_LEVELS[durability[0]], durability[1]),
    )


def has_limits(rules: Rules) -> bool:
    """Whether there is a limit, or a durability, that layout 1 has no place for."""
    return (
        rules.session_limit_ms is not None
        or rules.close_at is not None
        or rules.soft_close is not None
        or rules.durability is not None
    )
