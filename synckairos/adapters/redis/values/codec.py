"""How sessions and events are written in Redis: a compact, versioned binary encoding.

A session is a fixed head (layout, flags, epoch, version, change id), readable without the rest, and a msgpack
body. Ids take 16 bytes, or their position in the session where that has them; instants are differences from the
creation. Rows begin with what changes and end with what is rare: values left as they were born are left out at the
end. An event is such a row before the bytes of the session after it, so that a session is encoded once per version.
What layout 1 had no place for stands behind it in layout 2, and what that had none for in layout 3; each is written
only where there is such a thing.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from typing import Any, Final, ParamSpec, TypeVar

import msgspec.msgpack

from synckairos.adapters.redis.values import shapes
from synckairos.adapters.redis.values.clock_rows import (
    Places,
    clock_row,
    decode_control,
    full,
    has_limits,
    places_of,
    read_clock,
    read_rules,
    row,
    rules_row,
)
from synckairos.application.ports import Remembered
from synckairos.domain.controls.time_control import Settled, TimeControl
from synckairos.domain.events import Author, Cause, Event, EventType, Subject
from synckairos.domain.model import (
    Group,
    Head,
    Participant,
    Session,
    Status,
)
from synckairos.domain.tenancy import bare_id

LAYOUTS: Final = (1, 2, 3)

_HEAD: Final = struct.Struct(">BBQQ16s")
HEAD_BYTES: Final = _HEAD.size
_DELETED: Final = 1
_RECOVERED: Final = 2
_EVENT_HEAD: Final = struct.Struct(">H")
_REQUEST: Final = struct.Struct(">16sQQ")


# Looked up rather than called: an enum takes five times as long to find its member.
_STATUSES: Final = {status.value: status for status in Status}
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
    """Return the session's member of its tenant's live index: sorts by creation, then id."""
    return session.created_at.to_bytes(8, "big") + pack_id(bare_id(session.session_id))


@lru_cache(maxsize=65_536)
def unpack_id(raw: bytes) -> str:
    """Return the text of a UUID's 16 bytes."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _pack_optional(text: str | None) -> bytes | None:
    return pack_id(text) if text else None


def _unpack_optional(raw: bytes | None) -> str | None:
    return unpack_id(raw) if raw else None


def encode_session(session: Session) -> bytes:
    """Return the session's bytes."""
    flags = _DELETED * session.deleted | _RECOVERED * session.recovered
    controls, places = places_of(session)
    body = _body(session, places)
    later = _later(session, controls, places)
    body = row((*body, *later), _BODY) if later else row(body, _BODY)
    layout = 1 if len(body) <= _FIRST_LAYOUT else 2 if len(body) <= _SECOND_LAYOUT else 3
    head = _HEAD.pack(layout, flags, session.epoch, session.version, pack_id(session.change_id))
    return head + msgspec.msgpack.encode(body)


_FIRST_BODY: Final[tuple[Any, ...]] = (0, [], 0, [], 0, None, 0, 0, *[None] * 5, 0, [], *[None] * 5, None, [], 0)
_FIRST_LAYOUT: Final = len(_FIRST_BODY)
_NOTHING_LATER: Final = (0, False, None, None)
_SECOND_BODY: Final[tuple[Any, ...]] = (*_FIRST_BODY, 0, None, None, [], None, None, 0, False, *[None] * 4)
_SECOND_LAYOUT: Final = len(_SECOND_BODY)
_BODY: Final[tuple[Any, ...]] = (*_SECOND_BODY, None)


def _body(session: Session, places: Places) -> tuple[Any, ...]:
    born = session.created_at
    instants = (
        session.started_at, session.cycle_started_at, session.resumed_at, session.paused_at, session.completed_at
    )  # fmt: skip
    later = (session.called_at, session.ended_at)
    groups = {group.group_id: position for position, group in enumerate(session.groups)}
    return (
        session.status,
        rules_row(session.rules),
        session.updated_at - born,
        [_participant(participant, groups, places) for participant in session.participants],
        session.cycle_number,
        session.active,
        session.carried_ms,
        session.charged_ms,
        *(None if at is None else at - born for at in instants),
        clock_row(session.clock, places),
        [(pack_id(group.group_id), clock_row(group.clock, places), group.last_index) for group in session.groups],
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


def _later(session: Session, controls: list[bytes], places: Places) -> tuple[Any, ...]:
    """Return what came after the first rows of layout 2; nothing if there is nothing of it."""
    rules = session.rules
    if not controls and session[-4:] == _NOTHING_LATER and not has_limits(rules):
        return ()
    born = session.created_at
    instants = (rules.close_at, session.manual_at, session.real_at)
    return (
        controls,
        None if rules.time_control is None else places[id(rules.time_control)],
        rules.session_limit_ms,
        session.ran_ms,
        session.limit_passed,
        rules.soft_close,
        *(None if at is None else at - born for at in instants),
        rules.durability,
    )


_PARTICIPANT: Final = (b"", 0, 0, 0, None, None)


def _participant(participant: Participant, groups: Mapping[str, int], places: Places) -> tuple[Any, ...]:
    id_, index, group_id, clock, cycle_count, metadata = participant
    values = pack_id(id_), index, clock_row(clock, places), cycle_count, groups.get(group_id or ""), metadata
    return row(values, _PARTICIPANT)


def _read_participant(raw: Sequence[Any], group_ids: Sequence[str], controls: Sequence[TimeControl]) -> Participant:
    id_, index, clock, cycle_count, group, metadata = full(raw, _PARTICIPANT)
    group_id = None if group is None else group_ids[group]
    return Participant(unpack_id(id_), index, group_id, read_clock(clock, controls), cycle_count, metadata)


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
        later, idle_ttl, called, ended, packed_controls, default, limit, ran, limit_passed, soft_close, close_at,
        manual, real, durability,
    ) = full(msgspec.msgpack.decode(body), _BODY)  # fmt: skip
    born = epoch // 1_000 + later
    group_ids = [unpack_id(group[0]) for group in groups]
    controls = [decode_control(control) for control in packed_controls]
    # By position: with 28 names the call would take twice as long.
    return Session(
        session_id,
        epoch,
        version,
        unpack_id(change_id),
        read_rules(
            rules,
            limit,
            None if close_at is None else born + close_at,
            soft_close,
            None if default is None else controls[default],
            durability,
        ),
        _STATUSES[status],
        born,
        born + updated,
        tuple([_read_participant(one, group_ids, controls) for one in participants]),
        tuple(
            [Group(id_, read_clock(raw, controls), last) for id_, (_, raw, last) in zip(group_ids, groups, strict=True)]
        ),
        read_clock(clock, controls),
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
        ran,
        limit_passed,
        None if manual is None else born + manual,
        None if real is None else born + real,
    )


_EVENT: Final = (0, 0, None, None, 0, None, "", "", None, None, 0, 0, "")
_TURN: Final = tuple(Settled())


def encode_event(event: Event, session: bytes) -> bytes:
    """Return the event's bytes around the already encoded session after it."""
    after, subject = event.session, event.subject
    values = (
        event.type,
        event.cause,
        _place(subject.participant_id, [one.participant_id for one in after.participants]),
        subject.remaining_ms,
        subject.elapsed_ms,
        None if event.fired_at is None else event.fired_at - after.updated_at,
        event.author.actor,
        event.author.reason,
        _place(subject.group_id, [one.group_id for one in after.groups]),
        None if event.turn is None else row(event.turn, _TURN),
        event.extended_ms,
        event.advanced_ms,
        event.author.on_behalf_of,
    )
    head = msgspec.msgpack.encode(row(values, _EVENT))
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
    raw = memoryview(encoded)[start : start + size]
    shapes.require_event(raw)
    (
        type_, cause, participant, remaining, elapsed, late, actor, reason, group, turn, extended, advanced, behalf
    ) = full(msgspec.msgpack.decode(raw), _EVENT)  # fmt: skip
    participant_id = _at_place(participant, [one.participant_id for one in session.participants])
    group_id = _at_place(group, [one.group_id for one in session.groups])
    return Event(
        _TYPES[type_],
        _CAUSES[cause],
        Author(actor, reason, behalf),
        Subject(participant_id, group_id, elapsed, remaining),
        None if late is None else session.updated_at + late,
        session,
        None if turn is None else Settled(*turn),
        extended,
        advanced,
    )


def encode_request(remembered: Remembered) -> bytes:
    """Return the bytes of a remembered request; its fingerprint has 16 bytes."""
    return _REQUEST.pack(*remembered)


@_refusing_foreign_bytes
def decode_request(encoded: bytes) -> Remembered:
    """Return a remembered request."""
    return Remembered(*_REQUEST.unpack(encoded))
