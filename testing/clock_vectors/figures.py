"""What a session's clocks show at an instant, as the server's own rules and its reply say it.

Every figure is GetSession's at that instant, also beyond a flag under NOTIFY, which ends no turn. From the instant on
at which only a newer version tells how it goes on (`is_due`), the clocks stand as they did at that instant.
"""

import json
from typing import Any, Final, NamedTuple

from google.protobuf import json_format

from synckairos.domain import timing
from synckairos.domain.commands import Caller
from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.phases import phases, phases_of_clock
from synckairos.domain.controls.time_control import Progress
from synckairos.domain.families.family import PhaseKind
from synckairos.domain.model import BANK_MODES, Clock, Mode, OnExpire, Session
from synckairos.domain.timing import Boundary, BoundaryKind, Lifetimes
from synckairos.domain.transitions import decide
from synckairos.rpc.mapping import session_message
from synckairos.rpc.timestamps import timestamp
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.builders import UMPIRE, change_ids

PARTS: Final = (
    "bank_ms",
    "periods_left",
    "period_remaining_ms",
    "period_turns_left",
    "delay_remaining_ms",
    "penalty_points",
)
"""The parts of a clock with a time control, by their names in ClockState."""

Figures = dict[str, Any]


class Shown(NamedTuple):
    """What a clock does and shows, and by how many ms it changes each ms."""

    phase: PhaseKind
    display_ms: int
    rate: int


def reply(session: Session, now: int) -> pb.GetSessionResponse:
    """Return what GetSession answers at an instant (ms) at which nothing is due."""
    return pb.GetSessionResponse(session=session_message(session, now), server_time=timestamp(now))


def as_json(message: pb.GetSessionResponse) -> Any:
    """Return a reply in proto JSON."""
    return json.loads(json_format.MessageToJson(message, indent=None))


def view(session: Session, taken: int, at: int) -> Figures:
    """Return what the clocks of this version, read at `taken`, show at an instant (ms)."""
    standing, due = _standing(session, max(at, taken))
    now = max(at, taken) if due is None else due
    look = Look(standing, session_message(standing, now), timing.charge(standing, now), now, due is not None)
    return {
        "at_ms": at,
        "is_due": look.is_due,
        "elapsed_ms": look.message.elapsed_ms,
        "holders": _holders(look, max(taken, standing.updated_at)),
    }


class Look(NamedTuple):
    """A version, GetSession's message of it, and it with its clocks charged, at the instant `now` (ms)."""

    session: Session
    message: session_pb2.Session
    charged: Session
    now: int
    is_due: bool


def _standing(session: Session, at: int) -> tuple[Session, int | None]:
    """Return the version that holds at an instant, and what is due then, if only a newer version can tell the rest."""
    while True:
        boundary = timing.clock_boundary(session)
        if boundary is None or boundary.at > at:
            return session, None
        if not _runs_on(session, boundary):
            return session, boundary.at
        newer = decide(session, None, Caller(UMPIRE), boundary.at, change_ids().__next__, Lifetimes()).session
        assert newer.version > session.version, f"{boundary} changes nothing"
        session = newer


def _runs_on(session: Session, boundary: Boundary) -> bool:
    ends_turn = boundary.kind in {BoundaryKind.EXPIRY, BoundaryKind.TURN_LIMIT}
    return ends_turn and session.rules.on_expire is OnExpire.NOTIFY


def _holders(look: Look, seen: int) -> list[Figures]:
    mode = look.session.rules.mode
    if mode not in BANK_MODES:
        return [_session_clock(look)]
    rows: Any = look.message.groups if mode is Mode.PER_GROUP else look.message.participants
    holders: Any = look.charged.groups if mode is Mode.PER_GROUP else look.charged.participants
    shown = []
    for row, holder in zip(rows, holders, strict=True):
        runs = bool(row.is_active) and look.session.resumed_at is not None
        name = row.group_id if mode is Mode.PER_GROUP else row.participant_id
        clock: Clock = holder.clock
        if clock.progress is None:
            now = _of_bank(look, row.time_remaining_ms, row.overtime_ms, runs=runs)
            shown.append(_figures(name, runs, now, row.time_remaining_ms, row.overtime_ms))
            continue
        left = row.time_remaining_ms if controlled_clock.remaining(clock, clock.progress, 0) is not None else None
        now = _running(look, seen) if runs else _at_rest(look, clock, clock.progress, is_active=bool(row.is_active))
        parts = {part: getattr(row.clock, part) for part in PARTS if row.clock.HasField(part)}
        shown.append(_figures(name, runs, now, left, row.overtime_ms) | parts)
    return shown


def _session_clock(look: Look) -> Figures:
    message, runs, mode = look.message, look.session.resumed_at is not None, look.session.rules.mode
    if mode is Mode.PER_CYCLE:
        left: int | None = message.cycle_remaining_ms
    else:
        left = message.remaining_ms if message.HasField("remaining_ms") else None
    now = _of_bank(look, left, message.overtime_ms, runs=runs)
    if mode is Mode.COUNT_UP and now.phase is not PhaseKind.OVERTIME:
        now = now._replace(display_ms=message.elapsed_ms, rate=-now.rate)
    return _figures("", runs, now, left, message.overtime_ms)


def _figures(holder_id: str, runs: bool, now: Shown, remaining_ms: int | None, overtime_ms: int) -> Figures:
    figures: Figures = {"holder_id": holder_id, "is_running": runs, "phase": now.phase.name}
    figures |= {"display_ms": now.display_ms, "rate": now.rate, "overtime_ms": overtime_ms}
    return figures if remaining_ms is None else figures | {"remaining_ms": remaining_ms}


def _of_bank(look: Look, left: int | None, overtime_ms: int, *, runs: bool) -> Shown:
    """Return what a clock without a time control shows; its session's rules say what is at zero."""
    if left == 0 and look.session.rules.on_expire is OnExpire.NOTIFY:
        return Shown(PhaseKind.OVERTIME, overtime_ms, int(runs and not look.is_due))
    if left == 0 or (runs and look.is_due):
        return Shown(PhaseKind.FLAG, left or 0, 0)
    return Shown(PhaseKind.MAIN, left or 0, -int(runs))


def _running(look: Look, seen: int) -> Shown:
    """Return what the running clock shows: GetSession's first phase, or the flag that its phases end with."""
    if look.is_due:
        last = list(phases(look.session, seen))[-1].phase
        return Shown(last.kind, last.display_ms, last.rate)
    first = look.message.phases[0]
    return Shown(PhaseKind(first.kind), first.display_ms, first.rate)


def _at_rest(look: Look, clock: Clock, progress: Progress, *, is_active: bool) -> Shown:
    """Return what a clock with a time control shows that stands: what it would go on with."""
    if clock.in_overtime:
        return Shown(PhaseKind.OVERTIME, clock.overtime_ms, 0)
    first = next(phases_of_clock(clock, progress, 0))
    if clock.is_expired:
        # In a free turn only its limit, which the clock shows, can have run out.
        return Shown(PhaseKind.FLAG, 0 if controlled_clock.is_free(progress) else first.display_ms, 0)
    if not controlled_clock.is_free(progress):
        return Shown(first.kind, first.display_ms, 0)
    limit = progress.control.limit_of(progress.turns_made) if is_active else None
    left = 0 if limit is None else limit - look.message.elapsed_ms
    return Shown(PhaseKind.FREE, left if left > 0 else clock.bank_ms or 0, 0)
