"""What a clock shows from an instant on, and what it passes on the way while it runs: both derived, neither stored."""

from collections.abc import Iterator
from heapq import merge
from typing import NamedTuple

from synckairos.domain import timing, turns
from synckairos.domain.controls.controlled_clock import is_free, parts_of, stage_of, standing
from synckairos.domain.controls.time_control import Progress
from synckairos.domain.families.family import Phase, PhaseKind, Standing
from synckairos.domain.model import Clock, OnExpire, Session


class StartingPhase(NamedTuple):
    """A phase, and the instant (ms) it starts at."""

    at: int
    phase: Phase


def phases(session: Session, now: int) -> Iterator[StartingPhase]:
    """Yield what a running clock with a time control shows from `now` to its flag; nothing of any other session."""
    clock = timing.running_clock(session)
    if clock.progress is None or session.resumed_at is None:
        return
    until = _turn_ends_at(session)
    in_free_turn = is_free(clock.progress) and not clock.in_overtime
    shown: StartingPhase | None = None
    for one in (_of_free_turn if in_free_turn else _of_clock)(session, clock, clock.progress, now):
        if until is not None and one.at >= until:
            begins = one.at == until and one.phase.kind is not PhaseKind.OVERTIME
            shown = one if begins else shown
            break
        shown = one
        yield one
    if until is not None:
        yield StartingPhase(until, _flag(shown, until))


def _flag(shown: StartingPhase | None, until: int) -> Phase:
    """Return the flag of a clock that showed this: a turn's limit leaves it what it has."""
    if shown is None:
        return Phase(0, PhaseKind.FLAG, 0, 0)
    left = shown.phase.display_ms + shown.phase.rate * (until - shown.at)
    has_run_out = shown.phase.kind is PhaseKind.PERIOD and not left
    return Phase(0, PhaseKind.FLAG, left, 0, 0 if has_run_out else shown.phase.periods_left)


def _turn_ends_at(session: Session) -> int | None:
    """Return when the running turn ends by itself; in overtime, and beyond a turn's limit, only the session ends it."""
    if session.rules.on_expire is OnExpire.NOTIFY:
        return timing.session_end_at(session)
    return timing.deadline_at(session)


def _of_free_turn(session: Session, clock: Clock, progress: Progress, now: int) -> Iterator[StartingPhase]:
    limit_at = timing.turn_limit_at(session, progress)
    if limit_at is not None:
        yield StartingPhase(now, Phase(0, PhaseKind.FREE, limit_at - now, -1, progress.periods))
    if limit_at is None or session.rules.on_expire is OnExpire.NOTIFY:
        yield StartingPhase(limit_at or now, Phase(0, PhaseKind.FREE, clock.bank_ms or 0, 0, progress.periods))


def _of_clock(session: Session, clock: Clock, progress: Progress, now: int) -> Iterator[StartingPhase]:
    uncharged_from = (session.resumed_at or 0) + session.charged_ms - session.carried_ms
    for one in phases_of_clock(clock, progress, timing.uncharged(session, now)):
        at = uncharged_from + one.spent_ms
        if one.kind is PhaseKind.FLAG:
            yield StartingPhase(at, Phase(one.spent_ms, PhaseKind.OVERTIME, clock.overtime_ms, 1))
        else:
            yield StartingPhase(at, one)


def phases_of_clock(clock: Clock, progress: Progress, spent: int) -> Iterator[Phase]:
    """Yield what the running clock shows from here on; the instants are in ms since it was last charged.

    A free turn is not drawn here: it runs down the turn's limit.
    """
    if clock.in_overtime:
        yield Phase(spent, PhaseKind.OVERTIME, clock.overtime_ms + spent, 1)
        return
    family, parts, open_ms = stage_of(progress).family, parts_of(clock, progress), progress.open_ms
    running: Phase | None = None
    for phase in family.phases(parts):
        if phase.spent_ms - open_ms <= spent:
            running = phase
            continue
        if running is not None:
            yield _from_here(running, open_ms, spent)
            running = None
        yield phase._replace(spent_ms=phase.spent_ms - open_ms) if open_ms else phase
    if running is not None:
        yield _from_here(running, open_ms, spent)


def _from_here(phase: Phase, open_ms: int, spent: int) -> Phase:
    """Return a phase that runs, as it looks after `spent` ms more of a turn that has been charged `open_ms`."""
    gone = open_ms + spent - phase.spent_ms
    if not (gone or open_ms):
        return phase
    return phase._replace(spent_ms=spent, display_ms=phase.display_ms + phase.rate * gone)


class Shown(NamedTuple):
    """What a clock that stands shows: what is left before its flag, in ms (None: it has none), its parts, its phase."""

    left_ms: int | None
    standing: Standing
    phase: PhaseKind


def shown(clock: Clock, progress: Progress) -> Shown:
    """Return what a clock shows that stands, or was charged up to now; the phase is the one it would go on in."""
    if clock.in_overtime:
        return Shown(0, standing(clock, progress, 0), PhaseKind.FLAG if clock.is_expired else PhaseKind.OVERTIME)
    family, parts, open_ms = stage_of(progress).family, parts_of(clock, progress), progress.open_ms
    left = family.budget(parts)
    if is_free(progress):
        phase, open_ms = PhaseKind.FREE, 0
    else:
        phase, left = _kind_after(family.phases(parts), open_ms), None if left is None else max(0, left - open_ms)
    return Shown(left, family.charge(parts, open_ms), PhaseKind.FLAG if clock.is_expired else phase)


def _kind_after(phases: Iterator[Phase], spent: int) -> PhaseKind:
    """Return the kind of the phase that a turn is in; of the first one before it has begun."""
    kind = next(phases).kind
    for phase in phases:
        if phase.spent_ms > spent:
            break
        kind = phase.kind
    return kind


def stands_until(session: Session, until: int | None) -> int | None:
    """Return up to when a version stands if nobody calls, at most `until`; None without an end.

    What falls due ends it. The version that leaves one holder is followed by that one's victory at the same instant.
    """
    if turns.has_winner_left(session):
        return session.updated_at
    deadline = timing.deadline_at(session)
    return until if deadline is None or (until is not None and until < deadline) else deadline


def moments_between(session: Session, after: int, until: int | None) -> Iterator[tuple[int, int | Phase]]:
    """Yield (instant, threshold or phase) for all that the running clock of this version passes in (after, until].

    In order; what lies at or before the instant of this version belongs to the version before it, what lies behind its
    end to none, and what begins with an event of its own (a flag, an overtime) is not told twice.
    """
    until = stands_until(session, until)
    warnings: Iterator[tuple[int, int | Phase]] = timing.warnings_between(session, after, until)
    if timing.running_clock(session).progress is None:
        yield from warnings
        return
    yield from merge(warnings, _begun(session, max(after, session.updated_at), until), key=lambda moment: moment[0])


def _begun(session: Session, after: int, until: int | None) -> Iterator[tuple[int, int | Phase]]:
    for one in phases(session, session.updated_at):
        if until is not None and one.at > until:
            return
        if one.at > after and one.phase.kind not in {PhaseKind.FLAG, PhaseKind.OVERTIME}:
            yield one.at, one.phase
