"""Words, colours and short forms for what the contract sends; texts of others never as markup."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from rich.text import Text

from synckairos.cli.plain_text import visible
from synckairos.domain.controls.notation import NoTextError, text_of
from synckairos.rpc.controls.requests import read_control
from synckairos.rpc.fields import Fields
from synckairos.v1 import event_pb2, session_pb2, time_control_pb2

NAME: Final = "name"
"""The key of metadata that holds the name of a participant or a session, as this command line writes it."""

_LOOKS: Final[dict[int, tuple[str, str]]] = {
    session_pb2.STATUS_PENDING: ("○", "cyan"),
    session_pb2.STATUS_RUNNING: ("▶", "bold green"),
    session_pb2.STATUS_PAUSED: ("Ⅱ", "yellow"),
    session_pb2.STATUS_EXPIRED: ("■", "red"),
    session_pb2.STATUS_COMPLETED: ("■", "blue"),
    session_pb2.STATUS_CANCELLED: ("■", "bright_black"),
}
"""The sign and the colour of each status."""
TERMINAL: Final = frozenset({session_pb2.STATUS_EXPIRED, session_pb2.STATUS_COMPLETED, session_pb2.STATUS_CANCELLED})


def status_word(status: int) -> str:
    """Return a status as in `running`."""
    return _word(session_pb2.Status.items(), status, "STATUS_")


def mode_word(mode: int) -> str:
    """Return a mode as in `per-participant`."""
    return _word(session_pb2.Mode.items(), mode, "MODE_").replace(" ", "-")


def event_word(kind: int) -> str:
    """Return a type of event as in `cycle switched`."""
    return _word(event_pb2.EventType.items(), kind, "EVENT_TYPE_")


def cause_word(cause: int) -> str:
    """Return a cause as in `deadline`."""
    return _word(event_pb2.Cause.items(), cause, "CAUSE_")


def status_text(status: int) -> Text:
    """Return a status with its sign and its colour."""
    sign, colour = _LOOKS.get(status, ("■", ""))
    return Text(f"{sign} {status_word(status)}", style=colour)


def title_of(session: session_pb2.Session) -> str:
    """Return the name of a session, else what its labels say, else nothing."""
    return name_in(session) or " ".join(f"{key}={value}" for key, value in sorted(session.labels.items()))


def name_in(holder: session_pb2.Session | session_pb2.Participant) -> str:
    """Return the name that the metadata of a session or a participant hold; empty if there is none."""
    value = holder.metadata.fields.get(NAME)
    return value.string_value if value is not None else ""


def short(identifier: str) -> str:
    """Return the end of an id: ids made in the same minutes begin alike."""
    return f"…{identifier[-8:]}" if identifier else ""


def participant_name(session: session_pb2.Session, participant_id: str) -> str:
    """Return the name of a participant, else the end of its id; empty for nobody."""
    found = next((one for one in session.participants if one.participant_id == participant_id), None)
    return (name_in(found) if found is not None else "") or short(participant_id)


def group_name(session: session_pb2.Session, group_id: str) -> str:
    """Return the names of a group's members, else the end of its id."""
    members = (name_in(one) for one in session.participants if one.group_id == group_id)
    named = [name for name in members if name]
    return "+".join(named) if named else short(group_id)


def control_text(session: session_pb2.Session) -> str:
    """Return the time controls of the holders, each once, in their notation; empty without any."""
    holders: list[session_pb2.Participant | session_pb2.Group] = [*session.participants, *session.groups]
    controls = [_notation(one.time_control.SerializeToString()) for one in holders if one.HasField("time_control")]
    return " / ".join(dict.fromkeys(controls))


@lru_cache(maxsize=1_000)
def _notation(encoded: bytes) -> str:
    control = read_control(Fields(), "", time_control_pb2.TimeControl.FromString(encoded))
    try:
        return text_of(control)
    except NoTextError:
        return "(no notation)"


def instant(at_ms: int) -> str:
    """Return an instant as a time of this machine's zone, to the millisecond."""
    local = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone()
    return f"{local:%H:%M:%S}.{at_ms % 1_000:03}"


def plain(text: str, style: str = "") -> Text:
    """Return a text of others: neither markup nor control characters have an effect."""
    return Text(visible(text), style=style)


def _word(names: Iterable[tuple[str, int]], number: int, prefix: str) -> str:
    found = next((name for name, value in names if value == number), str(number))
    return found.removeprefix(prefix).replace("_", " ").lower()
