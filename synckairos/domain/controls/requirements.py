"""What time controls, and the limits around them, demand of a session as a whole."""

from collections.abc import Iterator, Sequence
from typing import Final

from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.time_control import TimeControl
from synckairos.domain.errors import FieldViolation
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import BANK_MODES, DAY_MS, MAX_BUDGET_MS, Mode, OnExpire, Session
from synckairos.domain.specification import (
    NO,
    GroupSpec,
    ParticipantSpec,
    SessionSpec,
    Violations,
    in_range,
    use_of,
)

MAX_CLOSE_MS: Final = 366 * DAY_MS


def is_controlled(spec: SessionSpec | Session) -> bool:
    """Whether any holder of a session has a time control, or would get one."""
    if isinstance(spec, Session):
        return any(holder.clock.progress is not None for holder in (spec.groups or spec.participants))
    holders: Sequence[ParticipantSpec | GroupSpec] = (*spec.participants, *spec.groups)
    return spec.time_control is not None or any(holder.time_control is not None for holder in holders)


def control_and_limit_violations(spec: SessionSpec, now: int) -> list[FieldViolation]:
    """Return what is wrong with the time controls and the limits of a session created at `now` (ms)."""
    mode = spec.mode
    if mode is None:
        return []
    found = [*_unused(spec, mode), *_close(spec, now), *_soft_close(spec)]
    if mode in BANK_MODES and any(control is not None for _, control in _given(spec)):
        found += [*_contents(spec), *_old_fields(spec), *_together(spec, mode)]
    return found


def joining_violations(session: Session, spec: ParticipantSpec) -> Violations:
    """Yield what keeps a participant with this control from joining the session."""
    mode, own, path = session.rules.mode, spec.time_control, "participant.time_control"
    if own is not None and use_of("participants.time_control", mode) is NO:
        yield FieldViolation(path, f"is not used in mode {mode.name}")
        return
    if mode is not Mode.PER_PARTICIPANT or not is_controlled(session):
        if own is not None:
            yield FieldViolation(path, "the session's clocks have no time control")
        return
    if spec.total_time_ms:
        yield FieldViolation("participant.total_time_ms", "is not used beside time controls")
        if own is not None:
            yield FieldViolation(path, "is not used beside participant.total_time_ms")
    control = own or session.rules.time_control
    if control is None:
        yield FieldViolation(path, "is required: every holder of the session has a time control")
        return
    if own is not None:
        yield from control_violations(path, own)
    yield from _unfitting(session, control, path)


def _unfitting(session: Session, control: TimeControl, path: str) -> Violations:
    """Yield why a control is not one for a session whose holders have others."""
    held = next(p.clock.progress for p in session.participants if p.clock.progress is not None)
    if control.flows != held.control.flows:
        yield FieldViolation(path, "hourglass is the family of every holder or of none")
    if session.rules.on_expire is OnExpire.ADVANCE and not _is_per_turn(control):
        yield FieldViolation(path, "on_expire ADVANCE needs one stage of the family per_turn")


def _unused(spec: SessionSpec, mode: Mode) -> Violations:
    for field in ("time_control", "session_limit_ms", "soft_close"):
        if getattr(spec, field) and use_of(field, mode) is NO:
            yield FieldViolation(field, f"is not used in mode {mode.name}")
    lists: dict[str, Sequence[ParticipantSpec | GroupSpec]] = {"participants": spec.participants, "groups": spec.groups}
    for kind, holders in lists.items():
        for place, holder in enumerate(holders):
            if holder.time_control is not None and use_of(f"{kind}.time_control", mode) is NO:
                yield FieldViolation(f"{kind}[{place}].time_control", f"is not used in mode {mode.name}")
    if spec.session_limit_ms and use_of("session_limit_ms", mode) is not NO:
        yield from in_range("session_limit_ms", spec.session_limit_ms, (1_000, MAX_BUDGET_MS))


def _close(spec: SessionSpec, now: int) -> Violations:
    if spec.close_at is None:
        return
    if spec.close_at <= now:
        yield FieldViolation("close_at", "is not in the future")
    elif spec.close_at > now + MAX_CLOSE_MS:
        yield FieldViolation("close_at", "is more than 366 days ahead")


def _soft_close(spec: SessionSpec) -> Violations:
    close = spec.soft_close
    if close is None or spec.mode is not Mode.GLOBAL:
        return
    if spec.on_expire not in {None, OnExpire.END_SESSION}:
        yield FieldViolation("soft_close", "needs on_expire END_SESSION")
    yield from in_range("soft_close.window_ms", close.window_ms, (1, MAX_BUDGET_MS))
    yield from in_range("soft_close.extend_ms", close.extend_ms, (1, MAX_BUDGET_MS))
    if close.hard_limit_ms:
        yield from in_range("soft_close.hard_limit_ms", close.hard_limit_ms, (spec.total_time_ms, MAX_BUDGET_MS))


def _contents(spec: SessionSpec) -> Violations:
    for path, control in _given(spec):
        if control is not None:
            yield from control_violations(path, control)
    if spec.time_control is not None:
        return
    for path, control in _given(spec):
        if control is None and path != "time_control":
            yield FieldViolation(path, "is required: every holder of a session with time controls has one")


def _given(spec: SessionSpec) -> Iterator[tuple[str, TimeControl | None]]:
    """Yield the paths and controls of the session and of those who hold its clocks."""
    yield "time_control", spec.time_control
    kind, holders = holders_of(spec)
    for place, holder in enumerate(holders):
        yield f"{kind}[{place}].time_control", holder.time_control


def holders_of(spec: SessionSpec) -> tuple[str, Sequence[ParticipantSpec | GroupSpec]]:
    """Return the field that lists those who hold the clocks in a bank mode, and them."""
    return ("groups", spec.groups) if spec.mode is Mode.PER_GROUP else ("participants", spec.participants)


def _old_fields(spec: SessionSpec) -> Violations:
    """Yield both fields of each pair that says the same thing twice."""
    kind, holders = holders_of(spec)
    given = next(path for path, control in _given(spec) if control is not None)
    old = [(name, getattr(spec, name)) for name in ("increment_ms", "max_time_ms")]
    old += [(f"{kind}[{place}].total_time_ms", holder.total_time_ms) for place, holder in enumerate(holders)]
    clashing = [path for path, value in old if value]
    for path in clashing:
        yield FieldViolation(path, f"is not used beside {given}")
    if clashing:
        yield FieldViolation(given, f"is not used beside {clashing[0]}")


def _together(spec: SessionSpec, mode: Mode) -> Violations:
    kind, holders = holders_of(spec)
    controls = [holder.time_control or spec.time_control for holder in holders]
    yield from hourglass_violations(kind, [f"{kind}[{place}].time_control" for place in range(len(holders))], controls)
    if spec.on_expire is OnExpire.ADVANCE and not all(control and _is_per_turn(control) for control in controls):
        yield FieldViolation("on_expire", f"mode {mode.name} allows ADVANCE only with one stage of per_turn for all")


def hourglass_violations(holders_path: str, paths: Sequence[str], controls: Sequence[TimeControl | None]) -> Violations:
    """Yield what keeps holders with these controls, each at its path, from passing on their time to each other."""
    flowing = [control is not None and control.flows for control in controls]
    if any(flowing) and not all(flowing):
        yield FieldViolation(paths[flowing.index(False)], "hourglass is the family of every holder or of none")
    elif any(flowing) and len(flowing) < 2:
        yield FieldViolation(holders_path, "an hourglass needs at least two holders")


def _is_per_turn(control: TimeControl) -> bool:
    return len(control.stages) == 1 and isinstance(control.stages[0].family, PerTurn)
