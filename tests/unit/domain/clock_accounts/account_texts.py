"""Accounts of clocks as texts, and games to have them of."""

from typing import Final

from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.commands import (
    Switch,
)
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.events import Event
from synckairos.domain.model import Mode, OnExpire
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from testing.harness.account_lines import account_lines
from testing.harness.builders import (
    ANN,
    BOB,
    CLEO,
    Game,
    started,
)

OF_ANN: Final = Holder(ANN)
OF_BOB: Final = Holder(BOB)


def account(events: list[Event], holder: Holder) -> list[str]:
    """Return the lines up to the last event as texts: version, kind, amount, balance, what was burnt, note."""
    return [
        f"{line.version} {line.entry.kind.name} {line.entry.amount_ms:+} = {line.balance_ms}"
        + (f", {line.entry.periods_burnt} burnt" if line.entry.periods_burnt else "")
        + (f": {line.entry.note}" if line.entry.note else "")
        for line in account_lines(events, holder)
    ]


def controlled(
    *stages: Stage, players: int = 2, on_expire: OnExpire = OnExpire.END_SESSION, **fields: object
) -> SessionSpec:
    """Describe ANN, BOB, CLEO, ... with one control for all."""
    names = (ANN, BOB, CLEO)[:players]
    control = TimeControl(stages)._replace(**fields)
    return SessionSpec(
        Mode.PER_PARTICIPANT, tuple(map(ParticipantSpec, names)), on_expire=on_expire, time_control=control
    )


def turns_of_ann(spec: SessionSpec, *spent_ms: int) -> Game:
    """Play a game in which Ann's turns take so long, and Bob's no time at all."""
    game, now = started(spec), 0
    for spent in spent_ms:
        now += spent
        game.ok(now, Switch())
        if not game.session.is_terminal:
            game.ok(now, Switch())
    return game
