"""Reading request fields: violations are collected with their paths and refused together."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from math import isfinite
from typing import Final, TypeVar

from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.domain.errors import FieldViolation, InvalidField
from synckairos.domain.specification import MAX_LABELS, MAX_METADATA_BYTES

MAX_REASON_BYTES: Final = 256
MAX_ACTOR_BYTES: Final = 128
MAX_INT64: Final = 2**63 - 1
MAX_INSTANT_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""
MAX_CHOICES: Final = 100
"""The most entries of a filter."""
MAX_NOTED: Final = 100
"""The most violations that are collected."""
MAX_DEPTH: Final = 20
"""The most levels of objects and lists in metadata. Protobuf parsers give up at 100 nested messages; each level takes
up to three of them, below the reply, the event, the session and the participant."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

EnumT = TypeVar("EnumT", bound=IntEnum)
EntryT = TypeVar("EntryT")


class Fields:
    """The fields of one request, and their violations."""

    def __init__(self) -> None:
        self.violations: list[FieldViolation] = []

    def refuse(self, path: str, description: str) -> None:
        """Note that a field is wrong."""
        if len(self.violations) < MAX_NOTED:
            self.violations.append(FieldViolation(path, description))

    def add(self, violations: Iterable[FieldViolation]) -> None:
        """Note further violations; a field that already has one keeps the first."""
        named = {violation.path for violation in self.violations}
        self.violations.extend(violation for violation in violations if violation.path not in named)

    def check(self) -> None:
        """Raise InvalidField if anything is wrong."""
        if self.violations:
            raise InvalidField(self.violations)

    def bounded(self, path: str, entries: Sequence[EntryT], limit: int) -> Sequence[EntryT]:
        """Return the first `limit` entries at most; the rest of a longer list is refused unread."""
        if len(entries) > limit:
            self.refuse(path, f"has {len(entries)} entries, at most {limit} are allowed")
        return entries[:limit]

    def uuid(self, path: str, value: str, *, required: bool = True) -> str:
        """Return the id in lower case; the empty string if it is not set."""
        if not value:
            if required:
                self.refuse(path, "is required")
            return ""
        if _UUID.fullmatch(value) is None:
            self.refuse(path, "is not a UUID")
        return value.lower()

    def text(self, path: str, value: str, limit: int) -> str:
        """Return a text of at most `limit` bytes without U+0000."""
        if len(value.encode()) > limit:
            self.refuse(path, f"is longer than {limit} bytes")
        if "\0" in value:
            self.refuse(path, "contains U+0000")
        return value

    def between(self, path: str, value: int, low: int, high: int) -> int:
        """Return a number within its limits."""
        if not low <= value <= high:
            self.refuse(path, f"must be between {low} and {high}, is {value}")
        return value

    def interval(self, path: str, value: int, low: int, high: int) -> int:
        """Return an interval within its limits; 0 stands for none."""
        return self.between(path, value, low, high) if value else 0

    def enum(self, path: str, value: int, kind: type[EnumT]) -> EnumT | None:
        """Return an enum's member; None if it is not set."""
        if value == 0:
            return None
        try:
            return kind(value)
        except ValueError:
            self.refuse(path, f"{value} is not a known value")
            return None

    def enums(self, path: str, values: Sequence[int], kind: type[EnumT]) -> frozenset[EnumT]:
        """Return the members a filter chooses; UNSPECIFIED is refused."""
        chosen = set()
        for place, value in enumerate(self.bounded(path, values, MAX_CHOICES)):
            if value == 0:
                self.refuse(f"{path}[{place}]", "is not a known value")
            member = self.enum(f"{path}[{place}]", value, kind)
            if member is not None:
                chosen.add(member)
        return frozenset(chosen)

    def instant(self, path: str, value: Timestamp, *, present: bool) -> int | None:
        """Return the first whole ms since 1970 that is not before the instant; None if it is not set."""
        if not present:
            return None
        if not 0 <= value.seconds <= MAX_INSTANT_MS // 1_000 or not 0 <= value.nanos < 1_000_000_000:
            self.refuse(path, "is not an instant from 1970 to 9999")
            return None
        return min(value.seconds * 1_000 + -(-value.nanos // 1_000_000), MAX_INSTANT_MS)

    def labels(self, path: str, value: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Return labels in a stable order; the domain limits their length."""
        if len(value) > MAX_LABELS:
            self.refuse(path, f"has {len(value)} labels, at most {MAX_LABELS} are allowed")
            return ()
        for key, text in value.items():
            if "\0" in key or "\0" in text:
                self.refuse(path, "contains U+0000")
        return tuple(sorted(value.items()))

    def struct(self, path: str, value: Struct, *, present: bool) -> bytes | None:
        """Return a Struct's deterministic bytes, None if it is not set; the domain limits their number."""
        if not present:
            return None
        encoded = value.SerializeToString(deterministic=True)
        if len(encoded) <= MAX_METADATA_BYTES:
            self._struct(path, value, 1)
        return encoded

    def _struct(self, path: str, struct: Struct, depth: int) -> None:
        for key, value in struct.fields.items():
            if "\0" in key:
                self.refuse(path, "has a key with U+0000")
            self._value(f"{path}.{key[:64]}".replace("\0", ""), value, depth)

    def _value(self, path: str, value: Value, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.refuse(path, f"is nested more than {MAX_DEPTH} levels deep")
            return
        match value.WhichOneof("kind"):
            case "string_value" if "\0" in value.string_value:
                self.refuse(path, "contains U+0000")
            case "number_value" if not isfinite(value.number_value):
                self.refuse(path, "is not a finite number")
            case "struct_value":
                self._struct(path, value.struct_value, depth + 1)
            case "list_value":
                for place, item in enumerate(value.list_value.values):
                    self._value(f"{path}[{place}]", item, depth + 1)
            case None:
                self.refuse(path, "has no value")
