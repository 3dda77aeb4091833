"""Streams against the branches: the messages that each watcher of a session was sent, in their order.

The promises are etcd's, in their order: events are Ordered, Unique and Reliable; a stream is Resumable; progress marks
are Bookmarkable. Ticks are Ephemeral: they have no place in the order, and never show a clock that is over.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from synckairos.application.streams.subscriptions import QUEUE_LIMIT
from synckairos.rpc import tokens
from synckairos.v1 import event_pb2
from testing.robustness.branches import Branches, Entry, Life
from testing.robustness.checks.sessions import due_ms
from testing.robustness.history import History, Message, Stream
from testing.robustness.promises import Promise, Violation

_BY_LOSS: Final = frozenset({event_pb2.GAP_REASON_FORKED, event_pb2.GAP_REASON_EPOCH_CHANGED})

SLOW_CONSUMER: Final = "RESOURCE_EXHAUSTED"
"""The code of a stream that was cut off because its reader took nothing."""
LONG_ENOUGH_S: Final = 3.0
"""Twice as long as the servers take to look for themselves."""
LEAST_MISSED: Final = QUEUE_LIMIT - 2
"""The fewest changes that a slow reader misses: all frames that waited but for an earlier gap and its snapshot."""
BURST_S: Final = 10.0
"""A reader that keeps reading misses so many changes only if they come within this time."""


class Position(NamedTuple):
    """The version a watcher has been brought to, and the change that made it."""

    epoch: int
    version: int
    change_id: str

    @property
    def place(self) -> tuple[int, int]:
        """The ordered part: two branches have the same numbers."""
        return self.epoch, self.version


class Watch(NamedTuple):
    """The messages of one stream about one session."""

    stream: Stream
    session_id: str
    token: str
    messages: Sequence[Message]


def watches(history: History) -> Iterator[Watch]:
    """Yield each stream's part about each of its sessions."""
    said: dict[tuple[int, str], list[Message]] = defaultdict(list)
    for message in history.messages:
        said[message.stream, message.session_id].append(message)
    for stream in history.streams:
        for session_id, token in stream.tokens.items():
            yield Watch(stream, session_id, token, said[stream.stream, session_id])


def check_streams(history: History, branches: Branches) -> Iterator[Violation]:
    """Yield the promises that messages to watchers break."""
    for watch in watches(history):
        reader = Reader(watch, branches, history.run.event_window, may_fork=bool(branches.losses_of(watch.session_id)))
        for promise, text in reader.read():
            yield Violation(promise, watch.session_id, f"stream {watch.stream.stream}: {text}")
    yield from _left_behind(history, branches)
    yield from _cut_off(history)


class Reader:
    """Reads the messages of a stream about a session, and knows which may come next."""

    def __init__(self, watch: Watch, branches: Branches, window: int, *, may_fork: bool) -> None:
        self._watch = watch
        self._branches = branches
        self._window = window
        self._may_fork = may_fork
        self._at: Position | None = None
        self._awaits_snapshot = not watch.token
        self._is_resuming = bool(watch.token)
        self._gap_reason = 0
        self._is_over = False
        self._written = watch.stream.opened
        if watch.token:
            head = tokens.read_resume(watch.session_id, watch.token)
            self._at = Position(*head)

    def read(self) -> Iterator[tuple[Promise, str]]:
        """Yield the broken promises, message by message."""
        for message in self._watch.messages:
            if self._is_over:
                yield Promise.ORDERED, f"a {message.kind} came after the end"
                return
            yield from self._read(message)

    def _read(self, message: Message) -> Iterator[tuple[Promise, str]]:
        yield from self._token(message)
        match message.kind:
            case "snapshot":
                yield from self._snapshot(message)
            case "event":
                yield from self._event(message)
            case "gap":
                yield from self._gap(message)
            case "progress":
                yield from self._progress(message)
            case "tick":
                yield from self._tick(message)
            case "end":
                self._is_over = True
            case _:
                yield from self._stays(message)
        self._written = message.at
        if message.kind != "end":
            self._is_resuming = False

    def _token(self, message: Message) -> Iterator[tuple[Promise, str]]:
        """A token names the version its message belongs to."""
        if not message.token:
            return
        head = tokens.read_resume(message.session_id, message.token)
        if (head.epoch, head.version) != (message.epoch, message.version):
            yield Promise.RESUMABLE, f"the token of version {message.version} is one of version {head.version}"
        elif message.change_id not in {"", head.change_id}:
            yield Promise.RESUMABLE, f"the token of version {message.version} names another change"
        elif not self._happened(message, head.change_id):
            yield Promise.RESUMABLE, f"the token of version {message.version} names a change there never was"

    def _snapshot(self, message: Message) -> Iterator[tuple[Promise, str]]:
        if not self._awaits_snapshot:
            promise = Promise.RESUMABLE if self._is_resuming else Promise.RELIABLE
            yield promise, f"a snapshot of version {message.version} came without a gap"
        here, at = _position(message), self._at
        if at is not None and here.place < at.place and self._gap_reason not in _BY_LOSS:
            yield Promise.ORDERED, f"a snapshot of version {message.version} came after {at.version}"
        is_fork = self._gap_reason == event_pb2.GAP_REASON_FORKED
        if is_fork and at is not None and not self._may_lack(message, at.change_id, here.change_id):
            yield Promise.RELIABLE, f"version {at.version} is said to be of another branch than {message.version}"
        self._awaits_snapshot, self._gap_reason = False, 0
        self._at = here

    def _event(self, message: Message) -> Iterator[tuple[Promise, str]]:
        at, here = self._at, Position(message.epoch, message.version, message.change_id)
        promise = Promise.RESUMABLE if self._is_resuming else Promise.RELIABLE
        if self._awaits_snapshot or at is None:
            yield Promise.RELIABLE, f"version {message.version} came before the snapshot"
        elif here.place == at.place:
            yield Promise.UNIQUE, f"version {message.version} came twice"
        elif here.place < at.place:
            yield Promise.ORDERED, f"version {message.version} came after {at.version}"
        elif here.place != (at.epoch, at.version + 1):
            yield promise, f"version {message.version} came after {at.version}, without a gap"
        elif not self._branches.may_follow(at.change_id, here.change_id):
            yield promise, f"version {message.version} is of another branch than {at.version}, and came without a gap"
        if message.heard_ms < message.server_time:
            early_ms = message.server_time - message.heard_ms
            yield Promise.NEVER_EARLY, f"version {message.version} came {early_ms} ms before it was due"
        if not self._happened(message, message.change_id):
            yield Promise.RELIABLE, f"change {message.change_id} of version {message.version} never happened"
        if at is None or here.place >= at.place:
            self._at = here

    def _gap(self, message: Message) -> Iterator[tuple[Promise, str]]:
        at, reason = self._at, message.value
        if reason in _BY_LOSS and not self._may_fork:
            yield Promise.RELIABLE, f"history is said to have changed at version {message.version}, and has not"
        elif reason == event_pb2.GAP_REASON_EPOCH_CHANGED and at is not None and at.epoch == message.epoch:
            yield Promise.RELIABLE, f"version {message.version} is said to be of another life than {at.version}"
        elif reason == event_pb2.GAP_REASON_SLOW_READER:
            yield from self._slowness(message)
        elif reason == event_pb2.GAP_REASON_WINDOW_PASSED:
            missed = message.version - at.version if at is not None else 0
            if missed <= self._window:
                yield Promise.RESUMABLE, f"{missed} versions are said to be too many to be sent again"
        self._awaits_snapshot, self._gap_reason = True, reason

    def _slowness(self, message: Message) -> Iterator[tuple[Promise, str]]:
        """A reader is slow if so many frames wait for it; that of one without a pause, if a burst brings them."""
        missed = message.version - (self._at.version if self._at is not None else 0)
        if missed < LEAST_MISSED:
            yield Promise.RELIABLE, f"{missed} versions up to {message.version} are said to be too many to wait"
        elif not self._watch.stream.is_slow and message.at - self._written > BURST_S:
            text = f"a reader without a pause was sent nothing for {message.at - self._written:.1f} s"
            yield Promise.RELIABLE, f"{text}, and is said to be too slow for version {message.version}"

    def _progress(self, message: Message) -> Iterator[tuple[Promise, str]]:
        at = self._at
        if at is None or self._awaits_snapshot or (message.epoch, message.value) > at.place:
            known = at.version if at else 0
            yield Promise.BOOKMARKABLE, f"everything up to {message.value} is said to be sent, {known} was"
        elif (message.epoch, message.value) < at.place or message.value != message.version:
            yield Promise.BOOKMARKABLE, f"a mark says {message.value} after version {at.version} was sent"
        elif _position(message) != at:
            yield Promise.BOOKMARKABLE, f"a mark of version {message.value} is of another branch"

    def _tick(self, message: Message) -> Iterator[tuple[Promise, str]]:
        if message.value == 0:
            yield Promise.EPHEMERAL, f"a tick of version {message.version} shows 0"
        entry = self._branches.shown_by(message)
        due = due_ms(entry.session) if entry is not None else None
        if due is not None and message.server_time >= due:
            yield Promise.EPHEMERAL, f"a tick of version {message.version} is {message.server_time - due} ms too late"
        yield from self._stays(message)

    def _stays(self, message: Message) -> Iterator[tuple[Promise, str]]:
        """A message that is no event belongs to the version the watcher is at."""
        if self._awaits_snapshot or self._at != _position(message):
            known = self._at.version if self._at else 0
            yield Promise.EPHEMERAL, f"a {message.kind} of version {message.version} came at version {known}"

    def _happened(self, message: Message, change_id: str) -> bool:
        """Whether a change is known, or may have been lost before PostgreSQL heard of it."""
        is_known = any(entry.row.change_id == change_id for entry in self._made(message))
        return is_known or self._branches.may_show_what_was_lost(message.session_id, message.at)

    def _may_lack(self, message: Message, change_id: str, head: str) -> bool:
        return self._branches.may_lack(Life(message.session_id, message.epoch), change_id, head)

    def _made(self, message: Message) -> list[Entry]:
        return self._branches.versions.get((message.session_id, message.epoch, message.version), [])


def _position(message: Message) -> Position:
    """Return where a message stands, by its token."""
    return Position(*tokens.read_resume(message.session_id, message.token))


def _left_behind(history: History, branches: Branches) -> Iterator[Violation]:
    """A watcher that stayed to the end has seen the end."""
    ended = {end.stream: end for end in history.ends}
    for watch in watches(history):
        end = ended.get(watch.stream.stream)
        was_cut = end is None or not end.is_left or end.at < history.run.closed + LONG_ENOUGH_S
        if was_cut or not watch.messages or watch.messages[-1].kind == "end":
            continue
        last = [one for one in watch.messages if one.kind in {"event", "snapshot", "progress"}]
        seen = _position(last[-1]) if last else Position(0, 0, "")
        for life in (life for life in branches.of if life.session_id == watch.session_id):
            entries = branches.of[life][-1].entries
            head = entries[-1].row if entries else None
            if head is not None and seen.epoch <= life.epoch and seen != (life.epoch, head.version, head.change_id):
                text = f"stream {watch.stream.stream} never saw version {head.version}"
                yield Violation(Promise.RELIABLE, watch.session_id, text)


def _cut_off(history: History) -> Iterator[Violation]:
    """Only slow readers are cut off for being slow."""
    slow = {stream.stream for stream in history.streams if stream.is_slow}
    for end in history.ends:
        if end.reason == SLOW_CONSUMER and end.stream not in slow:
            yield Violation(Promise.RELIABLE, "", f"stream {end.stream} was cut off as slow, and was read all the time")
