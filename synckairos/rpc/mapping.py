"""From sessions and events to messages, as they look at one instant."""

from typing import Final, cast

from synckairos.domain import clocks, timing
from synckairos.domain.controls.controlled_clock import stages_of
from synckairos.domain.controls.transfers import is_hourglass
from synckairos.domain.events import Event
from synckairos.domain.model import BANK_MODES, Clock, Durability, Group, Mode, Participant, Session, group_position
from synckairos.domain.tenancy import bare_id
from synckairos.rpc.controls.mapping import control_message, fill_limits, fill_parts, fill_phases, settlement
from synckairos.rpc.timestamps import optional_timestamp, set_timestamp, timestamp
from synckairos.v1 import event_pb2, session_pb2

MOST_KEPT: Final = 4_096
"""Messages of versions that are kept for their next reader."""
MOST_KEPT_PARTICIPANTS: Final = 16
MOST_KEPT_STAGES: Final = 48
"""Of all time controls together."""
MOST_KEPT_BYTES: Final = 512
"""Of metadata and labels, which take some fifteen times as much as a message. What has more is written anew."""
_kept: Final[dict[str, tuple[Session, session_pb2.Session]]] = {}


def session_message(session: Session, now: int) -> session_pb2.Session:
    """Return the session as it looks at an instant (ms)."""
    message = session_pb2.Session()
    fill_session(message, session, now)
    return message


def fill_session(message: session_pb2.Session, session: Session, now: int) -> None:
    """Write the session, as it looks at an instant (ms), into an empty message.

    Callers pass the message that is sent, because putting one message into another copies it. Only running clocks
    depend on the instant: whoever reads a session after its last change gets a copy of the rest.
    """
    facts = _facts(session) if now > session.updated_at else None
    if facts is not None:
        message.CopyFrom(facts)
    else:
        _fill_facts(message, session)
    message.elapsed_ms = timing.elapsed(session, now)
    has_controls = _has_controls(session)
    # What an adjusted turn of an hourglass has been charged for is not divided before its end.
    if timing.uncharged(session, now) or (has_controls and is_hourglass(timing.running_clock(session))):
        charged = timing.charge(session, now)
        if charged is not session:
            _fill_running_clocks(message, charged)
            if has_controls:
                _fill_flows(message, session, charged)
    if has_controls and session.resumed_at is not None:
        fill_phases(message, session, now)


def _facts(session: Session) -> session_pb2.Session | None:
    """Return the message of a version without what depends on the instant, not to be changed; None for a large one."""
    kept = _kept.get(session.change_id)
    if kept is not None and kept[0] is session:
        return kept[1]
    if not _is_small(session):
        return None
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    facts = session_pb2.Session()
    _fill_facts(facts, session)
    _kept[session.change_id] = (session, facts)
    return facts


def _is_small(session: Session) -> bool:
    """Whether thousands of such messages can be kept."""
    if len(session.participants) > MOST_KEPT_PARTICIPANTS or stages_of(session) > MOST_KEPT_STAGES:
        return False
    metadata = [session.metadata, *[participant.metadata for participant in session.participants]]
    labels = [text for label in session.labels for text in label]
    return sum([len(text) for text in (*metadata, *labels) if text]) <= MOST_KEPT_BYTES


def _fill_facts(message: session_pb2.Session, session: Session) -> None:
    """Write what is stored; the clocks as they were charged last.

    Fields that a session lacks stay unset: that takes half the time of setting them to empty values.
    """
    mode = session.rules.mode
    active = session.active_participant
    message.session_id = bare_id(session.session_id)
    message.mode = mode  # type: ignore[assignment] # the enums of the domain carry the contract's numbers
    message.status = session.status  # type: ignore[assignment] # the same
    message.version = session.version
    message.epoch = session.epoch
    _fill_participants(message, session, active)
    if active is not None:
        message.active_participant_id = active.participant_id
        if active.group_id:
            message.active_group_id = active.group_id
    _fill_ends(message, session)
    message.cycle_number = session.cycle_number
    _fill_rules(message, session)
    _fill_session_clock(message, session)
    _fill_instants(message, session)
    if session.metadata is not None:
        message.metadata.MergeFromString(session.metadata)
    if session.labels:
        message.labels.update(session.labels)
    message.recovered = session.recovered


def _fill_running_clocks(message: session_pb2.Session, charged: Session) -> None:
    """Write the clocks that run, of a session that was charged up to the instant."""
    _fill_session_clock(message, charged)
    if charged.active is None:
        return
    active = charged.participants[charged.active]
    _refill_times(message.participants[charged.active], active.clock, charged.rules.mode is Mode.PER_PARTICIPANT)
    place = group_position(charged, active.group_id) if active.group_id else None
    if place is not None:
        _refill_times(message.groups[place], charged.groups[place].clock, holds_bank=True)


def _fill_flows(message: session_pb2.Session, session: Session, charged: Session) -> None:
    """Write the clocks of those who receive what another one spends (an hourglass)."""
    for place, (before, after) in enumerate(zip(session.participants, charged.participants, strict=True)):
        if after is not before and place != charged.active:
            _refill_times(message.participants[place], after.clock, session.rules.mode is Mode.PER_PARTICIPANT)
            message.participants[place].has_expired = _has_run_out(after.clock)
    for place, (group, later) in enumerate(zip(session.groups, charged.groups, strict=True)):
        if later is not group:
            _refill_times(message.groups[place], later.clock, holds_bank=True)
            message.groups[place].has_expired = _has_run_out(later.clock)
            for member in message.participants:
                if member.group_id == group.group_id:
                    member.has_expired = _has_run_out(later.clock)


def _fill_session_clock(message: session_pb2.Session, session: Session) -> None:
    mode, clock = session.rules.mode, session.clock
    if mode in BANK_MODES or clock.bank_ms is None:
        return
    if mode is Mode.PER_CYCLE:
        message.cycle_remaining_ms = clock.bank_ms
    else:
        message.remaining_ms = clock.bank_ms
    message.overtime_ms = clock.overtime_ms


def _fill_participants(message: session_pb2.Session, session: Session, active: Participant | None) -> None:
    out = {group.group_id for group in session.groups if _has_run_out(group.clock)}
    holds_bank = session.rules.mode is Mode.PER_PARTICIPANT
    flagged = _flagged_in_cycle(session)
    for participant in session.participants:
        clock = participant.clock
        row = message.participants.add()
        row.participant_id = participant.participant_id
        row.participant_index = participant.participant_index
        row.cycle_count = participant.cycle_count
        if clock.allotted_ms is not None:
            row.total_time_ms = clock.allotted_ms
        if clock.progress is not None:
            row.time_control.CopyFrom(control_message(clock.progress.control))
        _fill_times(row, clock, holds_bank)
        if participant is active:
            row.is_active = True
        if participant.group_id:
            row.group_id = participant.group_id
        if _has_run_out(clock) or participant.group_id in out or participant.participant_id == flagged:
            row.has_expired = True
        if participant.metadata is not None:
            row.metadata.MergeFromString(participant.metadata)
    for group in session.groups:
        is_active = active is not None and group.group_id == active.group_id
        _fill_group(message.groups.add(), group, is_active)


def _fill_times(row: session_pb2.Participant | session_pb2.Group, clock: Clock, holds_bank: bool) -> None:
    row.time_used_ms = clock.used_ms
    if clock.progress is not None:
        fill_parts(row, clock, clock.progress)
    elif clock.bank_ms is not None:
        row.time_remaining_ms = clock.bank_ms
    if holds_bank:
        row.overtime_ms = clock.overtime_ms


def _refill_times(row: session_pb2.Participant | session_pb2.Group, clock: Clock, holds_bank: bool) -> None:
    row.ClearField("clock")
    _fill_times(row, clock, holds_bank)


def _flagged_in_cycle(session: Session) -> str | None:
    """Return whose cycle has run out, where the budget is the cycle's; None if nobody's."""
    is_over = session.rules.mode is Mode.PER_CYCLE and _has_run_out(session.clock)
    return session.expired_participant_id if is_over else None


def _fill_ends(message: session_pb2.Session, session: Session) -> None:
    if session.expired_participant_id:
        message.expired_participant_id = session.expired_participant_id
    if session.expired_group_id:
        message.expired_group_id = session.expired_group_id
    if session.winner_participant_id:
        message.winner_participant_id = session.winner_participant_id
    if session.winner_group_id:
        message.winner_group_id = session.winner_group_id


def _fill_rules(message: session_pb2.Session, session: Session) -> None:
    rules = session.rules
    if rules.time_per_cycle_ms is not None:
        message.time_per_cycle_ms = rules.time_per_cycle_ms
    if rules.mode in BANK_MODES and not _has_controls(session):
        message.increment_ms = rules.increment_ms
    if rules.max_time_ms is not None:
        message.max_time_ms = rules.max_time_ms
    if rules.max_cycles is not None:
        message.max_cycles = rules.max_cycles
    if rules.on_expire is not None:
        message.on_expire = rules.on_expire  # type: ignore[assignment] # the contract's number
    if rules.warning_thresholds_ms:
        message.warning_thresholds_ms.extend(rules.warning_thresholds_ms)
    if rules.total_time_ms is not None:
        message.total_time_ms = rules.total_time_ms
    if session.first_participant_id:
        message.first_participant_id = session.first_participant_id
    if session.idle_ttl_ms:
        message.idle_ttl_ms = session.idle_ttl_ms
    fill_limits(message, session)
    _fill_durability(message, rules.durability)


def _fill_durability(message: session_pb2.Session, durability: Durability | None) -> None:
    if durability is None:
        return
    message.durability = durability.level  # type: ignore[assignment] # the contract's number
    message.durability_replicas = durability.replicas


def _has_controls(session: Session) -> bool:
    """Whether the holders of the clocks have time controls: all of them, or none."""
    holders = session.groups or session.participants
    return bool(holders) and holders[0].clock.progress is not None


def _fill_instants(message: session_pb2.Session, session: Session) -> None:
    set_timestamp(message.created_at, session.created_at)
    set_timestamp(message.updated_at, session.updated_at)
    if session.started_at is not None:
        set_timestamp(message.started_at, session.started_at)
    if session.cycle_started_at is not None:
        set_timestamp(message.cycle_started_at, session.cycle_started_at)
    if session.paused_at is not None:
        set_timestamp(message.paused_at, session.paused_at)
    if session.completed_at is not None:
        set_timestamp(message.completed_at, session.completed_at)
    deadline = timing.deadline_at(session)
    if deadline is not None:
        set_timestamp(message.deadline_at, deadline)


def _has_run_out(clock: Clock) -> bool:
    """Whether the clock has reached zero: it is out of the game or in overtime."""
    return clock.is_expired or clock.in_overtime


def _fill_group(row: session_pb2.Group, group: Group, is_active: bool) -> None:
    clock: Clock = group.clock
    row.group_id = group.group_id
    row.total_time_ms = clock.allotted_ms or 0
    row.is_active = is_active
    row.has_expired = _has_run_out(clock)
    if clock.progress is not None:
        row.time_control.CopyFrom(control_message(clock.progress.control))
    _fill_times(row, clock, holds_bank=True)


def event_message(event: Event) -> event_pb2.Event:
    """Return an event with the session right after it."""
    session = event.session
    message = event_pb2.Event(
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
        turn=settlement(event.turn),
        extended_ms=event.extended_ms,
        advanced_ms=event.advanced_ms,
        on_behalf_of=event.author.on_behalf_of,
    )
    fill_session(message.session, session, session.updated_at)
    return message


def tick_message(session: Session, at: int) -> event_pb2.Tick:
    """Return the state of the running clock at an instant (ms)."""
    clock = timing.running_clock(session)
    spent = timing.uncharged(session, at)
    left = clocks.remaining(clock, spent)
    over = None if left is None else spent - (clocks.remaining(clock, 0) or 0)
    active = session.active_participant
    return event_pb2.Tick(
        elapsed_ms=timing.elapsed(session, at),
        remaining_ms=left or None,
        overtime_ms=clock.overtime_ms + over if over is not None and clock.in_overtime else None,
        active_participant_id=active.participant_id if active else "",
        active_group_id=(active.group_id or "") if active else "",
        cycle_number=session.cycle_number,
    )
