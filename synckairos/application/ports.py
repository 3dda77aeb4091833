"""The ports: the interfaces through which the use cases reach the outside world."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from synckairos.application.errors import StoreUnavailable
from synckairos.domain.events import Event
from synckairos.domain.model import IN_MEMORY, Head, Session
from synckairos.domain.tenancy import DEFAULT_TENANT


class Remembered(NamedTuple):
    """The memory of an answered request: the fingerprint of its content, and the version that the answer led to.

    Both numbers are 0 if it changed nothing: there was no session to delete.
    """

    fingerprint: bytes
    epoch: int
    version: int


class Request(NamedTuple):
    """Where a mutation comes from: kept for replay (with a request_id) and for the audit trail.

    `call_id` is the x-request-id that the caller sent with the call, `trace` the traceparent of the call where it is
    recorded.
    """

    request_id: str = ""
    fingerprint: bytes = b""
    peer: str = ""
    call_id: str = ""
    trace: str = ""


class Receipt:
    """What was reached for a change that has been answered; nothing is waited for unless it is asked for."""

    __slots__ = ("durability",)

    def __init__(self) -> None:
        self.durability = IN_MEMORY


class Reading(NamedTuple):
    """A session as the store holds it, and the authority's time (microseconds since 1970) at that moment.

    `problem` says why this version cannot make sense of what is held (a newer one may); there is no session then.
    """

    session: Session | None
    now_us: int
    remembered: Remembered | None = None
    problem: StoreUnavailable | None = None


ResultT = TypeVar("ResultT")


class Decision(NamedTuple, Generic[ResultT]):
    """The outcome of a decision: a result for its caller, and the changes to store first.

    `answers` says that the request is answered with these events, or without any, so that its request_id is remembered;
    `remove` takes the session out of the store, its time being up; `again` says that all is stored already, and is to
    be written once more where it has to be durable: what is remembered of the request, else the session.
    """

    result: ResultT
    events: Sequence[Event] = ()
    answers: bool = False
    remove: bool = False
    again: bool = False


Decide: TypeAlias = Callable[[Reading], Decision[ResultT]]
"""A pure decision, made anew on every attempt; one that raises stores nothing, and its caller gets the error."""


class SessionStore(Protocol):
    """The primary truth."""

    async def read(self, session_ids: Sequence[str]) -> list[Reading]:
        """Return the sessions in the order asked; raises StoreUnavailable."""

    async def transact(
        self,
        session_id: str,
        request: Request,
        decide: Decide[ResultT],
        until: float,
        *,
        is_due: bool = False,
        receipt: Receipt | None = None,
    ) -> ResultT:
        """Commit what `decide` wants stored, in one transaction, and return the result of the decision stored.

        It returns once what is stored is as durable as the store and the session ask, and writes into `receipt` what
        was reached. `is_due` says that it only settles what is due, and is late already: that returns before it is
        durable. Conflicts are retried until `until` (monotonic seconds). Raises what `decide` raises, StoreUnavailable,
        Contention and OutcomeUnknown; nothing is stored then, except perhaps for OutcomeUnknown.
        """

    async def event_at(self, session_id: str, version: int) -> Event | None:
        """Return the event that led to a version, None if it has left the window."""

    async def now_us(self) -> int:
        """Return the authority's time in microseconds since 1970."""


class Position(NamedTuple):
    """A place in the listing order."""

    created_at: int
    session_id: str


class SessionIndex(Protocol):
    """Which sessions a tenant has, newest first."""

    async def page(self, after: Position | None, count: int, tenant: str = DEFAULT_TENANT) -> list[Position]:
        """Return up to `count` positions older than `after`."""


class DeadlineIndex(Protocol):
    """Which sessions change by themselves, and when."""

    async def due_before(self, instant: int, count: int) -> list[tuple[str, int]]:
        """Return (session id, boundary in ms) of sessions due before the instant, per partition up to `count`."""

    async def drop(self, session_id: str) -> None:
        """Forget a session the store does not hold."""

    async def repair(self) -> int:
        """Re-check a part of the index against the sessions; return how many entries were put right."""


class Estimate(NamedTuple):
    """The authority's time as this process knows it (microseconds since 1970), and by how many it may be wrong.

    `error_us` is None where that is not known.
    """

    now_us: int
    error_us: int | None


class AuthorityClock(Protocol):
    """An estimate of the authority's time between readings: for ticks, wake-ups and warnings, never a verdict."""

    @property
    def is_set(self) -> bool:
        """Whether the authority has been read."""

    def now_us(self) -> int:
        """Return the estimate in microseconds since 1970; it never goes back."""

    def estimate(self) -> Estimate:
        """Return the estimate together with its greatest error."""

    def until_s(self, instant_us: int) -> float:
        """Return in how many seconds the estimate comes to an instant, 0 if it has."""

    def spread_us(self) -> int:
        """Return the largest offset between the authority's clocks where it has several, in microseconds; else 0."""


class Hint(NamedTuple):
    """Something may have happened to a session; `event` if the hint brought it along.

    An empty session id says that hints may have been lost.
    """

    session_id: str
    event: Event | None


class Since(NamedTuple):
    """The retained events from a version on, that version included, and the session as it is now.

    `before` is the change id of the version that the first of the events followed; empty if that is not known.
    """

    events: list[Event]
    session: Session | None
    before: str = ""


class SessionFeed(Protocol):
    """Hints about sessions (at most once, in any order), and the retained events they are hints of."""

    async def subscribe(self, session_id: str) -> None:
        """Ask for hints about a session; returns once they flow. Raises StoreUnavailable."""

    def unsubscribe(self, session_id: str) -> None:
        """Stop asking for hints about a session."""

    async def since(self, session_id: str, version: int) -> Since:
        """Return the retained events from a version on, oldest first, and the session; raises StoreUnavailable."""

    async def heads(self, session_ids: Sequence[str]) -> list[Head | None]:
        """Return the heads of the sessions, None for a session that is not there; raises StoreUnavailable."""


NewId = Callable[[], str]
"""Makes a new UUID."""
