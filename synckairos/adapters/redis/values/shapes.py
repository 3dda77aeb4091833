"""The shape of what is written in Redis: the types and ranges without which a decoded session cannot be used.

msgspec checks it while it reads, in a tenth of the time it takes to build a session. A row may have more values than
are named here: a later layout adds them at the end.
"""

from functools import lru_cache
from typing import Annotated, Final, TypeAlias

import msgspec
from google.protobuf.struct_pb2 import Struct
from msgspec import Meta

from synckairos.domain.controls.time_control import MAX_STAGES
from synckairos.domain.model import MAX_REPLICAS

MOST: Final = 1 << 60
"""Sums of a few such numbers still fit the 64 bits of Redis and of the contract."""
MOST_OF_CLOCK: Final = 1 << 40
"""Parts of clocks are multiplied, by periods or points, before they are summed."""
MOST_PERIODS: Final = 1_000
MOST_CONTROL_BYTES: Final = 1_024
"""Twice of what a control of all stages takes."""

_Number: TypeAlias = Annotated[int, Meta(ge=-MOST, le=MOST)]
_Index: TypeAlias = Annotated[int, Meta(ge=-1, le=(1 << 31) - 1)]
_Amount: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_OF_CLOCK)]
_Duration: TypeAlias = Annotated[int, Meta(ge=0, le=MOST)]
_Ordinal: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 31)]
_Position: TypeAlias = Annotated[int, Meta(ge=0)]
_Id: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=16)]


class _Row(msgspec.Struct, array_like=True, gc=False):
    """A row whose last values may be left out."""


class _Clock(_Row):
    allotted: _Number = 0
    gone: _Number = 0
    used: _Number = 0
    overtime: _Number = 0
    flags: _Number = 0
    control: _Position | None = None
    stage: _Position = 0
    stage_turns: _Amount = 0
    turns_made: _Ordinal = 0
    periods: Annotated[int, Meta(ge=0, le=MOST_PERIODS)] = 0
    extra: Annotated[int, Meta(ge=-MOST_OF_CLOCK, le=MOST_OF_CLOCK)] = 0
    block: _Amount = 0
    block_turns: _Ordinal = 0
    lag_quota: _Amount = 0
    open: _Duration = 0
    burnt: _Ordinal = 0


class _Participant(_Row):
    participant_id: _Id
    index: _Index = 0
    clock: _Number | _Clock = 0
    cycle_count: _Number = 0
    group: _Position | None = None
    metadata: bytes | None = None


class _Rules(_Row):
    mode: int = 0
    on_expire: int | None = None
    thresholds: list[_Number] = []
    increment: _Number = 0
    total: _Number | None = None
    per_cycle: Annotated[int, Meta(ge=1, le=MOST)] | None = None
    cap: _Number | None = None
    cycles: _Number | None = None


class _Stage(_Row):
    base: _Amount = 0
    turns: _Amount = 0
    family: _Position = 0
    parameters: list[_Amount | bool] = []


class _Control(_Row):
    stages: Annotated[list[_Stage], Meta(min_length=1, max_length=MAX_STAGES)] = []
    turn_limit: _Amount = 0
    free_turns: _Amount = 0
    free_limit: _Amount = 0
    lag: tuple[_Amount, _Amount, _Amount, _Amount] | None = None


class _Body(_Row):
    status: int = 0
    rules: _Rules = msgspec.field(default_factory=_Rules)
    updated: _Number = 0
    participants: list[_Participant] = []
    cycle_number: _Number = 0
    active: _Position | None = None
    carried: _Number = 0
    charged: _Number = 0
    started: _Number | None = None
    cycle_started: _Number | None = None
    resumed: _Number | None = None
    paused: _Number | None = None
    completed: _Number | None = None
    clock: _Number | _Clock = 0
    groups: list[tuple[_Id, _Number | _Clock, _Index]] = []
    first: _Id | None = None
    expired: _Id | None = None
    expired_group: _Id | None = None
    winner: _Id | None = None
    winner_group: _Id | None = None
    metadata: bytes | None = None
    labels: list[tuple[str, str]] = []
    later: _Number = 0
    idle_ttl: Annotated[int, Meta(ge=0, le=MOST)] = 0
    called: _Number | None = None
    ended: _Number | None = None
    controls: list[Annotated[bytes, Meta(max_length=MOST_CONTROL_BYTES)]] = []
    control: _Position | None = None
    limit: _Amount | None = None
    ran: _Amount = 0
    limit_passed: bool = False
    soft_close: tuple[_Amount, _Amount, int, _Amount] | None = None
    close: _Number | None = None
    manual: _Number | None = None
    real: _Number | None = None
    durability: tuple[int, Annotated[int, Meta(ge=0, le=MAX_REPLICAS)]] | None = None


class _Turn(_Row):
    spent: _Number = 0
    granted: _Number = 0
    credited: _Number = 0
    burnt: _Ordinal = 0
    stage: _Ordinal = 0


class _Event(_Row):
    type: int = 0
    cause: int = 0
    participant: _Id | _Position | None = None
    remaining: _Number | None = None
    elapsed: _Number = 0
    late: _Number | None = None
    actor: str = ""
    reason: str = ""
    group: _Id | _Position | None = None
    turn: _Turn | None = None
    extended: _Number = 0
    advanced: _Number = 0
    behalf: str = ""


_BODIES: Final = msgspec.msgpack.Decoder(_Body)

require_event: Final = msgspec.msgpack.Decoder(_Event).decode
"""Raises ValueError unless the msgpack row of an event can be used; its positions are looked up later."""
require_control: Final = msgspec.msgpack.Decoder(_Control).decode
"""Raises ValueError unless the msgpack bytes of a time control are made of what one is made of."""


def require_session(version: int, body: memoryview) -> None:
    """Raise ValueError, LookupError or DecodeError unless a session's version and msgpack body can be used."""
    if version > MOST:
        raise ValueError(f"version {version} is out of range")
    read = _BODIES.decode(body)
    if read.active is not None:
        read.participants[read.active]
    for metadata in (read.metadata, *[participant.metadata for participant in read.participants]):
        if metadata is not None:
            _require_struct(metadata)


@lru_cache(maxsize=4_096)
def _require_struct(metadata: bytes) -> None:
    """Raise DecodeError unless these bytes are a Struct's; it changes seldom, and is remembered."""
    Struct.FromString(metadata)
