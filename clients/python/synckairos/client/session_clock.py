"""What every clock of a session shows at an instant of the server's clock, computed from one message of the service.

    clock = SessionClock(await client.get_session(session_id))
    for holder in clock.now(server_clock).holders:
        print(holder.holder_id, holder.display_ms)

The figures are those of GetSession at that instant, to the millisecond, until something falls due.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.client.holder_clock import (
    FLAG,
    FREE,
    OVERTIME,
    HolderClock,
    Passed,
    Row,
    at_rest,
    holder_id_of,
    instant,
    plain,
    running,
    stage_of,
    turn_limit_of,
)
from synckairos.v1 import event_pb2, session_pb2, session_service_pb2

__all__ = ["HolderClock", "SessionClock", "SessionView", "TellsTime"]

BANKS: Final = (session_pb2.MODE_PER_PARTICIPANT, session_pb2.MODE_PER_GROUP)


class Reply(Protocol):
    """Every reply with a session, and what a command's answer carries: the session as of `server_time`."""

    @property
    def session(self) -> session_pb2.Session:
        """The session."""

    @property
    def server_time(self) -> Timestamp:
        """The instant at which it was computed, a Timestamp."""


class TellsTime(Protocol):
    """A clock that knows the server's time, such as ServerClock."""

    def now_ms(self) -> int:
        """Return the server's time in ms since 1970."""


Update = (
    session_pb2.Session
    | event_pb2.Event
    | session_service_pb2.WatchSessionResponse
    | session_service_pb2.WatchSessionsResponse
    | Reply
)
"""Whatever carries a whole session."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """What the clocks of a session show at `at_ms` (ms since 1970).

    `is_due`: something has fallen due, and only a newer version tells what it has changed; until it comes, the clocks
    stand as they did at that instant. `holders` are the participants (MODE_PER_PARTICIPANT) or groups (MODE_PER_GROUP)
    in their order, or one clock of the session itself with an empty `holder_id`.
    """

    at_ms: int
    is_due: bool
    elapsed_ms: int
    holders: tuple[HolderClock, ...]

    @property
    def running(self) -> HolderClock | None:
        """The clock that runs; None while all stand."""
        return next((holder for holder in self.holders if holder.is_running), None)

    def of(self, holder_id: str) -> HolderClock:
        """Return the clock of a participant or a group; KeyError for a stranger."""
        for holder in self.holders:
            if holder.holder_id == holder_id:
                return holder
        raise KeyError(holder_id)


class SessionClock:
    """The clocks of one version of a session; with every newer message about it, make another one.

    Args:
        update: a reply, an update of a stream with a snapshot or an event in it, an Event, or a Session.
        server_time_ms: the instant at which a lone Session was computed, in ms since 1970. It may be left out where the
            session tells it: while its clocks stand, with a time control, or with a deadline that is a clock's own.

    Raises ValueError for an update without a session, and for a Session that does not tell its instant.
    """

    def __init__(self, update: Update, server_time_ms: int | None = None) -> None:
        session, taken = _taken(update)
        self.session: Final = session
        self._runs: Final = session.status == session_pb2.STATUS_RUNNING
        self._rows: Final[Sequence[Row]] = _rows_of(session)
        self._active: Final = _active_place(self._rows)
        given = taken if server_time_ms is None else server_time_ms
        self.taken_at_ms: Final = self._instant_told() if given is None else given
        self._due: Final = self._due_at()

    def now(self, clock: TellsTime) -> SessionView:
        """Return what the clocks show now; those of a session with a manual clock stand between its calls."""
        return self.at(self.taken_at_ms if self.session.manual_clock else clock.now_ms())

    def at(self, server_ms: int) -> SessionView:
        """Return what the clocks show at an instant of the session's time, in ms since 1970.

        Before the message's own instant they show what they show then.
        """
        now, due = max(server_ms, self.taken_at_ms), self._due
        is_due = due is not None and now >= due
        if due is not None and is_due:
            now = due
        ran = now - self.taken_at_ms if self._runs else 0
        passed = Passed(ran, now, is_due, self.session.on_expire == session_pb2.ON_EXPIRE_NOTIFY)
        elapsed = self.session.elapsed_ms + ran
        return SessionView(server_ms, is_due, elapsed, tuple(self._holders(passed, elapsed)))

    def _holders(self, passed: Passed, elapsed: int) -> list[HolderClock]:
        if self.session.mode not in BANKS:
            return [self._own_clock(passed, elapsed)]
        if not (self._rows and self._rows[0].HasField("time_control")):
            return [self._bank(row, passed) for row in self._rows]
        received = self._received(passed.ms)
        return [
            running(row, self.session.phases, passed)
            if self._runs and place == self._active
            else at_rest(row, elapsed, received.get(place, 0))
            for place, row in enumerate(self._rows)
        ]

    def _bank(self, row: Row, passed: Passed) -> HolderClock:
        runs = self._runs and row.is_active
        return plain(holder_id_of(row), row.time_remaining_ms, row.overtime_ms, passed, is_running=runs)

    def _own_clock(self, passed: Passed, elapsed: int) -> HolderClock:
        clock = plain("", self._own_remaining(), self.session.overtime_ms, passed, is_running=self._runs)
        if self.session.mode == session_pb2.MODE_COUNT_UP and clock.phase != OVERTIME:
            return replace(clock, display_ms=elapsed, rate=-clock.rate)
        return clock

    def _own_remaining(self) -> int | None:
        if self.session.mode == session_pb2.MODE_PER_CYCLE:
            return self.session.cycle_remaining_ms
        return self.session.remaining_ms if self.session.HasField("remaining_ms") else None

    def _received(self, ran_ms: int) -> dict[int, int]:
        """Return what an hourglass gives to the others, by place: it divides what the whole turn has taken."""
        if self._active is None or not ran_ms:
            return {}
        row = self._rows[self._active]
        if row.clock.phase in (FREE, OVERTIME) or not stage_of(row).HasField("hourglass"):
            return {}
        before = self.session.elapsed_ms
        after = before + min(ran_ms, row.clock.bank_ms)
        others = self._receivers(self._active)
        given = zip(others, _shares(before, len(others)), _shares(after, len(others)), strict=True)
        return {place: later - earlier for place, earlier, later in given}

    def _receivers(self, active: int) -> list[int]:
        """Return the places of the others in play, from the one after the running clock on."""
        count = len(self._rows)
        after = [(active + step) % count for step in range(1, count)]
        peopled = {one.group_id for one in self.session.participants}
        return [
            place for place in after if self._rows[place].clock.phase != FLAG and self._rows[place].group_id in peopled
        ]

    def _instant_told(self) -> int:
        """Return the instant at which a lone Session was computed."""
        session = self.session
        if not self._runs:
            return instant(session.updated_at)
        if session.phases:
            return instant(session.phases[0].starts_at)
        left = self._running_remaining()
        ends_otherwise = session.session_limit_ms or session.HasField("close_at")
        if not left or ends_otherwise or not session.HasField("deadline_at"):
            raise ValueError("the session does not tell when it was computed: pass the reply, or server_time_ms")
        return instant(session.deadline_at) - left

    def _running_remaining(self) -> int | None:
        if self.session.mode not in BANKS:
            return self._own_remaining()
        return None if self._active is None else self._rows[self._active].time_remaining_ms

    def _due_at(self) -> int | None:
        """Return the instant from which on only a newer version tells how the session goes on; None without one."""
        session = self.session
        deadline = instant(session.deadline_at) if session.HasField("deadline_at") else None
        if not self._runs or session.on_expire != session_pb2.ON_EXPIRE_NOTIFY:
            return deadline
        if session.phases and not session.phases_truncated:
            last = session.phases[-1]
            return instant(last.starts_at) if last.kind == FLAG else None
        # A clock runs on beyond its flag and its turn's limit; an earlier deadline is the session's end.
        if deadline is not None and deadline not in self._passed_over():
            return deadline
        return instant(session.close_at) if session.HasField("close_at") else None

    def _passed_over(self) -> list[int]:
        left, limit = self._running_remaining(), 0
        if self._active is not None and self._rows[self._active].HasField("time_control"):
            limit = turn_limit_of(self._rows[self._active])
        return [self.taken_at_ms + (left or 0), self.taken_at_ms + limit - self.session.elapsed_ms]


def _taken(update: Update) -> tuple[session_pb2.Session, int | None]:
    """Return the session of an update, and the instant at which it was computed; None if the update does not say."""
    if isinstance(update, session_pb2.Session):
        return update, None
    if isinstance(update, event_pb2.Event):
        return update.session, instant(update.session.updated_at)
    if isinstance(update, session_service_pb2.WatchSessionResponse | session_service_pb2.WatchSessionsResponse):
        kind = update.WhichOneof("payload")
        if kind not in ("snapshot", "event"):
            raise ValueError(f"an update of the kind {kind} has no session in it")
        return update.snapshot if kind == "snapshot" else update.event.session, instant(update.server_time)
    return update.session, instant(update.server_time)


def _rows_of(session: session_pb2.Session) -> Sequence[Row]:
    if session.mode == session_pb2.MODE_PER_GROUP:
        return session.groups
    return session.participants if session.mode == session_pb2.MODE_PER_PARTICIPANT else []


def _active_place(rows: Sequence[Row]) -> int | None:
    return next((place for place, row in enumerate(rows) if row.is_active), None)


def _shares(charge: int, receivers: int) -> list[int]:
    """Divide what a turn has taken in rotation order: the first get the odd milliseconds."""
    each, odd = divmod(charge, receivers) if receivers else (0, 0)
    return [each + (place < odd) for place in range(receivers)]
