"""The requests about time controls, which need no session."""

from collections.abc import Sequence

from synckairos.client.requests.values import at_most_one, optional
from synckairos.v1 import time_control_service_pb2 as pb
from synckairos.v1.time_control_pb2 import TimeControl


def parse_time_control(
    text: str | None = None, *, time_control: TimeControl | None = None
) -> pb.ParseTimeControlRequest:
    """Return a control given as a text (`600|5x30`) or as a message in both forms, with a description in English."""
    at_most_one(text=text, time_control=time_control)
    return pb.ParseTimeControlRequest(text=optional(text), time_control=time_control)


def simulate_time_control(
    time_control_text: str | None = None,
    *,
    time_control: TimeControl | None = None,
    holders: int = 0,
    time_controls: Sequence[TimeControl] = (),
    turns: Sequence[pb.TurnPlan] = (),
) -> pb.SimulateTimeControlRequest:
    """Play turns by the rules of a session and return how every clock stood after each; it ends at a flag."""
    at_most_one(time_control=time_control, time_control_text=time_control_text)
    return pb.SimulateTimeControlRequest(
        time_control=time_control,
        time_control_text=optional(time_control_text),
        holders=holders,
        time_controls=time_controls,
        turns=turns,
    )
