"""The rules of time in numbers that were worked out by hand."""

import pytest

from synckairos.domain.commands import Caller, Switch
from synckairos.domain.creation import create
from synckairos.domain.model import Status
from testing.harness.builders import (
    ANN,
    RED,
    SESSION_ID,
    UMPIRE,
    at,
    change_ids,
    clock_of,
    per_group,
    per_participant,
    started,
)


@pytest.mark.parametrize(
    ("bank", "spent", "increment", "cap", "left"),
    [
        pytest.param(180_000, 5_000, 2_000, 0, 177_000, id="no cap"),
        pytest.param(180_000, 179_999, 2_000, 0, 2_001, id="no cap, last millisecond"),
        pytest.param(60_000, 1_000, 5_000, 60_000, 60_000, id="up to the cap, not beyond"),
        pytest.param(60_000, 5_000, 5_000, 60_000, 60_000, id="exactly to the cap"),
        pytest.param(60_000, 5_001, 5_000, 60_000, 59_999, id="the whole increment below the cap"),
        pytest.param(70_000, 1_000, 5_000, 60_000, 69_000, id="a bank above the cap keeps its time"),
        pytest.param(61_000, 1_000, 5_000, 60_000, 60_000, id="a bank at the cap gets nothing"),
        pytest.param(60_000, 0, 5_000, 60_000, 60_000, id="a full bank gets nothing"),
        pytest.param(60_000, 7_000, 0, 0, 53_000, id="no increment"),
    ],
)
def test_grants_and_their_cap(bank: int, spent: int, increment: int, cap: int, left: int) -> None:
    """The cap bounds the grant and never takes time away, of a participant or of a group."""
    alone = started(per_participant(bank, bank, increment_ms=increment, max_time_ms=cap))
    team = started(per_group(bank, bank, increment_ms=increment, max_time_ms=cap))

    for game, holder in ((alone, ANN), (team, RED)):
        clock = clock_of(game.ok(spent, Switch()), holder)

        assert (clock.bank_ms, clock.used_ms) == (left, spent)


def test_instants_are_floored_once() -> None:
    """A session is created in microseconds (its epoch) and lives in whole milliseconds, rounded down."""
    now_us = at(0) * 1_000 + 999

    session = create(SESSION_ID, per_participant(), Caller(UMPIRE), now_us, change_ids().__next__).session

    assert (session.epoch, session.created_at, session.updated_at) == (now_us, at(0), at(0))
    assert (session.version, session.status, session.cycle_number) == (1, Status.PENDING, 0)
