"""What the JSON of a session must look like when it comes from a file: every field's type and bounds.

The trail's own snapshots are read without all this; a line that somebody has edited is not trusted like them.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from msgspec import Meta

from synckairos.adapters.postgres.trail.snapshot import LAYOUT, decode_session
from synckairos.domain.model import Session

MAX_INT64: Final = 2**63 - 1
MAX_INSTANT_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999, which is as far as a database's instants are read back."""

Uuid = Annotated[str, Meta(pattern=r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")]
Instant = Annotated[int, Meta(ge=0, le=MAX_INSTANT_MS)]
Count = Annotated[int, Meta(ge=0, le=MAX_INT64)]
Ordinal = Annotated[int, Meta(ge=1, le=MAX_INT64)]
Text = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z")]


class FieldError(Exception):
    """A field is not what it should be; `path` as in `session.participants[2].clock.used_ms`, empty for the whole."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


class _Strict(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    pass


class _Clock(_Strict):
    used_ms: Count
    allotted_ms: Count | None = None
    bank_ms: Count | None = None
    overtime_ms: Count = 0
    is_expired: bool = False
    in_overtime: bool = False


class _Participant(_Strict):
    participant_id: Uuid
    participant_index: Count
    cycle_count: Count
    group_id: Uuid | None = None
    clock: _Clock | None = None
    metadata_base64: str | None = None


class _Group(_Strict):
    group_id: Uuid
    clock: _Clock
    last_index: Annotated[int, Meta(ge=-1, le=MAX_INT64)]


class _Rules(_Strict):
    mode: Literal["per_participant", "per_cycle", "per_group", "global", "count_up"]
    on_expire: Literal["end_session", "eliminate", "advance", "notify"] | None = None
    total_time_ms: Count | None = None
    time_per_cycle_ms: Count | None = None
    increment_ms: Count = 0
    max_time_ms: Count | None = None
    max_cycles: Count | None = None
    warning_thresholds_ms: list[Count] = []


class _Snapshot(_Strict):
    layout: Annotated[int, Meta(ge=LAYOUT, le=LAYOUT)]
    session_id: Uuid
    epoch: Count
    version: Ordinal
    change_id: Uuid
    status: Literal["pending", "running", "paused", "expired", "completed", "cancelled"]
    rules: _Rules
    created_at: Instant
    updated_at: Instant
    participants: list[_Participant]
    groups: list[_Group] = []
    clock: _Clock | None = None
    active: Count | None = None
    first_participant_id: Uuid | None = None
    expired_participant_id: Uuid | None = None
    expired_group_id: Uuid | None = None
    winner_participant_id: Uuid | None = None
    winner_group_id: Uuid | None = None
    cycle_number: Count = 0
    carried_ms: Count = 0
    charged_ms: Count = 0
    started_at: Instant | None = None
    cycle_started_at: Instant | None = None
    resumed_at: Instant | None = None
    paused_at: Instant | None = None
    completed_at: Instant | None = None
    metadata_base64: str | None = None
    labels: list[tuple[Text, Text]] = []
    recovered: bool = False
    deleted: bool = False


_DECODER: Final = msgspec.json.Decoder(_Snapshot)


def checked_session(path: str, text: bytes) -> Session:
    """Return the session of a snapshot that stands at `path`; raises FieldError."""
    snapshot = checked(path, _DECODER, text)
    for place, problem in _loose_ends(snapshot):
        raise FieldError(f"{path}.{place}", problem)
    return decode_session(text)


def checked(path: str, decoder: "msgspec.json.Decoder[Any]", text: bytes) -> Any:  # noqa: ANN401 - what the decoder makes
    """Return what a typed decoder makes of a text that stands at `path`; raises FieldError."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, _, place = str(error).partition(" - at `$")
        raise FieldError((path + place.rstrip("`")).lstrip("."), problem) from error


def _loose_ends(snapshot: _Snapshot) -> Iterator[tuple[str, str]]:
    """Yield what refers to nothing, or cannot be read."""
    if snapshot.active is not None and snapshot.active >= len(snapshot.participants):
        yield "active", f"there is no participant {snapshot.active}"
    groups = {group.group_id for group in snapshot.groups}
    if not _is_struct(snapshot.metadata_base64):
        yield "metadata_base64", "is not a google.protobuf.Struct in base64"
    seen: set[str] = set()
    for place, participant in enumerate(snapshot.participants):
        if participant.participant_id in seen:
            yield f"participants[{place}].participant_id", "is there twice"
        seen.add(participant.participant_id)
        if participant.group_id is not None and participant.group_id not in groups:
            yield f"participants[{place}].group_id", "is not one of the session's groups"
        if not _is_struct(participant.metadata_base64):
            yield f"participants[{place}].metadata_base64", "is not a google.protobuf.Struct in base64"


def _is_struct(text: str | None) -> bool:
    if text is None:
        return True
    try:
        Struct.FromString(b64decode(text, validate=True))
    except (Base64Error, ValueError, DecodeError):
        return False
    return True
