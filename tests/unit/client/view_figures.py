"""What SessionClock shows, written as the vectors write it."""

from dataclasses import asdict
from typing import Any

from synckairos.client.session_clock import SessionView
from synckairos.v1 import time_control_pb2


def figures(view: SessionView) -> dict[str, Any]:
    """Return a view with the names of its phases, and without what its clocks do not have."""
    shown = asdict(view)
    for holder in shown["holders"]:
        holder["phase"] = time_control_pb2.ClockPhaseKind.Name(holder["phase"]).removeprefix("CLOCK_PHASE_KIND_")
    shown["holders"] = [
        {name: value for name, value in holder.items() if value is not None} for holder in shown["holders"]
    ]
    return shown
