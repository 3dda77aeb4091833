import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SyncTimeRequest(_message.Message):
    __slots__ = ("client_transmit_time",)
    CLIENT_TRANSMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    client_transmit_time: _timestamp_pb2.Timestamp
    def __init__(self, client_transmit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SyncTimeResponse(_message.Message):
    __slots__ = ("client_transmit_time", "server_receive_time", "server_transmit_time")
    CLIENT_TRANSMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    SERVER_RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    SERVER_TRANSMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    client_transmit_time: _timestamp_pb2.Timestamp
    server_receive_time: _timestamp_pb2.Timestamp
    server_transmit_time: _timestamp_pb2.Timestamp
    def __init__(self, client_transmit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., server_receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., server_transmit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
