"""The jobs that the bench gives to its load processes, and the reports that come back, pickled over a pipe."""

from collections import Counter
from dataclasses import dataclass, field

Lane = list[tuple[int, bytes]]
"""The calls of one caller, in order: the number of the path, and the encoded request."""


@dataclass(kw_only=True, slots=True)
class CallsJob:
    """Call for a while: as fast as the answers come (rate 0), or at a fixed rate a second, answers or not."""

    addresses: list[str]
    connections: int
    paths: list[str]
    lanes: list[Lane]
    warm_s: float
    run_s: float
    rate: float = 0.0
    phase_s: float = 0.0
    """How far this process's schedule is behind those of the others, in seconds."""
    request_ids: bool = False
    """Give every request an id of its own; field 2 in every mutation."""
    keeps_order: bool = False
    """Return when each call was sent, not only how long it took."""
    takes_pauses: bool = False
    """Count the calls that the server asks to make again later; a caller then makes its next one after that pause."""
    is_once: bool = False
    """Make each call once, and end when all are answered, or when the time is over."""


@dataclass(kw_only=True, slots=True)
class StreamJob:
    """Send prepared messages over bidirectional streams, with `in_flight` of each unanswered at once."""

    addresses: list[str]
    path: str
    lanes: list[list[bytes]]
    in_flight: int
    warm_s: float
    run_s: float
    failure_field: int = 0
    """The field that an answer has only if its command failed; 0: none can."""
    in_a_message: int = 1
    """Answers to each message."""
    batch_field: int = 0
    """The field of a reply that holds several answers; 0: each reply is one."""


@dataclass(kw_only=True, slots=True)
class WatchJob:
    """Open streams, all at once, and note when messages arrive, until told to stop."""

    addresses: list[str]
    connections: int
    path: str
    requests: list[bytes]
    keeps_times: bool = True
    open_within_s: float = 60.0


@dataclass(kw_only=True, slots=True)
class TransactionJob:
    """Carry out the two round trips of a switch against Redis, without gRPC and without a decision."""

    redis_url: str
    prefix: str
    sessions: int
    callers: int
    warm_s: float
    run_s: float


Job = CallsJob | StreamJob | WatchJob | TransactionJob


@dataclass(slots=True)
class Ready:
    """Connected and prepared."""


@dataclass(slots=True)
class Go:
    """Begin at this instant of the machine's monotonic clock, which all processes share."""

    at: float


@dataclass(slots=True)
class Stop:
    """End a watch, or, between jobs, the process."""


@dataclass(slots=True)
class Opened:
    """Every stream has had its first message, or never will; seconds from the opening to it."""

    latencies: list[float]


@dataclass(kw_only=True, slots=True)
class Result:
    """The result of a job; times in seconds."""

    calls: int = 0
    """Answers within the time measured."""
    refused: int = 0
    """Calls that were to be made again later, all the time."""
    latencies: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0
    samples: dict[int, bytes] = field(default_factory=dict)
    """A reply to each path, to be looked at."""
    arrivals: list[list[float]] = field(default_factory=list)
    """Of a watch: when the n-th message after the first one arrived, on every stream that got one."""
    messages: int = 0
