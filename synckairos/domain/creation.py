"""The creation of a session: version 1."""

from collections.abc import Callable

from synckairos.domain import clocks
from synckairos.domain.commands import Caller
from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.requirements import control_and_limit_violations, is_controlled
from synckairos.domain.errors import InvalidField
from synckairos.domain.events import Cause, Event, EventType, Subject
from synckairos.domain.membership import new_participant
from synckairos.domain.model import Clock, Group, Mode, OnExpire, Participant, Rules, Session, Status, full
from synckairos.domain.specification import ON_EXPIRE, GroupSpec, SessionSpec, violations


def create(session_id: str, spec: SessionSpec, caller: Caller, now_us: int, new_change_id: Callable[[], str]) -> Event:
    """Return the first event of a session created at `now_us` (microseconds since 1970: its epoch).

    Raises InvalidField, which names everything that is wrong with the description.
    """
    now = now_us // 1_000
    wrong = [*violations(spec, is_controlled=is_controlled(spec)), *control_and_limit_violations(spec, now)]
    if wrong or spec.mode is None:
        raise InvalidField(wrong)
    rules = _rules(spec, spec.mode)
    session = Session(
        session_id=session_id,
        epoch=now_us,
        version=1,
        change_id=new_change_id(),
        rules=rules,
        status=Status.PENDING,
        created_at=now,
        updated_at=now,
        participants=_participants(spec),
        groups=tuple(Group(group.group_id, _group_clock(spec, group)) for group in spec.groups),
        clock=_session_clock(rules),
        first_participant_id=spec.first_participant_id or None,
        metadata=spec.metadata,
        labels=spec.labels,
        idle_ttl_ms=spec.idle_ttl_ms,
        manual_at=now if spec.manual_clock else None,
        real_at=now if spec.manual_clock else None,
    )
    subject = Subject(remaining_ms=clocks.remaining(session.clock, 0))
    return Event(EventType.SESSION_CREATED, Cause.CALL, caller.author, subject, None, session)


def _participants(spec: SessionSpec) -> tuple[Participant, ...]:
    """Return the participants in rotation order: by index, or as listed if they have none."""
    default = spec.time_control if spec.mode is Mode.PER_PARTICIPANT else None
    joined = [
        new_participant(one, place if one.participant_index is None else one.participant_index, default)
        for place, one in enumerate(spec.participants)
    ]
    return tuple(sorted(joined, key=lambda participant: participant.participant_index))


def _rules(spec: SessionSpec, mode: Mode) -> Rules:
    return Rules(
        mode=mode,
        on_expire=spec.on_expire or _default_on_expire(spec, mode),
        total_time_ms=spec.total_time_ms or None,
        time_per_cycle_ms=spec.time_per_cycle_ms or None,
        increment_ms=spec.increment_ms,
        max_time_ms=spec.max_time_ms or None,
        max_cycles=spec.max_cycles or None,
        warning_thresholds_ms=spec.warning_thresholds_ms,
        session_limit_ms=spec.session_limit_ms or None,
        close_at=spec.close_at,
        soft_close=spec.soft_close,
        time_control=spec.time_control,
        durability=spec.durability,
    )


def _group_clock(spec: SessionSpec, group: GroupSpec) -> Clock:
    control = group.time_control or spec.time_control
    return full(group.total_time_ms) if control is None else controlled_clock.begin(control)


def _default_on_expire(spec: SessionSpec, mode: Mode) -> OnExpire | None:
    return None if mode is Mode.COUNT_UP and not spec.max_time_ms else ON_EXPIRE[mode][0]


def _session_clock(rules: Rules) -> Clock:
    budgets = {
        Mode.PER_CYCLE: rules.time_per_cycle_ms,
        Mode.GLOBAL: rules.total_time_ms,
        Mode.COUNT_UP: rules.max_time_ms,
    }
    return full(budgets.get(rules.mode))
