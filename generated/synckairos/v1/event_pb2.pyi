import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from synckairos.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_CREATED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_STARTED: _ClassVar[EventType]
    EVENT_TYPE_CYCLE_SWITCHED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_PAUSED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_RESUMED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_COMPLETED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_CANCELLED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_EXPIRED: _ClassVar[EventType]
    EVENT_TYPE_PARTICIPANT_EXPIRED: _ClassVar[EventType]
    EVENT_TYPE_OVERTIME_STARTED: _ClassVar[EventType]
    EVENT_TYPE_PARTICIPANT_ADDED: _ClassVar[EventType]
    EVENT_TYPE_PARTICIPANT_REMOVED: _ClassVar[EventType]
    EVENT_TYPE_TIME_ADJUSTED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_UPDATED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_DELETED: _ClassVar[EventType]
    EVENT_TYPE_SESSION_RECOVERED: _ClassVar[EventType]

class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAUSE_UNSPECIFIED: _ClassVar[Cause]
    CAUSE_CALL: _ClassVar[Cause]
    CAUSE_DEADLINE: _ClassVar[Cause]
    CAUSE_IDLE: _ClassVar[Cause]
    CAUSE_MAX_AGE: _ClassVar[Cause]
    CAUSE_RECOVERY: _ClassVar[Cause]

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_WINDOW_PASSED: _ClassVar[GapReason]
    GAP_REASON_EPOCH_CHANGED: _ClassVar[GapReason]
    GAP_REASON_FORKED: _ClassVar[GapReason]
    GAP_REASON_SLOW_READER: _ClassVar[GapReason]

class EndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_REASON_UNSPECIFIED: _ClassVar[EndReason]
    END_REASON_TERMINAL: _ClassVar[EndReason]
    END_REASON_DELETED: _ClassVar[EndReason]
    END_REASON_DRAINING: _ClassVar[EndReason]
    END_REASON_NOT_FOUND: _ClassVar[EndReason]
EVENT_TYPE_UNSPECIFIED: EventType
EVENT_TYPE_SESSION_CREATED: EventType
EVENT_TYPE_SESSION_STARTED: EventType
EVENT_TYPE_CYCLE_SWITCHED: EventType
EVENT_TYPE_SESSION_PAUSED: EventType
EVENT_TYPE_SESSION_RESUMED: EventType
EVENT_TYPE_SESSION_COMPLETED: EventType
EVENT_TYPE_SESSION_CANCELLED: EventType
EVENT_TYPE_SESSION_EXPIRED: EventType
EVENT_TYPE_PARTICIPANT_EXPIRED: EventType
EVENT_TYPE_OVERTIME_STARTED: EventType
EVENT_TYPE_PARTICIPANT_ADDED: EventType
EVENT_TYPE_PARTICIPANT_REMOVED: EventType
EVENT_TYPE_TIME_ADJUSTED: EventType
EVENT_TYPE_SESSION_UPDATED: EventType
EVENT_TYPE_SESSION_DELETED: EventType
EVENT_TYPE_SESSION_RECOVERED: EventType
CAUSE_UNSPECIFIED: Cause
CAUSE_CALL: Cause
CAUSE_DEADLINE: Cause
CAUSE_IDLE: Cause
CAUSE_MAX_AGE: Cause
CAUSE_RECOVERY: Cause
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_WINDOW_PASSED: GapReason
GAP_REASON_EPOCH_CHANGED: GapReason
GAP_REASON_FORKED: GapReason
GAP_REASON_SLOW_READER: GapReason
END_REASON_UNSPECIFIED: EndReason
END_REASON_TERMINAL: EndReason
END_REASON_DELETED: EndReason
END_REASON_DRAINING: EndReason
END_REASON_NOT_FOUND: EndReason

class Event(_message.Message):
    __slots__ = ("type", "cause", "actor", "reason", "change_id", "occurred_at", "fired_at", "participant_id", "group_id", "time_elapsed_ms", "time_remaining_ms", "session")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    FIRED_AT_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    TIME_REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    type: EventType
    cause: Cause
    actor: str
    reason: str
    change_id: str
    occurred_at: _timestamp_pb2.Timestamp
    fired_at: _timestamp_pb2.Timestamp
    participant_id: str
    group_id: str
    time_elapsed_ms: int
    time_remaining_ms: int
    session: _session_pb2.Session
    def __init__(self, type: _Optional[_Union[EventType, str]] = ..., cause: _Optional[_Union[Cause, str]] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., change_id: _Optional[str] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fired_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., participant_id: _Optional[str] = ..., group_id: _Optional[str] = ..., time_elapsed_ms: _Optional[int] = ..., time_remaining_ms: _Optional[int] = ..., session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class Tick(_message.Message):
    __slots__ = ("elapsed_ms", "remaining_ms", "overtime_ms", "active_participant_id", "active_group_id", "cycle_number")
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    OVERTIME_MS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CYCLE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    elapsed_ms: int
    remaining_ms: int
    overtime_ms: int
    active_participant_id: str
    active_group_id: str
    cycle_number: int
    def __init__(self, elapsed_ms: _Optional[int] = ..., remaining_ms: _Optional[int] = ..., overtime_ms: _Optional[int] = ..., active_participant_id: _Optional[str] = ..., active_group_id: _Optional[str] = ..., cycle_number: _Optional[int] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("threshold_ms", "remaining_ms", "participant_id", "group_id", "cycle_number")
    THRESHOLD_MS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CYCLE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    threshold_ms: int
    remaining_ms: int
    participant_id: str
    group_id: str
    cycle_number: int
    def __init__(self, threshold_ms: _Optional[int] = ..., remaining_ms: _Optional[int] = ..., participant_id: _Optional[str] = ..., group_id: _Optional[str] = ..., cycle_number: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("reason", "min_version")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MIN_VERSION_FIELD_NUMBER: _ClassVar[int]
    reason: GapReason
    min_version: int
    def __init__(self, reason: _Optional[_Union[GapReason, str]] = ..., min_version: _Optional[int] = ...) -> None: ...

class End(_message.Message):
    __slots__ = ("reason", "retry_after_ms")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    reason: EndReason
    retry_after_ms: int
    def __init__(self, reason: _Optional[_Union[EndReason, str]] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...
