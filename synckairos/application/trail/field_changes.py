"""What a version of a session changed, from what to what: computed from the sessions before and after it."""

import base64
from collections.abc import Iterator
from dataclasses import fields
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from synckairos.domain.families.family import Family
from synckairos.domain.model import Session

Plain: TypeAlias = str | int | bool | list[int] | None

NOT_TOLD: Final = frozenset({"version", "change_id", "updated_at"})
"""Every version changes these, and the event says them itself."""
UNNAMED: Final = NOT_TOLD | {"called_at", "ended_at", "real_at"}
"""Left out where only names are told: every version may change these."""
KEYED: Final = {"participants": "participant_id", "groups": "group_id"}
_ABSENT: Final = object()


class FieldChange(NamedTuple):
    """A value that changed; `path` as in `participants[<id>].clock.bank_ms`, None for no value."""

    path: str
    old: Plain
    new: Plain


def changed_names(before: Session, after: Session) -> tuple[str, ...]:
    """Return the names of the session's fields that differ, but for those that only say when."""
    return tuple(
        name
        for name, old, new in zip(Session._fields, before, after, strict=True)
        if name not in UNNAMED and old != new
    )


def changes_between(before: Session, after: Session) -> list[FieldChange]:
    """Return the differences in the order of the session's fields; participants, groups and labels go by their keys."""
    found: list[FieldChange] = []
    for name, old, new in zip(Session._fields, before, after, strict=True):
        if name not in NOT_TOLD and old != new:
            found += _differences(name, _parts(name, old), _parts(name, new))
    return found


def _parts(name: str, value: Any) -> Any:  # noqa: ANN401 - any part of a session
    """Return what a value is made of: a dict by name or key, or a plain value."""
    if name in KEYED:
        return {f"[{getattr(one, KEYED[name])}]": _parts("", one) for one in value}
    if name == "labels":
        return {f"[{key}]": text for key, text in value}
    if hasattr(value, "_asdict"):
        return {f".{field}": _parts(field, part) for field, part in value._asdict().items()}
    if isinstance(value, Family):
        parameters = {f".{one.name}": getattr(value, one.name) for one in fields(value)}
        return {".name": value.name, **parameters}
    if isinstance(value, tuple) and value and hasattr(value[0], "_asdict"):
        return {f"[{place}]": _parts("", one) for place, one in enumerate(value)}
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return list(value) if isinstance(value, tuple) else value


def _differences(path: str, old: Any, new: Any) -> Iterator[FieldChange]:  # noqa: ANN401 - as _parts returns them
    if isinstance(old, dict) or isinstance(new, dict):
        before, after = (part if isinstance(part, dict) else {} for part in (old, new))
        for key in (*before, *(key for key in after if key not in before)):
            yield from _differences(path + key, before.get(key, _ABSENT), after.get(key, _ABSENT))
        return
    told, tells = (None if value is _ABSENT else value for value in (old, new))
    if told != tells:
        yield FieldChange(path, told, tells)
