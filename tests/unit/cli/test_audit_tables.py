"""The input and output of operators: instants, durations, names."""

import pytest
import typer

from synckairos.cli.audit.access import event_type, instant_ms
from synckairos.cli.audit.tables import duration, instant
from synckairos.domain.events import EventType

NOON_MS = 1_795_262_400_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-21T12:00:00Z", NOON_MS),
        ("2026-11-21T12:00:00", NOON_MS),
        ("2026-11-21 12:00", NOON_MS),
        ("2026-11-21T13:30:00+01:30", NOON_MS),
        ("2026-11-21", NOON_MS - 43_200_000),
        ("2026-11-21T12:00:00.001", NOON_MS + 1),
        ("2026-11-21T12:00:00.000001Z", NOON_MS + 1),
        ("1970-01-01", 0),
    ],
)
def test_an_instant_is_read_as_utc_unless_it_says_otherwise(text: str, ms: int) -> None:
    """And rounded up to a whole ms."""
    assert instant_ms(text) == ms


@pytest.mark.parametrize("text", ["", "now", "12:00", "2026-13-01", "1969-12-31", "2026-11-21T25:00:00"])
def test_garbage_is_no_instant(text: str) -> None:
    """Nothing before 1970 is one either."""
    with pytest.raises(typer.BadParameter):
        instant_ms(text)


@pytest.mark.parametrize("text", ["cycle_switched", "CYCLE_SWITCHED", "EVENT_TYPE_CYCLE_SWITCHED"])
def test_a_type_is_known_by_either_name(text: str) -> None:
    """The trail's and the contract's."""
    assert event_type(text) is EventType.CYCLE_SWITCHED


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "-"),
        (0, "00:00.000"),
        (1, "00:00.001"),
        (61_020, "01:01.020"),
        (3_600_000, "1:00:00.000"),
        (2_419_200_000, "672:00:00.000"),
    ],
)
def test_a_duration_is_shown_to_the_ms(ms: int | None, text: str) -> None:
    """0 is not nothing."""
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(None, "-"), (0, "1970-01-01 00:00:00.000"), (NOON_MS + 7, "2026-11-21 12:00:00.007")]
)
def test_an_instant_is_shown_to_the_ms(ms: int | None, text: str) -> None:
    """In UTC."""
    assert instant(ms) == text
