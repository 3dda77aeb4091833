"""From requests to time controls and limits: each wrong field is noted with its path in the request."""

from dataclasses import fields as fields_of
from typing import Final, TypeAlias

from google.protobuf.message import Message

from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.notation import MAX_TEXT_BYTES, NotationError, parse
from synckairos.domain.controls.time_control import MAX_STAGES, LagCompensation, Stage, TimeControl
from synckairos.domain.errors import FieldViolation, InvalidField
from synckairos.domain.families import ABSOLUTE, FAMILIES
from synckairos.domain.families.family import Family
from synckairos.domain.model import SECOND_MS, SoftClose, SoftClosePolicy
from synckairos.rpc.fields import Fields
from synckairos.v1 import session_pb2, time_control_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.time_control_service_pb2 import SimulateTimeControlRequest

_ANY: Final = TimeControl((Stage(SECOND_MS),))
_FAMILIES: Final = {family.name: family for family in FAMILIES}
_PARAMETERS: Final = {family.name: tuple(field.name for field in fields_of(family)) for family in FAMILIES}

Controlled: TypeAlias = (
    pb.CreateSessionRequest | session_pb2.ParticipantSpec | session_pb2.GroupSpec | SimulateTimeControlRequest
)
"""A message that has a time control, as such or as a text."""


def control(fields: Fields, path: str, message: Controlled) -> TimeControl | None:
    """Read the time control of a message at `path` (`` for the request, else with a dot at its end); None without one.

    A text is judged here to the end, so that what is wrong with it is said of the text.
    """
    if message.HasField("time_control"):
        return read_control(fields, f"{path}time_control", message.time_control)
    if message.HasField("time_control_text"):
        return read_text(fields, f"{path}time_control_text", message.time_control_text)
    return None


def read_text(fields: Fields, path: str, text: str) -> TimeControl:
    """Read a time control's text; a wrong one is noted with the position, and read as any control.

    So nothing is said of fields that would be missing if there were no control.
    """
    if len(text.encode()) > MAX_TEXT_BYTES:
        fields.refuse(path, f"is longer than {MAX_TEXT_BYTES} bytes")
        return _ANY
    try:
        read = parse(text)
    except NotationError as error:
        fields.refuse(path, f"at position {error.position}: expected {error.expected}")
        return _ANY
    for wrong in control_violations("", read):
        fields.refuse(path, f"{wrong.path.lstrip('.')} {wrong.description}")
        return _ANY
    return read


def read_control(fields: Fields, path: str, message: time_control_pb2.TimeControl) -> TimeControl:
    """Read a time control, whose numbers the domain judges."""
    stages = fields.bounded(f"{path}.stages", message.stages, MAX_STAGES)
    lag = message.lag_compensation
    return TimeControl(
        tuple([Stage(stage.base_ms, stage.turns, _family(stage)) for stage in stages]),
        message.turn_limit_ms,
        message.free_turns,
        message.free_turn_limit_ms,
        LagCompensation(lag.start_ms, lag.gain_ms, lag.max_ms, lag.max_per_turn_ms)
        if message.HasField("lag_compensation")
        else None,
    )


def _family(stage: time_control_pb2.TimeStage) -> Family:
    name = stage.WhichOneof("family")
    if name is None:
        return ABSOLUTE
    part = getattr(stage, name)
    return _FAMILIES[name](**{parameter: getattr(part, parameter) for parameter in _PARAMETERS[name]})


def soft_close(fields: Fields, request: pb.CreateSessionRequest) -> SoftClose | None:
    """Read how late bids move the end; None if they do not."""
    if not request.HasField("soft_close"):
        return None
    close = request.soft_close
    policy = fields.enum("soft_close.policy", close.policy, SoftClosePolicy)
    if not close.policy:
        fields.refuse("soft_close.policy", "is required")
    return SoftClose(close.window_ms, close.extend_ms, policy or SoftClosePolicy.RESET, close.hard_limit_ms)


def as_given(error: InvalidField, request: Message) -> InvalidField:
    """Return the violations under the names of the request's fields: a time control may be given as a text."""
    texts = {path for path, message in _holders(request) if message.HasField("time_control_text")}
    if not texts:
        return error
    renamed = [
        FieldViolation(f"{path}_text" if path in texts else path, _renamed(problem, texts))
        for path, problem in error.violations
    ]
    return InvalidField(renamed, **error.details)


def _renamed(problem: str, texts: set[str]) -> str:
    start, space, last = problem.rpartition(" ")
    return f"{start}{space}{last}_text" if last in texts else problem


def _holders(request: Message) -> list[tuple[str, Controlled]]:
    """Return the paths and messages of a request that can have a time control."""
    if isinstance(request, pb.AddParticipantRequest):
        return [("participant.time_control", request.participant)]
    if not isinstance(request, pb.CreateSessionRequest):
        return []
    found: list[tuple[str, Controlled]] = [("time_control", request)]
    found += [(f"participants[{place}].time_control", one) for place, one in enumerate(request.participants)]
    found += [(f"groups[{place}].time_control", one) for place, one in enumerate(request.groups)]
    return found
