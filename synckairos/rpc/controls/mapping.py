"""From time controls, and clocks that stand in them, to messages."""

from dataclasses import fields
from functools import lru_cache
from itertools import islice
from typing import Final

from synckairos.domain.controls.phases import phases, shown
from synckairos.domain.controls.time_control import Progress, Settled, Stage, TimeControl
from synckairos.domain.families.family import Phase, Standing
from synckairos.domain.model import Clock, Session
from synckairos.rpc.timestamps import set_timestamp
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import time_control_pb2 as pb

MOST_PHASES: Final = 8
MOST_POINTS: Final = 2**63 - 1


@lru_cache(maxsize=4_096)
def control_message(control: TimeControl) -> pb.TimeControl:
    """Return a time control, not to be changed."""
    message = pb.TimeControl(
        turn_limit_ms=control.turn_limit_ms,
        free_turns=control.free_turns,
        free_turn_limit_ms=control.free_turn_limit_ms,
    )
    for stage in control.stages:
        _fill_stage(message.stages.add(), stage)
    if control.lag_compensation is not None:
        message.lag_compensation.CopyFrom(pb.LagCompensation(**control.lag_compensation._asdict()))
    return message


def _fill_stage(message: pb.TimeStage, stage: Stage) -> None:
    message.base_ms, message.turns = stage.base_ms, stage.turns
    family = stage.family
    if family.name not in message.DESCRIPTOR.fields_by_name:
        return
    part = getattr(message, family.name)
    part.SetInParent()
    for field in fields(family):
        setattr(part, field.name, getattr(family, field.name))


def fill_parts(row: session_pb2.Participant | session_pb2.Group, clock: Clock, progress: Progress) -> None:
    """Write into an empty row how the parts of a holder's clock stand, and what is left of them before the flag."""
    left_ms = fill_clock(row.clock, clock, progress)
    if left_ms is not None:
        row.time_remaining_ms = left_ms


def fill_clock(message: pb.ClockState, clock: Clock, progress: Progress) -> int | None:
    """Write how the parts of a clock, charged up to the instant, stand; return what is left before its flag, in ms."""
    left_ms, standing, phase = shown(clock, progress)
    fill_standing(message, standing, progress)
    message.phase = phase  # type: ignore[assignment] # the numbers are the contract's
    return left_ms


def fill_standing(message: pb.ClockState, standing: Standing, progress: Progress) -> None:
    """Write parts that stand so, all but the phase, into an empty message; what the family has not, stays absent."""
    message.bank_ms = standing.bank_ms
    message.stage, message.turns_made = progress.stage, progress.turns_made
    if standing.periods_left is not None:
        message.periods_left = standing.periods_left
    if standing.period_remaining_ms is not None:
        message.period_remaining_ms = standing.period_remaining_ms
    if standing.period_turns_left is not None:
        message.period_turns_left = standing.period_turns_left
    if standing.delay_remaining_ms is not None:
        message.delay_remaining_ms = standing.delay_remaining_ms
    if standing.penalty_points is not None:
        message.penalty_points = min(standing.penalty_points, MOST_POINTS)
    if progress.control.lag_compensation is not None:
        message.lag_quota_ms = progress.lag_quota_ms


def fill_phase(message: pb.ClockPhase, at: int, phase: Phase) -> None:
    """Write a phase that begins at an instant (ms) into an empty message."""
    set_timestamp(message.starts_at, at)
    _, kind, message.display_ms, message.rate, message.periods_left = phase
    message.kind = kind  # type: ignore[assignment] # the numbers are the contract's


def fill_phases(message: session_pb2.Session, session: Session, now: int) -> None:
    """Write what the running clock of a session shows from `now` (ms) to its flag."""
    for place, (at, phase) in enumerate(islice(phases(session, now), MOST_PHASES + 1)):
        if place == MOST_PHASES:
            message.phases_truncated = True
        else:
            fill_phase(message.phases.add(), at, phase)


def phase_started(session: Session, at: int, phase: Phase) -> pb.ClockPhaseStarted:
    """Return what a watch stream says of a phase that the running clock enters at an instant (ms)."""
    active = session.active_participant
    message = pb.ClockPhaseStarted(
        participant_id=active.participant_id if active else "",
        group_id=(active.group_id or "") if active else "",
        cycle_number=session.cycle_number,
    )
    fill_phase(message.phase, at, phase)
    return message


def fill_limits(message: session_pb2.Session, session: Session) -> None:
    """Write what ends a session beside its clocks, and whether it has a clock of its own."""
    rules = session.rules
    if rules.session_limit_ms is not None:
        message.session_limit_ms = rules.session_limit_ms
    if rules.close_at is not None:
        set_timestamp(message.close_at, rules.close_at)
    if rules.soft_close is not None:
        message.soft_close.CopyFrom(pb.SoftClose(**rules.soft_close._asdict()))
    if session.manual_at is not None:
        message.manual_clock = True


def settlement(turn: Settled | None) -> event_pb2.TurnSettlement | None:
    """Return what a completed turn did; None without a time control."""
    return None if turn is None else event_pb2.TurnSettlement(**turn._asdict())
