import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_PER_PARTICIPANT: _ClassVar[Mode]
    MODE_PER_CYCLE: _ClassVar[Mode]
    MODE_PER_GROUP: _ClassVar[Mode]
    MODE_GLOBAL: _ClassVar[Mode]
    MODE_COUNT_UP: _ClassVar[Mode]

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNSPECIFIED: _ClassVar[Status]
    STATUS_PENDING: _ClassVar[Status]
    STATUS_RUNNING: _ClassVar[Status]
    STATUS_PAUSED: _ClassVar[Status]
    STATUS_EXPIRED: _ClassVar[Status]
    STATUS_COMPLETED: _ClassVar[Status]
    STATUS_CANCELLED: _ClassVar[Status]

class OnExpire(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_EXPIRE_UNSPECIFIED: _ClassVar[OnExpire]
    ON_EXPIRE_END_SESSION: _ClassVar[OnExpire]
    ON_EXPIRE_ELIMINATE: _ClassVar[OnExpire]
    ON_EXPIRE_ADVANCE: _ClassVar[OnExpire]
    ON_EXPIRE_NOTIFY: _ClassVar[OnExpire]
MODE_UNSPECIFIED: Mode
MODE_PER_PARTICIPANT: Mode
MODE_PER_CYCLE: Mode
MODE_PER_GROUP: Mode
MODE_GLOBAL: Mode
MODE_COUNT_UP: Mode
STATUS_UNSPECIFIED: Status
STATUS_PENDING: Status
STATUS_RUNNING: Status
STATUS_PAUSED: Status
STATUS_EXPIRED: Status
STATUS_COMPLETED: Status
STATUS_CANCELLED: Status
ON_EXPIRE_UNSPECIFIED: OnExpire
ON_EXPIRE_END_SESSION: OnExpire
ON_EXPIRE_ELIMINATE: OnExpire
ON_EXPIRE_ADVANCE: OnExpire
ON_EXPIRE_NOTIFY: OnExpire

class ParticipantSpec(_message.Message):
    __slots__ = ("participant_id", "participant_index", "total_time_ms", "group_id", "metadata")
    PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    participant_id: str
    participant_index: int
    total_time_ms: int
    group_id: str
    metadata: _struct_pb2.Struct
    def __init__(self, participant_id: _Optional[str] = ..., participant_index: _Optional[int] = ..., total_time_ms: _Optional[int] = ..., group_id: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class GroupSpec(_message.Message):
    __slots__ = ("group_id", "total_time_ms")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    total_time_ms: int
    def __init__(self, group_id: _Optional[str] = ..., total_time_ms: _Optional[int] = ...) -> None: ...

class Participant(_message.Message):
    __slots__ = ("participant_id", "participant_index", "total_time_ms", "time_used_ms", "time_remaining_ms", "overtime_ms", "cycle_count", "is_active", "has_expired", "group_id", "metadata")
    PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TIME_USED_MS_FIELD_NUMBER: _ClassVar[int]
    TIME_REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    OVERTIME_MS_FIELD_NUMBER: _ClassVar[int]
    CYCLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    HAS_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    participant_id: str
    participant_index: int
    total_time_ms: int
    time_used_ms: int
    time_remaining_ms: int
    overtime_ms: int
    cycle_count: int
    is_active: bool
    has_expired: bool
    group_id: str
    metadata: _struct_pb2.Struct
    def __init__(self, participant_id: _Optional[str] = ..., participant_index: _Optional[int] = ..., total_time_ms: _Optional[int] = ..., time_used_ms: _Optional[int] = ..., time_remaining_ms: _Optional[int] = ..., overtime_ms: _Optional[int] = ..., cycle_count: _Optional[int] = ..., is_active: _Optional[bool] = ..., has_expired: _Optional[bool] = ..., group_id: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("group_id", "total_time_ms", "time_used_ms", "time_remaining_ms", "overtime_ms", "is_active", "has_expired")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TIME_USED_MS_FIELD_NUMBER: _ClassVar[int]
    TIME_REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    OVERTIME_MS_FIELD_NUMBER: _ClassVar[int]
    IS_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    HAS_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    total_time_ms: int
    time_used_ms: int
    time_remaining_ms: int
    overtime_ms: int
    is_active: bool
    has_expired: bool
    def __init__(self, group_id: _Optional[str] = ..., total_time_ms: _Optional[int] = ..., time_used_ms: _Optional[int] = ..., time_remaining_ms: _Optional[int] = ..., overtime_ms: _Optional[int] = ..., is_active: _Optional[bool] = ..., has_expired: _Optional[bool] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("session_id", "mode", "status", "version", "epoch", "participants", "groups", "active_participant_id", "active_group_id", "expired_participant_id", "expired_group_id", "winner_participant_id", "winner_group_id", "cycle_number", "time_per_cycle_ms", "cycle_remaining_ms", "elapsed_ms", "remaining_ms", "overtime_ms", "increment_ms", "max_time_ms", "max_cycles", "on_expire", "warning_thresholds_ms", "created_at", "started_at", "cycle_started_at", "deadline_at", "paused_at", "completed_at", "updated_at", "metadata", "labels", "recovered", "total_time_ms", "first_participant_id")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    WINNER_PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    WINNER_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CYCLE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TIME_PER_CYCLE_MS_FIELD_NUMBER: _ClassVar[int]
    CYCLE_REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    OVERTIME_MS_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_CYCLES_FIELD_NUMBER: _ClassVar[int]
    ON_EXPIRE_FIELD_NUMBER: _ClassVar[int]
    WARNING_THRESHOLDS_MS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    CYCLE_STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_AT_FIELD_NUMBER: _ClassVar[int]
    PAUSED_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    mode: Mode
    status: Status
    version: int
    epoch: int
    participants: _containers.RepeatedCompositeFieldContainer[Participant]
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    active_participant_id: str
    active_group_id: str
    expired_participant_id: str
    expired_group_id: str
    winner_participant_id: str
    winner_group_id: str
    cycle_number: int
    time_per_cycle_ms: int
    cycle_remaining_ms: int
    elapsed_ms: int
    remaining_ms: int
    overtime_ms: int
    increment_ms: int
    max_time_ms: int
    max_cycles: int
    on_expire: OnExpire
    warning_thresholds_ms: _containers.RepeatedScalarFieldContainer[int]
    created_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    cycle_started_at: _timestamp_pb2.Timestamp
    deadline_at: _timestamp_pb2.Timestamp
    paused_at: _timestamp_pb2.Timestamp
    completed_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    metadata: _struct_pb2.Struct
    labels: _containers.ScalarMap[str, str]
    recovered: bool
    total_time_ms: int
    first_participant_id: str
    def __init__(self, session_id: _Optional[str] = ..., mode: _Optional[_Union[Mode, str]] = ..., status: _Optional[_Union[Status, str]] = ..., version: _Optional[int] = ..., epoch: _Optional[int] = ..., participants: _Optional[_Iterable[_Union[Participant, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., active_participant_id: _Optional[str] = ..., active_group_id: _Optional[str] = ..., expired_participant_id: _Optional[str] = ..., expired_group_id: _Optional[str] = ..., winner_participant_id: _Optional[str] = ..., winner_group_id: _Optional[str] = ..., cycle_number: _Optional[int] = ..., time_per_cycle_ms: _Optional[int] = ..., cycle_remaining_ms: _Optional[int] = ..., elapsed_ms: _Optional[int] = ..., remaining_ms: _Optional[int] = ..., overtime_ms: _Optional[int] = ..., increment_ms: _Optional[int] = ..., max_time_ms: _Optional[int] = ..., max_cycles: _Optional[int] = ..., on_expire: _Optional[_Union[OnExpire, str]] = ..., warning_thresholds_ms: _Optional[_Iterable[int]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cycle_started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deadline_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., paused_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., completed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., recovered: _Optional[bool] = ..., total_time_ms: _Optional[int] = ..., first_participant_id: _Optional[str] = ...) -> None: ...
