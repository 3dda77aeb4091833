"""Plain Python values as the contract's."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias, TypeVar, cast

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

Scalar = TypeVar("Scalar", int, str)
JsonValue: TypeAlias = "str | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""What metadata may hold."""
Json: TypeAlias = Mapping[str, JsonValue]


def timestamp(instant: datetime | None) -> Timestamp | None:
    """Return an aware datetime as the contract's instant; raises ValueError for one without a zone."""
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} names no instant: it has no time zone")
    made = Timestamp()
    made.FromDatetime(instant)
    return made


def struct(values: Json | None) -> Struct | None:
    """Return metadata as the contract's Struct; None stays unset, which an empty one is not."""
    if values is None:
        return None
    made = Struct()
    made.update(dict(values))
    return made


def optional(value: Scalar | None) -> Scalar:
    """Return an argument for a field that None leaves unset, which Protobuf does and its types do not say."""
    return cast(Scalar, value)


def at_most_one(**given: object) -> None:
    """Raise ValueError if more than one of these arguments is given: the contract would take the last of them."""
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ValueError(f"{' and '.join(named)} exclude each other")
