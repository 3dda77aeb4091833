"""Books kept beside a session: they check each of its versions by an arithmetic of their own.

They are fed committed events and the commands that led to them, so they can audit the pure domain and a store alike.
Every account holds all that its owner was ever given (allotment, grants, adjustments) and how it was spent.
"""

from dataclasses import dataclass, field
from typing import Final

from synckairos.domain import timing
from synckairos.domain.commands import AdjustTime, Command, Switch
from synckairos.domain.events import Cause, Event, EventType
from synckairos.domain.model import BANK_MODES, DAY_MS, Clock, Mode, Participant, Session, Status

ENDLESS: Final = frozenset({Mode.GLOBAL, Mode.COUNT_UP})
"""Modes whose time counts for the session, not for the cycle."""
EXPIRIES: Final = frozenset({EventType.SESSION_EXPIRED, EventType.PARTICIPANT_EXPIRED, EventType.OVERTIME_STARTED})


@dataclass
class Account:
    """The time a clock's owner was given and has spent; `given_ms is None` means without a limit."""

    given_ms: int | None
    used_ms: int = 0
    overtime_ms: int = 0
    is_over: bool = False

    @property
    def left_ms(self) -> int | None:
        """The time given and not used yet."""
        return None if self.given_ms is None else self.given_ms - self.used_ms

    def spend(self, ms: int) -> "Account":
        """Return the account after this much more time."""
        within = ms if self.left_ms is None else min(ms, self.left_ms)
        return Account(self.given_ms, self.used_ms + within, self.overtime_ms + ms - within, self.is_over)

    def matches(self, clock: Clock) -> bool:
        """Whether a clock says the same."""
        same = (clock.bank_ms, clock.used_ms, clock.overtime_ms) == (self.left_ms, self.used_ms, self.overtime_ms)
        return same and clock.in_overtime == self.is_over


@dataclass
class Books:
    """The accounts of one session, by participant or group; its own has the empty id."""

    session: Session
    accounts: dict[str, Account] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    on_move_ms: dict[str, int] = field(default_factory=dict)
    elapsed_ms: int = 0

    def __post_init__(self) -> None:
        """Open the accounts of a new session."""
        rules = self.session.rules
        own = {
            Mode.PER_CYCLE: rules.time_per_cycle_ms,
            Mode.GLOBAL: rules.total_time_ms,
            Mode.COUNT_UP: rules.max_time_ms,
        }
        if rules.mode not in BANK_MODES:
            self.accounts[""] = Account(own[rules.mode])
        for group in self.session.groups:
            self.accounts[group.group_id] = Account(group.clock.allotted_ms)
        for participant in self.session.participants:
            self._welcome(participant)

    def post(self, event: Event, command: Command | None) -> None:
        """Enter a committed event; `command` is the command that was being decided when it happened."""
        ran = event.session.updated_at - self.session.updated_at if self.session.status is Status.RUNNING else 0
        self.elapsed_ms += ran
        before = self._running_account()
        account = self._spend(ran)
        match event.type:
            case EventType.CYCLE_SWITCHED:
                self._end_turn(account)
            case EventType.SESSION_COMPLETED if event.cause is Cause.DEADLINE or isinstance(command, Switch):
                self._count_last_turn()
            case EventType.TIME_ADJUSTED:
                assert isinstance(command, AdjustTime)
                self._adjust(command)
            case EventType.PARTICIPANT_ADDED:
                self._welcome(event.session.participants[-1])
            case EventType.PARTICIPANT_REMOVED:
                self._part(event)
            case type_ if type_ in EXPIRIES:
                self._run_out(account, event, account.overtime_ms - before.overtime_ms)
            case _:
                pass
        if event.session.cycle_number > self.session.cycle_number and self.session.rules.mode not in ENDLESS:
            self.elapsed_ms = 0
        self.session = event.session

    def check(self, now: int) -> None:
        """Compare every clock of the session, as it looks at `now`, with its account."""
        ran = max(0, now - self.session.updated_at) if self.session.status is Status.RUNNING else 0
        running, active = self._running(self.session), self.session.active_participant
        assert timing.elapsed(self.session, now) == self.elapsed_ms + ran
        view = timing.charge(self.session, now)
        clocks = {"": view.clock} | {one.group_id: one.clock for one in view.groups}
        for one in view.participants:
            on_move = ran if active and one.participant_id == active.participant_id else 0
            assert one.cycle_count == self.turns[one.participant_id]
            clocks[one.participant_id] = one.clock
            if one.participant_id not in self.accounts:
                assert one.clock.used_ms == self.on_move_ms[one.participant_id] + on_move
        for holder, account in self.accounts.items():
            stands = account.spend(ran if holder == running else 0)
            assert stands.matches(clocks[holder]), (stands, clocks[holder])
            if clocks[holder].is_expired:
                assert (stands.left_ms, stands.overtime_ms) == (0, 0)
            elif holder == running and self.session.status is Status.RUNNING and not account.is_over:
                assert stands.left_ms != 0, "a clock ran out and nothing happened"

    def _running(self, session: Session) -> str | None:
        active, mode = session.active_participant, session.rules.mode
        if mode not in BANK_MODES:
            return ""
        if active is None:
            return None
        return active.group_id if mode is Mode.PER_GROUP else active.participant_id

    def _running_account(self) -> Account:
        running = self._running(self.session)
        return Account(None) if running is None else self.accounts[running]

    def _spend(self, ran: int) -> Account:
        """Charge the time run to the running account, and return the account."""
        running, active = self._running(self.session), self.session.active_participant
        account = self._running_account().spend(ran)
        if running is not None:
            self.accounts[running] = account
        if active:
            self.on_move_ms[active.participant_id] += ran
        return account

    def _end_turn(self, account: Account) -> None:
        rules, active = self.session.rules, self.session.active_participant
        if active:
            self.turns[active.participant_id] += 1
        if rules.mode is Mode.PER_CYCLE:
            self.accounts[""] = Account(rules.time_per_cycle_ms)
        elif rules.mode in BANK_MODES and account.left_ms and account.given_ms is not None:
            room = rules.increment_ms if rules.max_time_ms is None else max(0, rules.max_time_ms - account.left_ms)
            account.given_ms += min(rules.increment_ms, room)

    def _count_last_turn(self) -> None:
        rules, active = self.session.rules, self.session.active_participant
        if active and rules.max_cycles is not None and self.session.cycle_number >= rules.max_cycles:
            self.turns[active.participant_id] += 1

    def _adjust(self, command: AdjustTime) -> None:
        holder = command.participant_id or command.group_id
        account = self.accounts[holder]
        assert account.given_ms is not None
        left = account.given_ms - account.used_ms
        runs = self.session.status is Status.RUNNING and holder == self._running(self.session)
        wanted = left + command.delta_ms if command.delta_ms is not None else command.set_ms
        if command.at_least_ms is not None:
            wanted = max(left, command.at_least_ms)
        assert wanted is not None
        longest = 28 * DAY_MS if command.set_ms is not None else max(left, 28 * DAY_MS)
        target = min(max(wanted, 0 if runs or left == 0 else 1), longest)
        account.given_ms += target - left
        account.is_over = account.is_over and target == 0

    def _welcome(self, participant: Participant) -> None:
        self.turns[participant.participant_id] = self.on_move_ms[participant.participant_id] = 0
        if self.session.rules.mode is Mode.PER_PARTICIPANT:
            self.accounts[participant.participant_id] = Account(participant.clock.allotted_ms)

    def _part(self, event: Event) -> None:
        leaving = event.subject.participant_id or ""
        self.accounts.pop(leaving, None)
        if self.session.rules.mode is Mode.PER_CYCLE and event.session.cycle_number > self.session.cycle_number:
            self.accounts[""] = Account(self.session.rules.time_per_cycle_ms)

    def _run_out(self, account: Account, event: Event, late_ms: int) -> None:
        """An expiry comes when nothing is left, at that very instant, and once."""
        assert account.left_ms == 0, "a clock with time left ran out"
        assert late_ms == 0, "a clock ran out late"
        assert not account.is_over, "a clock ran out twice"
        account.is_over = event.type is EventType.OVERTIME_STARTED
