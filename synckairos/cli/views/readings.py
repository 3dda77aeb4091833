"""What every clock of a session shows at an instant."""

from typing import Final, NamedTuple, TypeAlias

from synckairos.cli.clock_faces import split
from synckairos.cli.views.words import group_name, participant_name
from synckairos.client.session_clock import HolderClock, SessionClock
from synckairos.domain.families.words import counted
from synckairos.v1 import session_pb2, time_control_pb2

TENTHS_BELOW_MS: Final = 20_000
LOW_MS: Final = 10_000

_Holder: TypeAlias = session_pb2.Participant | session_pb2.Group
_OWN: Final[dict[int, str]] = {
    session_pb2.MODE_PER_CYCLE: "cycle",
    session_pb2.MODE_GLOBAL: "countdown",
    session_pb2.MODE_COUNT_UP: "stopwatch",
}
_ON: Final = (session_pb2.STATUS_RUNNING, session_pb2.STATUS_PAUSED)
_PHASES: Final[dict[int, str]] = {
    time_control_pb2.CLOCK_PHASE_KIND_FREE: "free turn",
    time_control_pb2.CLOCK_PHASE_KIND_DELAY: "delay",
    time_control_pb2.CLOCK_PHASE_KIND_MAIN: "main time",
    time_control_pb2.CLOCK_PHASE_KIND_PERIOD: "period",
    time_control_pb2.CLOCK_PHASE_KIND_RESERVE: "reserve",
    time_control_pb2.CLOCK_PHASE_KIND_PENALTY: "below zero",
    time_control_pb2.CLOCK_PHASE_KIND_OVERTIME: "overtime",
    time_control_pb2.CLOCK_PHASE_KIND_FLAG: "flag",
}


class Reading(NamedTuple):
    """What one clock shows, in ms; `full_ms` is what it began with, 0 if there is nothing to compare it with."""

    name: str
    shown_ms: int
    is_running: bool
    is_active: bool
    has_expired: bool
    note: str = ""
    full_ms: int = 0

    @property
    def is_low(self) -> bool:
        """Whether a clock that runs down is about to run out."""
        return self.is_running and self.full_ms > 0 and self.shown_ms < LOW_MS


def readings(clock: SessionClock, now_ms: int) -> list[Reading]:
    """Return what the clocks of a session show at `now_ms` (ms of the server's clock), in rotation order."""
    session = clock.session
    # A manual clock stands between its calls, whatever time it is.
    view = clock.at(clock.taken_at_ms if session.manual_clock else now_ms)
    rows: dict[str, _Holder] = {one.participant_id: one for one in session.participants}
    rows |= {one.group_id: one for one in session.groups}
    return [_held(session, rows[one.holder_id], one) if one.holder_id else _own(session, one) for one in view.holders]


def _held(session: session_pb2.Session, row: _Holder, shown: HolderClock) -> Reading:
    """Return the clock of a participant or a group."""
    is_group = isinstance(row, session_pb2.Group)
    name = (group_name if is_group else participant_name)(session, shown.holder_id)
    note, full_ms = "", row.total_time_ms
    if row.HasField("time_control"):
        note = _note(shown)
        if shown.phase == time_control_pb2.CLOCK_PHASE_KIND_PERIOD:
            full_ms = row.time_control.stages[row.clock.stage].byo_yomi.period_ms
    elif shown.phase == time_control_pb2.CLOCK_PHASE_KIND_OVERTIME:
        note = _PHASES[shown.phase]
    return Reading(name, shown.display_ms, shown.is_running, row.is_active, row.has_expired, note, full_ms)


def _note(shown: HolderClock) -> str:
    parts = [_PHASES.get(shown.phase, "")]
    if shown.periods_left:
        parts.append(f"{counted(shown.periods_left, 'period')} left")
    if shown.period_turns_left:
        parts.append(f"{counted(shown.period_turns_left, 'turn')} to go")
    if shown.penalty_points:
        parts.append(counted(shown.penalty_points, "point"))
    return " · ".join(part for part in parts if part)


def _own(session: session_pb2.Session, shown: HolderClock) -> Reading:
    """Return the one clock of a session: a budget that runs down, or a stopwatch."""
    full_ms = {
        session_pb2.MODE_PER_CYCLE: session.time_per_cycle_ms,
        session_pb2.MODE_GLOBAL: session.total_time_ms,
    }.get(session.mode, 0)
    name = participant_name(session, session.active_participant_id) or _OWN.get(session.mode, "")
    is_active, has_expired, note = session.status in _ON, session.status == session_pb2.STATUS_EXPIRED, ""
    if shown.phase == time_control_pb2.CLOCK_PHASE_KIND_OVERTIME:
        note, full_ms = _PHASES[shown.phase], 0
    return Reading(name, shown.display_ms, shown.is_running, is_active, has_expired, note, full_ms)


def face(ms: int) -> str:
    """Return a time as a clock shows it: h:mm:ss or m:ss, with tenths when little is left."""
    sign, hours, minutes, seconds, rest = split(ms)
    if hours >= 48:
        return f"{sign}{hours // 24}d {hours % 24}h"
    if hours:
        return f"{sign}{hours}:{minutes:02}:{seconds:02}"
    tenths = f".{rest // 100}" if abs(ms) < TENTHS_BELOW_MS else ""
    return f"{sign}{minutes}:{seconds:02}{tenths}"
