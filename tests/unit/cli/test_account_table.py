"""The account of a clock as a table, which is the one that docs/api.md shows."""

from io import StringIO

import pytest
from rich.console import Console

from synckairos.cli.audit.tables import account_table, amount
from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.commands import AdjustTime, Pause, Switch
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.model import Mode
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from testing.harness.account_lines import account_lines
from testing.harness.builders import ANN, BOB, Game, started
from testing.harness.documents import ROOT


def a_game_of_go() -> Game:
    """Play 30 s and three periods of 20 s, to a pause."""
    control = TimeControl((Stage(30_000, 0, ByoYomi(3, 20_000)),))
    game = started(
        SessionSpec(Mode.PER_PARTICIPANT, (ParticipantSpec(ANN), ParticipantSpec(BOB)), time_control=control)
    )
    now = 0
    for spent in (12_400, 8_000, 41_250, 3_000, 19_000, 3_000):
        now += spent
        game.ok(now, Switch())
    game.ok(now + 5_000, AdjustTime(ANN, delta_ms=10_000))
    game.ok(now + 9_000, Pause())
    return game


def test_the_documented_account_is_drawn() -> None:
    """Rows stand in the document as they are drawn."""
    screen = Console(file=StringIO(), width=110)

    screen.print(account_table(account_lines(a_game_of_go().events, Holder(ANN))))

    drawn = screen.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    rows = [line.rstrip() for line in drawn.splitlines()]
    document = (ROOT / "docs" / "api.md").read_text()
    assert len(rows) > 8
    assert "\n".join(rows) in document, drawn


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "+00:00.000"), (-1, "-00:00.001"), (61_020, "+01:01.020"), (-3_600_000, "-1:00:00.000")]
)
def test_an_amount_has_a_sign(ms: int, text: str) -> None:
    """Also what is below zero by hours."""
    assert amount(ms) == text
