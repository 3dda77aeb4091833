"""The recording of a run: calls, streams, faults, and the contents of the stores in the end. Values only.

Instants are seconds of the recorder's monotonic clock (`float`) or ms of Redis' clock (`int`). Nothing here knows the
wall clock: it is stepped during a run.
"""

import hashlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final, Literal

import msgspec
from google.protobuf.message import Message as Protobuf

Outcome = Literal["ok", "refused", "unknown"]


class Run(msgspec.Struct, tag_field="record", tag="run"):
    """How the run was made: two runs of one seed have one schedule."""

    seed: int
    seconds: float
    servers: int
    event_window: int
    began: float
    stopped: float = 0.0
    """When the callers began to end the remaining sessions; no fault was carried out after it."""
    closed: float = 0.0
    """When all sessions had ended."""
    settled: float = 0.0
    """When the stores were read."""
    outbox: int = 0
    """Events that still waited for PostgreSQL when the stores were read."""
    bug: str = ""
    topology: str = "single"
    durability: str = "memory"


class Fault(msgspec.Struct, tag_field="record", tag="fault"):
    """A fault of one part: from `began` until it answered again.

    `began_ms` is Redis' clock when it had been done. Of a power loss, and of a failover, changes answered from `cut_at`
    on may be lost, in a cluster those of the shard's `partitions`, else (none) of all; `exit_code` is that of a server
    that was asked to stop; `wrong_answers` are those that an unreadable session got.
    """

    kind: str
    target: int
    planned_s: float
    began: float
    ended: float
    began_ms: int
    ended_ms: int
    amount_ms: int = 0
    cut_at: float | None = None
    bytes_cut: int = 0
    exit_code: int | None = None
    wrong_answers: int = 0
    partitions: list[int] = []


class Call(msgspec.Struct, tag_field="record", tag="call"):
    """One attempt of an operation; `operation` is the request id, which all its attempts have in common.

    A refusal says for sure that nothing was changed; an unknown outcome says nothing. `view` is the digest of the
    session that was answered, as of `server_time` (ms). `is_command` if it went over a stream of commands.
    """

    operation: str
    session_id: str
    method: str
    request: bytes
    server: int
    invoked: float
    returned: float
    outcome: Outcome
    reason: str = ""
    epoch: int = 0
    version: int = 0
    replayed: bool = False
    server_time: int = 0
    view: str = ""
    is_command: bool = False


class Stream(msgspec.Struct, tag_field="record", tag="stream"):
    """A stream that was opened, with the token (empty for none) each session was resumed from.

    A slow reader stops reading now and then, and hears of nothing in the meantime. `progress_ms` is the interval at
    which marks were asked for, 0 for none.
    """

    stream: int
    follower: int
    server: int
    opened: float
    tokens: dict[str, str]
    is_slow: bool = False
    progress_ms: int = 0


class Message(msgspec.Struct, tag_field="record", tag="message"):
    """One message of a stream.

    `value`: the version of a progress mark, the reason of a gap or an end, the threshold of a warning, or the time that
    a tick shows as left (-1: none). `view` is the digest of the payload's session, or of the tick.
    """

    stream: int
    session_id: str
    at: float
    kind: str
    epoch: int
    version: int
    server_time: int
    token: str
    change_id: str = ""
    value: int = 0
    view: str = ""
    heard_ms: int = 0
    """The latest that Redis' clock had shown when it came: no step back makes it less."""


class StreamEnd(msgspec.Struct, tag_field="record", tag="stream_end"):
    """A stream ended: `is_left` if its follower went away, else its server ended it or was gone."""

    stream: int
    at: float
    is_left: bool
    reason: str = ""


class Row(msgspec.Struct, tag_field="record", tag="row"):
    """An event in PostgreSQL: `snapshot` is the session after it, as the trail keeps it."""

    session_id: str
    epoch: int
    version: int
    change_id: str
    request_id: str
    type: str
    cause: str
    actor: str
    reason: str
    participant_id: str
    group_id: str
    occurred_ms: int
    fired_ms: int | None
    is_fork: bool
    snapshot: str


class Stored(msgspec.Struct, tag_field="record", tag="stored"):
    """The state of a session in Redis in the end: its head, and (version, change id) of the events it retained."""

    session_id: str
    epoch: int
    version: int
    change_id: str
    events: list[tuple[int, str]]


Record = Run | Fault | Call | Stream | Message | StreamEnd | Row | Stored


class History(msgspec.Struct):
    """Everything that was recorded of a run."""

    run: Run
    faults: list[Fault] = []
    calls: list[Call] = []
    streams: list[Stream] = []
    messages: list[Message] = []
    ends: list[StreamEnd] = []
    rows: list[Row] = []
    stored: list[Stored] = []

    @property
    def power_losses(self) -> Sequence[Fault]:
        """The faults after which the store came back without its last moments, in order."""
        return [fault for fault in self.faults if fault.cut_at is not None]


def digest(message: Protobuf) -> str:
    """Return a short digest of a message."""
    return hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=8).hexdigest()


PARTS: Final[dict[type[Record], str]] = {
    Fault: "faults",
    Call: "calls",
    Stream: "streams",
    Message: "messages",
    StreamEnd: "ends",
    Row: "rows",
    Stored: "stored",
}
"""The list of a history that each kind of record is in."""


def write(history: History, file: Path) -> None:
    """Write a history as JSON Lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    records = chain([history.run], *(getattr(history, part) for part in PARTS.values()))
    with file.open("wb") as lines:
        lines.writelines(msgspec.json.encode(record) + b"\n" for record in records)


def read(file: Path) -> History:
    """Read a history that was written."""
    decoder = msgspec.json.Decoder(Record)
    with file.open("rb") as lines:
        run = decoder.decode(next(lines))
        if not isinstance(run, Run):
            raise TypeError(f"{file} does not begin with how the run was made")
        history = History(run)
        for line in lines:
            record = decoder.decode(line)
            getattr(history, PARTS[type(record)]).append(record)
    return history
