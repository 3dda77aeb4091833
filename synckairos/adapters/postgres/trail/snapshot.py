"""How a session's facts are written in the audit trail: JSON, named as in the model, and without loss.

Values left as they were born are left out. Labels are pairs, because a JSONB object keeps no order. Metadata are the
base64 of their bytes: two encodings of one protobuf Struct are equal in JSON but not in bytes, and what recovery
brings back has to be what was stored. For people and queries the trail has them readable in columns of their own.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any, Final

import msgspec.json

from synckairos.domain.model import UNTIMED, Clock, Group, Mode, OnExpire, Participant, Rules, Session, Status

LAYOUT: Final = 1
METADATA: Final = "metadata_base64"

MODE_NAMES: Final = {mode: mode.name.lower() for mode in Mode}
STATUS_NAMES: Final = {status: status.name.lower() for status in Status}
_END_NAMES: Final = {end: end.name.lower() for end in OnExpire}
MODES: Final = {name: mode for mode, name in MODE_NAMES.items()}
STATUSES: Final = {name: status for status, name in STATUS_NAMES.items()}
_ENDS: Final = {name: end for end, name in _END_NAMES.items()}

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(dict[str, Any])

_PLAIN: Final = (
    "active",
    "first_participant_id",
    "expired_participant_id",
    "expired_group_id",
    "winner_participant_id",
    "winner_group_id",
    "cycle_number",
    "carried_ms",
    "charged_ms",
    "started_at",
    "cycle_started_at",
    "resumed_at",
    "paused_at",
    "completed_at",
    "recovered",
    "deleted",
)
"""Fields of a session that are in JSON what they are in the model."""
_PLAIN_AT: Final = tuple((name, Session._fields.index(name), Session._field_defaults[name]) for name in _PLAIN)


class UnreadableSnapshotError(Exception):
    """The JSON was written by a newer version, or is no session at all."""


def encode_session(session: Session) -> str:
    """Return the session's JSON, an object."""
    written: dict[str, Any] = {
        "layout": LAYOUT,
        "session_id": session.session_id,
        "epoch": session.epoch,
        "version": session.version,
        "change_id": session.change_id,
        "status": STATUS_NAMES[session.status],
        "rules": _rules(session.rules),
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "participants": [_participant(participant) for participant in session.participants],
    }
    for name, place, born in _PLAIN_AT:
        value = session[place]
        if value != born:
            written[name] = value
    if session.groups:
        written["groups"] = [_group(group) for group in session.groups]
    if session.clock != UNTIMED:
        written["clock"] = _clock(session.clock)
    if session.metadata is not None:
        written[METADATA] = b64encode(session.metadata).decode()
    if session.labels:
        written["labels"] = session.labels
    return _ENCODER.encode(written).decode()


def decode_session(text: str | bytes) -> Session:
    """Return the session; raises UnreadableSnapshotError."""
    try:
        return _read(_DECODER.decode(text))
    except (msgspec.DecodeError, Base64Error, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableSnapshotError(f"this snapshot is not what it should be: {error!r}") from error


def _read(raw: dict[str, Any]) -> Session:
    if raw["layout"] != LAYOUT:
        raise UnreadableSnapshotError(f"session {raw['session_id']}: layout {raw['layout']} is not {LAYOUT}")
    return Session(
        session_id=raw["session_id"],
        epoch=raw["epoch"],
        version=raw["version"],
        change_id=raw["change_id"],
        rules=_read_rules(raw["rules"]),
        status=STATUSES[raw["status"]],
        created_at=raw["created_at"],
        updated_at=raw["updated_at"],
        participants=tuple([_read_participant(one) for one in raw["participants"]]),
        groups=tuple([_read_group(one) for one in raw.get("groups", ())]),
        clock=_read_clock(raw.get("clock")),
        metadata=_read_metadata(raw),
        labels=tuple([(key, value) for key, value in raw.get("labels", ())]),
        **{name: raw[name] for name in _PLAIN if name in raw},
    )


def _rules(rules: Rules) -> dict[str, Any]:
    mode, on_expire, total, per_cycle, increment, cap, cycles, thresholds = rules
    written: dict[str, Any] = {"mode": MODE_NAMES[mode]}
    if on_expire is not None:
        written["on_expire"] = _END_NAMES[on_expire]
    if total is not None:
        written["total_time_ms"] = total
    if per_cycle is not None:
        written["time_per_cycle_ms"] = per_cycle
    if increment:
        written["increment_ms"] = increment
    if cap is not None:
        written["max_time_ms"] = cap
    if cycles is not None:
        written["max_cycles"] = cycles
    if thresholds:
        written["warning_thresholds_ms"] = thresholds
    return written


def _read_rules(raw: dict[str, Any]) -> Rules:
    end = raw.get("on_expire")
    return Rules(
        MODES[raw["mode"]],
        None if end is None else _ENDS[end],
        raw.get("total_time_ms"),
        raw.get("time_per_cycle_ms"),
        raw.get("increment_ms", 0),
        raw.get("max_time_ms"),
        raw.get("max_cycles"),
        tuple(raw.get("warning_thresholds_ms", ())),
    )


def _clock(clock: Clock) -> dict[str, Any]:
    allotted, bank, used, overtime, is_expired, in_overtime = clock
    written: dict[str, Any] = {"used_ms": used}
    if allotted is not None:
        written["allotted_ms"] = allotted
    if bank is not None:
        written["bank_ms"] = bank
    if overtime:
        written["overtime_ms"] = overtime
    if is_expired:
        written["is_expired"] = True
    if in_overtime:
        written["in_overtime"] = True
    return written


def _read_clock(raw: dict[str, Any] | None) -> Clock:
    if raw is None:
        return UNTIMED
    return Clock(
        raw.get("allotted_ms"),
        raw.get("bank_ms"),
        raw["used_ms"],
        raw.get("overtime_ms", 0),
        raw.get("is_expired", False),
        raw.get("in_overtime", False),
    )


def _participant(participant: Participant) -> dict[str, Any]:
    id_, index, group_id, clock, cycle_count, metadata = participant
    written: dict[str, Any] = {"participant_id": id_, "participant_index": index, "cycle_count": cycle_count}
    if group_id is not None:
        written["group_id"] = group_id
    if clock != UNTIMED:
        written["clock"] = _clock(clock)
    if metadata is not None:
        written[METADATA] = b64encode(metadata).decode()
    return written


def _read_participant(raw: dict[str, Any]) -> Participant:
    return Participant(
        raw["participant_id"],
        raw["participant_index"],
        raw.get("group_id"),
        _read_clock(raw.get("clock")),
        raw["cycle_count"],
        _read_metadata(raw),
    )


def _group(group: Group) -> dict[str, Any]:
    return {"group_id": group.group_id, "clock": _clock(group.clock), "last_index": group.last_index}


def _read_group(raw: dict[str, Any]) -> Group:
    return Group(raw["group_id"], _read_clock(raw["clock"]), raw["last_index"])


def _read_metadata(raw: dict[str, Any]) -> bytes | None:
    text = raw.get(METADATA)
    return None if text is None else b64decode(text, validate=True)
