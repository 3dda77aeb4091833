"""Decisions to hand to a store, made by the real domain, and the sessions they are about."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from synckairos.application.ports import Decision, Reading, Request, SessionStore
from synckairos.domain import creation, transitions
from synckairos.domain.commands import Caller, Command, Delete, Start, Switch
from synckairos.domain.events import Author, Event
from synckairos.domain.model import Mode, OnExpire, Session
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from synckairos.domain.timing import Lifetimes

CALLER: Final = Caller(Author("umpire", "said so"))
LIFETIMES: Final = Lifetimes()
PATIENCE_S: Final = 10.0
"""How long a transaction may be tried in a test; far longer than it takes."""


def new_id() -> str:
    """Return a new UUID."""
    return str(uuid4())


def until(seconds: float = PATIENCE_S) -> float:
    """Return the monotonic time this many seconds from now."""
    return time.monotonic() + seconds


def two_players(bank_ms: int = 600_000, **fields: object) -> SessionSpec:
    """Describe two participants with a bank each."""
    players = tuple(ParticipantSpec(new_id(), total_time_ms=bank_ms) for _ in range(2))
    return SessionSpec(Mode.PER_PARTICIPANT, players)._replace(**fields)  # type: ignore[arg-type] # any field


def turns_of(cycle_ms: int, **fields: object) -> SessionSpec:
    """Describe an ADVANCE chain: turns of `cycle_ms` that follow one another by themselves."""
    spec = SessionSpec(Mode.PER_CYCLE, time_per_cycle_ms=cycle_ms, on_expire=OnExpire.ADVANCE)
    return spec._replace(**fields)  # type: ignore[arg-type] # any field


@dataclass
class Recorded:
    """A decision that remembers what it was shown and what it came to, once for every attempt."""

    decide: Callable[[Reading], Decision[Session | None]]
    readings: list[Reading] = field(default_factory=list)
    decisions: list[Decision[Session | None]] = field(default_factory=list)

    def __call__(self, reading: Reading) -> Decision[Session | None]:
        self.readings.append(reading)
        self.decisions.append(self.decide(reading))
        return self.decisions[-1]

    @property
    def events(self) -> list[Event]:
        """What the last attempt wanted stored."""
        return list(self.decisions[-1].events)

    @property
    def session(self) -> Session:
        """The session the last attempt leads to."""
        return self.events[-1].session


def creating(session_id: str, spec: SessionSpec | None = None) -> Recorded:
    """Decide to create a session, if there is none."""

    def decide(reading: Reading) -> Decision[Session | None]:
        if reading.session is not None:
            return Decision(None)
        event = creation.create(session_id, spec or two_players(), CALLER, reading.now_us, new_id)
        return Decision(event.session, [event], answers=True)

    return Recorded(decide)


def asking(command: Command | None, lifetimes: Lifetimes = LIFETIMES) -> Recorded:
    """Decide as the domain does; no command just settles."""

    def decide(reading: Reading) -> Decision[Session | None]:
        if reading.session is None or reading.session.deleted:
            return Decision(None)
        outcome = transitions.decide(reading.session, command, CALLER, reading.now_us // 1_000, new_id, lifetimes)
        return Decision(outcome.session, outcome.events, answers=outcome.refusal is None)

    return Recorded(decide)


def removing() -> Recorded:
    """Decide to take a session out of the store."""
    return Recorded(lambda reading: Decision(None, remove=reading.session is not None))


async def create(store: SessionStore, spec: SessionSpec | None = None, request: Request = Request()) -> Session:  # noqa: B008 - immutable
    """Create a session and return it."""
    session_id = new_id()
    decision = creating(session_id, spec)
    await store.transact(session_id, request, decision, until())
    return decision.session


async def ask(
    store: SessionStore,
    session_id: str,
    command: Command | None,
    request: Request = Request(),  # noqa: B008 - immutable
) -> Session:
    """Ask for a change that must succeed and return the session after it."""
    decision = asking(command)
    await store.transact(session_id, request, decision, until())
    return decision.session


async def running(store: SessionStore, spec: SessionSpec | None = None) -> Session:
    """Create and start a session."""
    created = await create(store, spec)
    return await ask(store, created.session_id, Start())


async def switched(store: SessionStore, session_id: str, times: int) -> Session:
    """Switch this many times, one after the other."""
    sessions = [await ask(store, session_id, Switch()) for _ in range(times)]
    return sessions[-1]


async def deleted(store: SessionStore, session_id: str, request: Request = Request()) -> Session:  # noqa: B008 - immutable
    """Delete a session and return its tombstone."""
    return await ask(store, session_id, Delete(), request)


async def removed(store: SessionStore, session_id: str) -> None:
    """Take a session out of the store, as the sweep does with one that ended long ago."""
    await store.transact(session_id, Request(), removing(), until())


async def stored(store: SessionStore, session_id: str) -> Session | None:
    """Return what the store holds of a session."""
    (reading,) = await store.read([session_id])
    return reading.session
