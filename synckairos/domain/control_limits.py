"""The limits of a time control."""

from collections.abc import Iterator

from synckairos.domain.errors import FieldViolation
from synckairos.domain.time_control import TimeControl


def control_violations(path: str, control: TimeControl) -> Iterator[FieldViolation]:
    """Yield what is wrong with a control."""
    if not control.stages:
        yield FieldViolation(f"{path}.stages", "is required")
