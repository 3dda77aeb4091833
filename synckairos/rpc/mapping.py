"""From sessions and events to messages: what a client is shown at one instant."""

from functools import lru_cache
from typing import cast

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.domain import timing
from synckairos.domain.events import Event
from synckairos.domain.model import BANK_MODES, Clock, Group, Mode, OnExpire, Participant, Session
from synckairos.v1 import event_pb2, session_pb2


def timestamp(instant_ms: int) -> Timestamp:
    """Return an instant (ms since 1970) as a Timestamp."""
    seconds, ms = divmod(instant_ms, 1_000)
    return Timestamp(seconds=seconds, nanos=ms * 1_000_000)


def timestamp_us(instant_us: int) -> Timestamp:
    """Return an instant (microseconds since 1970) as a Timestamp."""
    seconds, us = divmod(instant_us, 1_000_000)
    return Timestamp(seconds=seconds, nanos=us * 1_000)


def optional_timestamp(instant_ms: int | None) -> Timestamp | None:
    """Return an instant (ms since 1970) as a Timestamp, None for none."""
    return None if instant_ms is None else timestamp(instant_ms)


@lru_cache(maxsize=4_096)
def _struct(encoded: bytes) -> Struct:
    return Struct.FromString(encoded)


def _metadata(encoded: bytes | None) -> Struct | None:
    return None if encoded is None else _struct(encoded)


# The enums of the domain carry the contract's numbers; a cast is all it takes.


def session_message(session: Session, now: int) -> session_pb2.Session:
    """Return the session as it looks at an instant (ms)."""
    seen = timing.charge(session, now)
    rules = session.rules
    mode = rules.mode
    active = seen.active_participant
    active_id = active.participant_id if active else ""
    active_group_id = (active.group_id or "") if active else ""
    holds_bank = mode is Mode.PER_PARTICIPANT
    out = {group.group_id for group in seen.groups if _has_run_out(group.clock)}
    own = seen.clock if mode not in BANK_MODES and seen.clock.bank_ms is not None else None
    return session_pb2.Session(
        session_id=session.session_id,
        mode=cast("session_pb2.Mode.ValueType", mode.value),
        status=cast("session_pb2.Status.ValueType", session.status.value),
        version=session.version,
        epoch=session.epoch,
        participants=[
            _participant(
                participant,
                participant is active,
                _has_run_out(participant.clock) or participant.group_id in out,
                holds_bank=holds_bank,
            )
            for participant in seen.participants
        ],
        groups=[_group(group, group.group_id == active_group_id) for group in seen.groups],
        active_participant_id=active_id,
        active_group_id=active_group_id,
        expired_participant_id=session.expired_participant_id or "",
        expired_group_id=session.expired_group_id or "",
        winner_participant_id=session.winner_participant_id or "",
        winner_group_id=session.winner_group_id or "",
        cycle_number=session.cycle_number,
        time_per_cycle_ms=rules.time_per_cycle_ms,
        cycle_remaining_ms=own.bank_ms if own and mode is Mode.PER_CYCLE else None,
        elapsed_ms=timing.elapsed(session, now),
        remaining_ms=own.bank_ms if own and mode is not Mode.PER_CYCLE else None,
        overtime_ms=own.overtime_ms if own else None,
        increment_ms=rules.increment_ms if mode in BANK_MODES else None,
        max_time_ms=rules.max_time_ms,
        max_cycles=rules.max_cycles,
        on_expire=_on_expire(rules.on_expire),
        warning_thresholds_ms=rules.warning_thresholds_ms,
        created_at=timestamp(session.created_at),
        started_at=optional_timestamp(session.started_at),
        cycle_started_at=optional_timestamp(session.cycle_started_at),
        deadline_at=optional_timestamp(timing.deadline_at(session)),
        paused_at=optional_timestamp(session.paused_at),
        completed_at=optional_timestamp(session.completed_at),
        updated_at=timestamp(session.updated_at),
        metadata=_metadata(session.metadata),
        labels=dict(session.labels),
        recovered=session.recovered,
        total_time_ms=rules.total_time_ms,
        first_participant_id=session.first_participant_id or "",
    )


def _on_expire(on_expire: OnExpire | None) -> session_pb2.OnExpire.ValueType:
    return cast("session_pb2.OnExpire.ValueType", on_expire.value if on_expire is not None else 0)


def _has_run_out(clock: Clock) -> bool:
    """Whether the clock is out of the game or in overtime."""
    return clock.is_expired or clock.in_overtime


def _participant(
    participant: Participant, is_active: bool, has_expired: bool, *, holds_bank: bool
) -> session_pb2.Participant:
    clock = participant.clock
    return session_pb2.Participant(
        participant_id=participant.participant_id,
        participant_index=participant.participant_index,
        total_time_ms=clock.allotted_ms,
        time_used_ms=clock.used_ms,
        time_remaining_ms=clock.bank_ms,
        overtime_ms=clock.overtime_ms if holds_bank else None,
        cycle_count=participant.cycle_count,
        is_active=is_active,
        has_expired=has_expired,
        group_id=participant.group_id or "",
        metadata=_metadata(participant.metadata),
    )


def _group(group: Group, is_active: bool) -> session_pb2.Group:
    clock: Clock = group.clock
    return session_pb2.Group(
        group_id=group.group_id,
        total_time_ms=clock.allotted_ms or 0,
        time_used_ms=clock.used_ms,
        time_remaining_ms=clock.bank_ms or 0,
        overtime_ms=clock.overtime_ms,
        is_active=is_active,
        has_expired=_has_run_out(clock),
    )


def event_message(event: Event) -> event_pb2.Event:
    """Return an event with the session right after it."""
    session = event.session
    return event_pb2.Event(
        type=cast("event_pb2.EventType.ValueType", event.type.value),
        cause=cast("event_pb2.Cause.ValueType", event.cause.value),
        actor=event.author.actor,
        reason=event.author.reason,
        change_id=session.change_id,
        occurred_at=timestamp(session.updated_at),
        fired_at=optional_timestamp(event.fired_at),
        participant_id=event.subject.participant_id or "",
        group_id=event.subject.group_id or "",
        time_elapsed_ms=event.subject.elapsed_ms,
        time_remaining_ms=event.subject.remaining_ms,
        session=session_message(session, session.updated_at),
    )


def tick_message(session: Session, at: int) -> event_pb2.Tick:
    """Return how the running clock stands at an instant (ms)."""
    clock = timing.running_clock(session)
    spent = timing.uncharged(session, at)
    over = None if clock.bank_ms is None else spent - clock.bank_ms
    active = session.active_participant
    return event_pb2.Tick(
        elapsed_ms=timing.elapsed(session, at),
        remaining_ms=-over if over is not None and over < 0 else None,
        overtime_ms=clock.overtime_ms + over if over is not None and clock.in_overtime else None,
        active_participant_id=active.participant_id if active else "",
        active_group_id=(active.group_id or "") if active else "",
        cycle_number=session.cycle_number,
    )
