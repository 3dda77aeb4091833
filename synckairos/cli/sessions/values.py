"""What arguments say: durations, participants, groups, labels, metadata."""

import json
import uuid
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, TypeAlias

from synckairos.cli.sessions.connection import refuse
from synckairos.cli.views.words import NAME
from synckairos.domain.controls.notation import NotationError, time_of
from synckairos.v1 import session_pb2


def duration(text: str) -> int:
    """Return a duration in ms, such as `90`, `1.5m` or `2h`; a negative one has a minus sign."""
    sign = -1 if text.startswith("-") else 1
    try:
        return sign * time_of(text.removeprefix("-"))
    except NotationError as error:
        raise refuse(f"{text} is no duration, such as 90, 1.5m or 2h: {error}") from None


def durations(**texts: str | None) -> dict[str, int]:
    """Return the durations that were given, in ms, by the same names."""
    return {name: duration(text) for name, text in texts.items() if text is not None}


def is_id(text: str) -> bool:
    """Whether a text is a UUID."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


NewId: TypeAlias = Callable[[], str]


def random_id() -> str:
    """Return an id of nothing that exists."""
    return str(uuid.uuid4())


def ids_of(request_id: str | None) -> NewId:
    """Return what makes the ids of a request: with a request_id the same ones whenever the command is repeated.

    With other ids it would be other content, which the server refuses under the same request_id.
    """
    if request_id is None or not is_id(request_id):
        return random_id
    places = count()
    return lambda: part_of(request_id, str(next(places)))


def part_of(request_id: str, part: str) -> str:
    """Return the id of a part of a request, which follows from the request's own."""
    return str(uuid.uuid5(uuid.UUID(request_id), part))


def participant(text: str, *, group_id: str = "", new_id: NewId = random_id) -> session_pb2.ParticipantSpec:
    """Return the participant that `NAME`, `UUID` or `NAME=UUID` describes; a name alone gets an id of its own."""
    named, given = _named(text)
    spec = session_pb2.ParticipantSpec(participant_id=given or new_id(), group_id=group_id)
    if named:
        spec.metadata.update({NAME: named})
    return spec


def _named(text: str) -> tuple[str, str]:
    """Return the name and the id in `NAME`, `UUID` or `NAME=UUID`, empty where there is none."""
    if is_id(text):
        return "", text
    name, equals, given = text.rpartition("=")
    if equals and is_id(given):
        return name, given
    return text, ""


def groups(
    texts: Iterable[str], *, new_id: NewId = random_id
) -> tuple[list[session_pb2.GroupSpec], list[session_pb2.ParticipantSpec]]:
    """Return the groups and the members that texts such as `red:ann,bob` describe, each as `participant` reads it."""
    found, members = [], []
    for text in texts:
        group, colon, rest = text.partition(":")
        if not colon or not rest:
            raise refuse(f"{text} is no group with its members, such as red:ann,bob")
        _, given = _named(group)
        spec = session_pb2.GroupSpec(group_id=given or new_id())
        found.append(spec)
        members += [participant(each.strip(), group_id=spec.group_id, new_id=new_id) for each in rest.split(",")]
    return found, members


def labels(texts: Iterable[str]) -> dict[str, str]:
    """Return the labels that `KEY=VALUE` texts describe."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise refuse(f"{text} is no label, such as event=open")
        found[key] = value
    return found


def json_object(text: str) -> dict[str, Any]:
    """Return a JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise refuse(f"{text} is no JSON object, such as {{}}")
    return found
