"""How sessions and events are written in Redis: a compact, versioned binary encoding.

A session is a fixed head (layout, flags, epoch, version, change id), readable without the rest, and a msgpack
body. Ids take 16 bytes, or their position in the session where that has them; instants are differences from the
creation. Rows begin with what changes and end with what is rare: values left as they were born are left out at the
end. An event is such a row before the bytes of the session after it, so that a session is encoded once per version.
What layout 1 had no place for stands behind it in layout 2, which is written only where there is such a thing.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from typing import Any, Final, ParamSpec, TypeVar

import msgspec.msgpack

from synckairos.adapters.redis import shapes
from synckairos.application.ports import Remembered
from synckairos.domain.events import Author, Cause, Event, EventType, Subject
from synckairos.domain.model import UNTIMED, Clock, Group, Head, Mode, OnExpire, Participant, Rules, Session, Status

LAYOUTS: Final = (1, 2)

_HEAD: Final = struct.Struct(">BBQQ16s")
HEAD_BYTES: Final = _HEAD.size
_DELETED: Final = 1
_RECOVERED: Final = 2
_EVENT_HEAD: Final = struct.Struct(">H")
_REQUEST: Final = struct.Struct(">16sQQ")


# Looked up rather than called: an enum takes five times as long to find its member.
_STATUSES: Final = {status.value: status for status in Status}
_MODES: Final = {mode.value: mode for mode in Mode}
_ENDS: Final[dict[int | None, OnExpire | None]] = {None: None, **{end.value: end for end in OnExpire}}
_TYPES: Final = {type_.value: type_ for type_ in EventType}
_CAUSES: Final = {cause.value: cause for cause in Cause}

_P = ParamSpec("_P")
_R = TypeVar("_R")


class UnknownLayoutError(Exception):
    """The bytes were written by a newer version, or are no session at all."""


def _refusing_foreign_bytes(read: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a reader raise UnknownLayoutError for bytes it cannot make sense of."""

    @wraps(read)
    def read_or_refuse(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return read(*args, **kwargs)
        except UnknownLayoutError:
            raise
        except Exception as error:  # what foreign bytes raise is without end: RecursionError, MemoryError, ...
            raise UnknownLayoutError(f"these bytes are not what they should be: {error}") from error

    return read_or_refuse


@lru_cache(maxsize=65_536)
def pack_id(text: str) -> bytes:
    """Return the 16 bytes of a UUID's text."""
    return bytes.fromhex(text.replace("-", ""))


def live_member(session: Session) -> bytes:
    """Return the session's member of the live index: sorts by creation, then id."""
    return session.created_at.to_bytes(8, "big") + pack_id(session.session_id)


@lru_cache(maxsize=65_536)
def unpack_id(raw: bytes) -> str:
    """Return the text of a UUID's 16 bytes."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _row(values: tuple[Any, ...], born: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values without the defaults at their end."""
    end = len(values)
    while end and values[end - 1] == born[end - 1]:
        end -= 1
    return values[:end]


def _full(row: Sequence[Any], born: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row with the defaults that were left out at its end."""
    return (*row, *born[len(row) :])


def _pack_optional(text: str | None) -> bytes | None:
    return pack_id(text) if text else None


def _unpack_optional(raw: bytes | None) -> str | None:
    return unpack_id(raw) if raw else None


def encode_session(session: Session) -> bytes:
    """Return the session's bytes."""
    flags = _DELETED * session.deleted | _RECOVERED * session.recovered
    row = _row(_body(session), _BODY)
    layout = 1 if len(row) <= _FIRST_LAYOUT else 2
    head = _HEAD.pack(layout, flags, session.epoch, session.version, pack_id(session.change_id))
    return head + msgspec.msgpack.encode(row)


_FIRST_BODY: Final[tuple[Any, ...]] = (0, [], 0, [], 0, None, 0, 0, *[None] * 5, 0, [], *[None] * 5, None, [], 0)
_FIRST_LAYOUT: Final = len(_FIRST_BODY)
_BODY: Final[tuple[Any, ...]] = (*_FIRST_BODY, 0, None, None)


def _body(session: Session) -> tuple[Any, ...]:
    born = session.created_at
    instants = (
        session.started_at, session.cycle_started_at, session.resumed_at, session.paused_at, session.completed_at
    )  # fmt: skip
    later = (session.called_at, session.ended_at)
    groups = {group.group_id: position for position, group in enumerate(session.groups)}
    return (
        session.status,
        _rules(session.rules),
        session.updated_at - born,
        [_participant(participant, groups) for participant in session.participants],
        session.cycle_number,
        session.active,
        session.carried_ms,
        session.charged_ms,
        *(None if at is None else at - born for at in instants),
        _clock(session.clock),
        [(pack_id(group.group_id), _clock(group.clock), group.last_index) for group in session.groups],
        _pack_optional(session.first_participant_id),
        _pack_optional(session.expired_participant_id),
        _pack_optional(session.expired_group_id),
        _pack_optional(session.winner_participant_id),
        _pack_optional(session.winner_group_id),
        session.metadata,
        list(session.labels),
        born - session.epoch // 1_000,
        session.idle_ttl_ms,
        *(None if at is None else at - born for at in later),
    )


_PARTICIPANT: Final = (b"", 0, 0, 0, None, None)


def _participant(participant: Participant, groups: Mapping[str, int]) -> tuple[Any, ...]:
    id_, index, group_id, clock, cycle_count, metadata = participant
    return _row((pack_id(id_), index, _clock(clock), cycle_count, groups.get(group_id or ""), metadata), _PARTICIPANT)


def _read_participant(row: Sequence[Any], group_ids: Sequence[str]) -> Participant:
    id_, index, clock, cycle_count, group, metadata = _full(row, _PARTICIPANT)
    group_id = None if group is None else group_ids[group]
    return Participant(unpack_id(id_), index, group_id, _read_clock(clock), cycle_count, metadata)


_RULES: Final[tuple[Any, ...]] = (0, None, [], 0, None, None, None, None)


def _rules(rules: Rules) -> tuple[Any, ...]:
    mode, on_expire, total, per_cycle, increment, cap, cycles, thresholds = rules
    return _row((mode, on_expire, list(thresholds), increment, total, per_cycle, cap, cycles), _RULES)


def _read_rules(row: Sequence[Any]) -> Rules:
    mode, on_expire, thresholds, increment, total, per_cycle, cap, cycles = _full(row, _RULES)
    return Rules(_MODES[mode], _ENDS[on_expire], total, per_cycle, increment, cap, cycles, tuple(thresholds))


_CLOCK: Final = (0, 0, 0, 0, 0)


def _clock(clock: Clock) -> int | tuple[int, ...]:
    """An untimed clock is written as its use alone; a bank as the part of the allotment that is gone."""
    allotted, bank, used, overtime, is_expired, in_overtime = clock
    if bank is None or allotted is None:
        return used
    return _row((allotted, allotted - bank, used, overtime, is_expired | in_overtime << 1), _CLOCK)


def _read_clock(raw: Any) -> Clock:  # noqa: ANN401 - a decoded msgpack value
    if isinstance(raw, int):
        return UNTIMED if raw == 0 else Clock(None, None, raw)
    allotted, gone, used, overtime, flags = _full(raw, _CLOCK)
    return Clock(allotted, allotted - gone, used, overtime, bool(flags & 1), bool(flags & 2))


@_refusing_foreign_bytes
def decode_head(encoded: bytes) -> Head:
    """Return the head of a session; its first HEAD_BYTES bytes are enough."""
    layout, _flags, epoch, version, change_id = _HEAD.unpack_from(encoded)
    if layout not in LAYOUTS:
        raise UnknownLayoutError(f"layout {layout} is none of {LAYOUTS}")
    return Head(epoch, version, unpack_id(change_id))


@_refusing_foreign_bytes
def decode_session(session_id: str, encoded: bytes) -> Session:
    """Return the session; raises UnknownLayoutError if it was written in another layout."""
    layout, flags, epoch, version, change_id = _HEAD.unpack_from(encoded)
    if layout not in LAYOUTS:
        raise UnknownLayoutError(f"session {session_id}: layout {layout} is none of {LAYOUTS}")
    body = memoryview(encoded)[HEAD_BYTES:]
    shapes.require_session(version, body)
    (
        status, rules, updated, participants, cycle_number, active, carried, charged, started, cycle_started, resumed,
        paused, completed, clock, groups, first, expired, expired_group, winner, winner_group, metadata, labels,
        later, idle_ttl, called, ended,
    ) = _full(msgspec.msgpack.decode(body), _BODY)  # fmt: skip
    born = epoch // 1_000 + later
    group_ids = [unpack_id(group[0]) for group in groups]
    # By position: with 28 names the call would take twice as long.
    return Session(
        session_id,
        epoch,
        version,
        unpack_id(change_id),
        _read_rules(rules),
        _STATUSES[status],
        born,
        born + updated,
        tuple([_read_participant(row, group_ids) for row in participants]),
        tuple([Group(id_, _read_clock(raw), last) for id_, (_, raw, last) in zip(group_ids, groups, strict=True)]),
        _read_clock(clock),
        active,
        _unpack_optional(first),
        _unpack_optional(expired),
        _unpack_optional(expired_group),
        _unpack_optional(winner),
        _unpack_optional(winner_group),
        cycle_number,
        carried,
        charged,
        None if started is None else born + started,
        None if cycle_started is None else born + cycle_started,
        None if resumed is None else born + resumed,
        None if paused is None else born + paused,
        None if completed is None else born + completed,
        metadata,
        tuple([(key, value) for key, value in labels]),
        bool(flags & _RECOVERED),
        bool(flags & _DELETED),
        idle_ttl,
        None if called is None else born + called,
        None if ended is None else born + ended,
    )


_EVENT: Final = (0, 0, None, None, 0, None, "", "", None)


def encode_event(event: Event, session: bytes) -> bytes:
    """Return the event's bytes around the already encoded session after it."""
    after, subject = event.session, event.subject
    row = (
        event.type,
        event.cause,
        _place(subject.participant_id, [one.participant_id for one in after.participants]),
        subject.remaining_ms,
        subject.elapsed_ms,
        None if event.fired_at is None else event.fired_at - after.updated_at,
        event.author.actor,
        event.author.reason,
        _place(subject.group_id, [one.group_id for one in after.groups]),
    )
    head = msgspec.msgpack.encode(_row(row, _EVENT))
    return _EVENT_HEAD.pack(len(head)) + head + session


def _place(text: str | None, known: list[str]) -> int | bytes | None:
    """Return the position of an id in the session; the id itself if the session does not have it."""
    return known.index(text) if text in known else _pack_optional(text)


def _at_place(raw: Any, known: list[str]) -> str | None:  # noqa: ANN401 - a decoded msgpack value
    return known[raw] if isinstance(raw, int) else _unpack_optional(raw)


@_refusing_foreign_bytes
def decode_event(session_id: str, encoded: bytes) -> Event:
    """Return the event; raises UnknownLayoutError if its session was written in another layout."""
    (size,) = _EVENT_HEAD.unpack_from(encoded)
    start = _EVENT_HEAD.size
    session = decode_session(session_id, encoded[start + size :])
    row = memoryview(encoded)[start : start + size]
    shapes.require_event(row)
    type_, cause, participant, remaining, elapsed, late, actor, reason, group = _full(
        msgspec.msgpack.decode(row), _EVENT
    )
    participant_id = _at_place(participant, [one.participant_id for one in session.participants])
    group_id = _at_place(group, [one.group_id for one in session.groups])
    return Event(
        _TYPES[type_],
        _CAUSES[cause],
        Author(actor, reason),
        Subject(participant_id, group_id, elapsed, remaining),
        None if late is None else session.updated_at + late,
        session,
    )


def encode_request(remembered: Remembered) -> bytes:
    """Return the bytes of a remembered request; its fingerprint has 16 bytes."""
    return _REQUEST.pack(*remembered)


@_refusing_foreign_bytes
def decode_request(encoded: bytes) -> Remembered:
    """Return a remembered request."""
    return Remembered(*_REQUEST.unpack(encoded))
