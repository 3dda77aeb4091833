"""How sessions and events are written in Redis: a compact, versioned binary encoding.

A session is a fixed head (layout, flags, epoch, version, change id), readable without the rest, and a msgpack
body. Ids take 16 bytes, instants are differences from the creation, groups are named by position. An event is a
short msgpack head before the bytes of the session after it, so that a session is encoded once per version.
"""

import struct
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, Final, ParamSpec, TypeVar

import msgspec.msgpack

from synckairos.application.ports import Head
from synckairos.domain.events import Author, Cause, Event, EventType, Subject
from synckairos.domain.model import UNTIMED, Clock, Group, Mode, OnExpire, Participant, Rules, Session, Status

LAYOUT: Final = 1

_HEAD: Final = struct.Struct(">BBQQ16s")
HEAD_BYTES: Final = _HEAD.size
_DELETED: Final = 1
_RECOVERED: Final = 2
_EVENT_HEAD: Final = struct.Struct(">H")
_REQUEST: Final = struct.Struct(">16sQ")


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
        except (struct.error, msgspec.DecodeError, TypeError, ValueError, IndexError) as error:
            raise UnknownLayoutError(f"these bytes are not what they should be: {error}") from error

    return read_or_refuse


@lru_cache(maxsize=65_536)
def pack_id(text: str) -> bytes:
    """Return the 16 bytes of a UUID's text."""
    return bytes.fromhex(text.replace("-", ""))


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
    head = _HEAD.pack(LAYOUT, flags, session.epoch, session.version, pack_id(session.change_id))
    return head + msgspec.msgpack.encode(_body(session))


def _body(session: Session) -> tuple[Any, ...]:
    born = session.created_at
    groups = {group.group_id: position for position, group in enumerate(session.groups)}
    return (
        born,
        tuple(session.rules),
        session.status,
        session.updated_at - born,
        [
            (
                pack_id(p.participant_id),
                p.participant_index,
                groups.get(p.group_id or ""),
                _clock(p.clock),
                p.cycle_count,
                p.metadata,
            )
            for p in session.participants
        ],
        [(pack_id(group.group_id), _clock(group.clock), group.last_index) for group in session.groups],
        _clock(session.clock),
        session.active,
        _pack_optional(session.first_participant_id),
        _pack_optional(session.expired_participant_id),
        _pack_optional(session.expired_group_id),
        _pack_optional(session.winner_participant_id),
        _pack_optional(session.winner_group_id),
        session.cycle_number,
        session.carried_ms,
        session.charged_ms,
        *(None if at is None else at - born for at in _instants(session)),
        session.metadata,
        session.labels,
    )


def _instants(session: Session) -> tuple[int | None, ...]:
    return session.started_at, session.cycle_started_at, session.resumed_at, session.paused_at, session.completed_at


def _clock(clock: Clock) -> int | tuple[int | None, ...]:
    """An untimed clock is its use alone."""
    if clock.bank_ms is None:
        return clock.used_ms
    return clock.allotted_ms, clock.bank_ms, clock.used_ms, clock.overtime_ms, clock.is_expired | clock.in_overtime << 1


def _read_clock(raw: Any) -> Clock:  # noqa: ANN401 - a decoded msgpack value
    if isinstance(raw, int):
        return UNTIMED if raw == 0 else Clock(None, None, raw)
    allotted, bank, used, overtime, flags = raw
    return Clock(allotted, bank, used, overtime, bool(flags & 1), bool(flags & 2))


@_refusing_foreign_bytes
def decode_head(encoded: bytes) -> Head:
    """Return what identifies the version; the first HEAD_BYTES bytes are enough."""
    layout, _flags, epoch, version, change_id = _HEAD.unpack_from(encoded)
    if layout != LAYOUT:
        raise UnknownLayoutError(f"layout {layout} is not {LAYOUT}")
    return Head(epoch, version, unpack_id(change_id))


@_refusing_foreign_bytes
def decode_session(session_id: str, encoded: bytes) -> Session:
    """Return the session; raises UnknownLayoutError if it was written in another layout."""
    layout, flags, epoch, version, change_id = _HEAD.unpack_from(encoded)
    if layout != LAYOUT:
        raise UnknownLayoutError(f"session {session_id}: layout {layout} is not {LAYOUT}")
    (
        born, rules, status, updated, participants, groups, clock, active, first, expired, expired_group, winner,
        winner_group, cycle_number, carried, charged, started, cycle_started, resumed, paused, completed, metadata,
        labels,
    ) = msgspec.msgpack.decode(memoryview(encoded)[HEAD_BYTES:])  # fmt: skip
    group_ids = [unpack_id(group[0]) for group in groups]
    return Session(
        session_id=session_id,
        epoch=epoch,
        version=version,
        change_id=unpack_id(change_id),
        rules=_read_rules(rules),
        status=Status(status),
        created_at=born,
        updated_at=born + updated,
        participants=tuple(
            Participant(
                unpack_id(raw[0]),
                raw[1],
                None if raw[2] is None else group_ids[raw[2]],
                _read_clock(raw[3]),
                raw[4],
                raw[5],
            )
            for raw in participants
        ),
        groups=tuple(
            Group(group_id, _read_clock(raw[1]), raw[2]) for group_id, raw in zip(group_ids, groups, strict=True)
        ),
        clock=_read_clock(clock),
        active=active,
        first_participant_id=_unpack_optional(first),
        expired_participant_id=_unpack_optional(expired),
        expired_group_id=_unpack_optional(expired_group),
        winner_participant_id=_unpack_optional(winner),
        winner_group_id=_unpack_optional(winner_group),
        cycle_number=cycle_number,
        carried_ms=carried,
        charged_ms=charged,
        started_at=None if started is None else born + started,
        cycle_started_at=None if cycle_started is None else born + cycle_started,
        resumed_at=None if resumed is None else born + resumed,
        paused_at=None if paused is None else born + paused,
        completed_at=None if completed is None else born + completed,
        metadata=metadata,
        labels=tuple((key, value) for key, value in labels),
        recovered=bool(flags & _RECOVERED),
        deleted=bool(flags & _DELETED),
    )


def _read_rules(raw: list[Any]) -> Rules:
    mode, on_expire, *numbers, thresholds = raw
    return Rules._make((Mode(mode), None if on_expire is None else OnExpire(on_expire), *numbers, tuple(thresholds)))


def encode_event(event: Event, session: bytes) -> bytes:
    """Return the event's bytes around the already encoded session after it."""
    subject = event.subject
    head = msgspec.msgpack.encode(
        (
            event.type,
            event.cause,
            event.author.actor,
            event.author.reason,
            _pack_optional(subject.participant_id),
            _pack_optional(subject.group_id),
            subject.elapsed_ms,
            subject.remaining_ms,
            None if event.fired_at is None else event.fired_at - event.session.updated_at,
        )
    )
    return _EVENT_HEAD.pack(len(head)) + head + session


@_refusing_foreign_bytes
def decode_event(session_id: str, encoded: bytes) -> Event:
    """Return the event; raises UnknownLayoutError if its session was written in another layout."""
    (size,) = _EVENT_HEAD.unpack_from(encoded)
    start = _EVENT_HEAD.size
    session = decode_session(session_id, encoded[start + size :])
    type_, cause, actor, reason, participant, group, elapsed, remaining, late = msgspec.msgpack.decode(
        memoryview(encoded)[start : start + size]
    )
    return Event(
        EventType(type_),
        Cause(cause),
        Author(actor, reason),
        Subject(_unpack_optional(participant), _unpack_optional(group), elapsed, remaining),
        None if late is None else session.updated_at + late,
        session,
    )


@_refusing_foreign_bytes
def event_head(encoded: bytes) -> Head:
    """Return what identifies the version an event leads to, without reading the rest."""
    (size,) = _EVENT_HEAD.unpack_from(encoded)
    start = _EVENT_HEAD.size + size
    return decode_head(encoded[start : start + HEAD_BYTES])


def encode_request(fingerprint: bytes, version: int) -> bytes:
    """Return what is remembered of an answered request: its 16-byte fingerprint and the version it led to."""
    return _REQUEST.pack(fingerprint, version)


def decode_request(encoded: bytes) -> tuple[bytes, int]:
    """Return the fingerprint and the version of a remembered request."""
    fingerprint, version = _REQUEST.unpack(encoded)
    return fingerprint, version
