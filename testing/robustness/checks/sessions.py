"""The branches against the rules of time: every step is legal, time is conserved, deadlines fire once and not early.

Three looks that do not share their arithmetic: the pure domain, asked to decide again; books kept beside the
session; and deadlines computed here from the facts of the version before.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from synckairos.domain import transitions
from synckairos.domain.commands import Caller, Command, Create
from synckairos.domain.creation import create
from synckairos.domain.events import Author, Cause, Event, EventType, Subject
from synckairos.domain.model import Mode, Session, Status, group_position
from synckairos.domain.timing import Lifetimes
from testing.harness.playing.session_books import Books
from testing.robustness.branches import Branch, Branches, Entry
from testing.robustness.load.operations import Operation
from testing.robustness.promises import Promise, Violation

LIFETIMES: Final = Lifetimes()
TIMED: Final = frozenset({"deadline"})


def check_sessions(branches: Branches, operations: Mapping[str, Operation]) -> Iterator[Violation]:
    """Yield the broken rules within the branches."""
    for branch in branches:
        yield from _legal(branch, operations)
        yield from _conserved(branch, operations)
        yield from _deadlines(branch)


def event_of(entry: Entry) -> Event:
    """Return the event as the domain made it, as far as the trail says."""
    row = entry.row
    subject = Subject(row.participant_id or None, row.group_id or None)
    type_, cause = EventType[row.type.upper()], Cause[row.cause.upper()]
    return Event(type_, cause, Author(row.actor, row.reason), subject, row.fired_ms, entry.session)


def _command(entry: Entry, operations: Mapping[str, Operation]) -> Command | Create | None:
    operation = operations.get(entry.row.request_id) if entry.is_call else None
    return operation.command if operation is not None else None


def _legal(branch: Branch, operations: Mapping[str, Operation]) -> Iterator[Violation]:
    """Ask the domain again: the same command at the same instant must lead to the same versions."""
    place, entries = 0, branch.entries
    while place < len(entries) and not branch.holes:
        entry, ids = entries[place], iter([one.row.change_id for one in entries[place:]])
        try:
            decided = _decided(entries[place - 1].session if place else None, entry, operations, ids)
        except Exception as error:  # whatever it is, the domain would not have done this
            decided, problem = [], repr(error)
        else:
            problem = "nothing would have happened"
        if not decided:
            text = f"version {entry.row.version} ({entry.row.type}) is not what the rules say: {problem}"
            yield Violation(Promise.LEGAL, branch.life.session_id, text)
            return
        for event, found in zip(decided, entries[place:], strict=False):
            if event.session != found.session or event.type.name.lower() != found.row.type:
                text = f"version {found.row.version} ({found.row.type}) is not what the rules say: {event.type.name}"
                yield Violation(Promise.LEGAL, branch.life.session_id, text)
                return
        place += len(decided)


def _decided(
    before: Session | None, entry: Entry, operations: Mapping[str, Operation], ids: Iterator[str]
) -> list[Event]:
    command, author = _command(entry, operations), Author(entry.row.actor, entry.row.reason)
    if before is None:
        assert isinstance(command, Create), "a life begins with its creation"
        return [create(entry.row.session_id, command.spec, Caller(author), entry.row.epoch, ids.__next__)]
    assert not isinstance(command, Create), "a session is created once"
    outcome = transitions.decide(before, command, Caller(author), entry.acted_ms, ids.__next__, LIFETIMES)
    return outcome.events


def _conserved(branch: Branch, operations: Mapping[str, Operation]) -> Iterator[Violation]:
    """Keep books: remaining + used equals all time ever given, for every holder and at every version."""
    if not branch.entries or branch.entries[0].row.version != 1 or branch.holes:
        return
    books = Books(branch.entries[0].session)
    for entry, following in zip(branch.entries[1:], [*branch.entries[2:], None], strict=False):
        command = _command(entry, operations)
        is_half = following is not None and following.row.cause in TIMED and following.acted_ms == entry.acted_ms
        try:
            books.post(event_of(entry), None if isinstance(command, Create) else command)
            if not is_half:  # an adjustment to nothing, and the expiry it brings, are one decision
                books.check(entry.session.updated_at)
        except (AssertionError, KeyError) as error:
            text = f"the books disagree at version {entry.row.version} ({entry.row.type}): {error}"
            yield Violation(Promise.CONSERVED, branch.life.session_id, text)
            return


def due_ms(session: Session) -> int | None:
    """Return when the running budget is used up, from the facts alone."""
    if session.status is not Status.RUNNING or session.resumed_at is None:
        return None
    clock = session.clock
    if session.rules.mode in {Mode.PER_PARTICIPANT, Mode.PER_GROUP}:
        if session.active is None:
            return None
        active = session.participants[session.active]
        place = group_position(session, active.group_id)
        clock = active.clock if place is None else session.groups[place].clock
    if clock.bank_ms is None or clock.in_overtime:
        return None
    spent_before = session.carried_ms - session.charged_ms
    return session.resumed_at + clock.bank_ms - spent_before


def _deadlines(branch: Branch) -> Iterator[Violation]:
    session_id = branch.life.session_id
    fired: set[tuple[int, str]] = set()
    for before, entry in zip(branch.entries, branch.entries[1:], strict=False):
        row, due = entry.row, due_ms(before.session)
        if row.fired_ms is not None and row.fired_ms < row.occurred_ms:
            text = f"version {row.version} fired {row.occurred_ms - row.fired_ms} ms before it was due"
            yield Violation(Promise.NEVER_EARLY, session_id, text)
        if row.cause not in TIMED:
            if due is not None and due <= row.occurred_ms and row.type != "session_deleted":
                text = f"version {row.version} was made {row.occurred_ms - due} ms after a deadline that had not fired"
                yield Violation(Promise.FIRED_ONCE, session_id, text)
            continue
        if _is_victory(before, entry):
            continue
        mark = (row.occurred_ms, row.type)
        if mark in fired:
            text = f"version {row.version} ({row.type}) fired for {row.occurred_ms}, as a version before it had"
            yield Violation(Promise.FIRED_ONCE, session_id, text)
        elif due is None or row.occurred_ms != due:
            text = f"version {row.version} ({row.type}) fired for {row.occurred_ms}, due was {due}"
            is_early = due is not None and row.occurred_ms < due
            yield Violation(Promise.NEVER_EARLY if is_early else Promise.FIRED_ONCE, session_id, text)
        fired.add(mark)


def _is_victory(before: Entry, entry: Entry) -> bool:
    """Whether an event is the end that an elimination brings, in the same transaction."""
    is_completion = (before.row.type, entry.row.type) == ("participant_expired", "session_completed")
    return is_completion and before.row.occurred_ms == entry.row.occurred_ms
