"""Accounts of clocks, event by event: overtime, adjustments, ends, recoveries, what is missing."""

import pytest

from synckairos.domain.clock_accounts.account import Account
from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    Cancel,
    Command,
    Complete,
    Pause,
    RemoveParticipant,
    Resume,
    Switch,
)
from synckairos.domain.controls.time_control import Stage
from synckairos.domain.events import Author
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import OnExpire, SoftClose, SoftClosePolicy
from synckairos.domain.recovery import RecoveryPolicy, recover
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from testing.harness.builders import (
    ANN,
    BOB,
    RED,
    at,
    countdown,
    per_cycle,
    per_group,
    per_participant,
    started,
    stopwatch,
)
from tests.unit.domain.clock_accounts.account_texts import OF_ANN, OF_BOB, account, controlled, turns_of_ann


def test_overtime_and_its_end() -> None:
    """Nothing is left, and turns are in overtime, until an adjustment gives time back, and with it the family."""
    game = turns_of_ann(controlled(Stage(4_000, family=ByoYomi(2, 3_000)), on_expire=OnExpire.NOTIFY), 12_000)
    game.ok(12_000, AdjustTime(BOB, set_ms=1), AdjustTime(ANN, set_ms=5_000), AdjustTime(ANN, set_periods=2))

    assert account(game.events, OF_ANN) == [
        "1 BASE +10000 = 10000",
        "3 SPENT -10000 = 0, 2 burnt: ran out",
        "4 SPENT +0 = 0: 2000 ms in overtime",
        "7 ADJUSTED +5000 = 5000: umpire: said so",
        "8 ADJUSTED +6000 = 11000: umpire: said so",
    ]


def test_an_adjustment_says_for_whom_it_was_made() -> None:
    """The actor, whom it acts for, and the reason."""
    game = turns_of_ann(controlled(Stage(4_000, family=ByoYomi(2, 3_000)), on_expire=OnExpire.NOTIFY))
    game.ok(1_000, AdjustTime(ANN, set_ms=5_000))
    told = [event._replace(author=event.author._replace(on_behalf_of="Ann")) for event in game.events]

    assert account(told, OF_ANN)[-1].endswith(": umpire for Ann: said so")


def test_per_turn_has_time_again_after_overtime() -> None:
    """The reserve is gone."""
    game = turns_of_ann(controlled(Stage(2_000, family=PerTurn(3_000)), on_expire=OnExpire.NOTIFY), 6_000)

    assert account(game.events, OF_ANN) == [
        "1 BASE +5000 = 5000",
        "3 SPENT -5000 = 0: ran out",
        "4 SPENT +0 = 0: 1000 ms in overtime",
        "4 REFILLED +3000 = 3000",
    ]


def test_an_adjustment_of_a_running_clock_stands_after_what_it_had_spent() -> None:
    """Periods that it burnt before are told there, and not once more at the end of the turn."""
    game = started(controlled(Stage(0, family=ByoYomi(3, 10_000))))
    game.ok(12_000, AdjustTime(ANN, delta_ms=5_000))
    game.ok(26_000, Switch())

    assert account(game.events, OF_ANN) == [
        "1 BASE +30000 = 30000",
        "3 SPENT -12000 = 18000, 1 burnt",
        "3 ADJUSTED +5000 = 23000: umpire: said so",
        "4 SPENT -14000 = 9000, 1 burnt",
        "4 REFILLED +1000 = 10000",
    ]


@pytest.mark.parametrize(
    ("commands", "last"),
    [
        ((Pause(),), "3 SPENT -2000 = 8000: so far"),
        ((Pause(), Resume()), "4 SPENT -2000 = 8000: so far"),
        ((Complete(),), "3 SPENT -2000 = 8000"),
        ((Cancel(),), "3 SPENT -2000 = 8000"),
        ((Switch(), RemoveParticipant(ANN)), "4 SPENT +0 = 9000: left the session"),
        ((RemoveParticipant(ANN),), "3 SPENT -2000 = 8000: left the session"),
        (
            (RemoveParticipant(ANN), AddParticipant(ParticipantSpec(ANN, total_time_ms=3_000))),
            "4 BASE -5000 = 3000: joined again, without the 8000 ms it left with",
        ),
    ],
)
def test_whatever_ends_a_turn_is_told(commands: tuple[Command, ...], last: str) -> None:
    """Pauses take nothing; those who left keep what they had."""
    game = started(per_participant(10_000, 10_000, 10_000, increment_ms=1_000))
    game.ok(2_000, *commands)

    assert account(game.events, OF_ANN)[-1] == last


def test_those_who_run_out_are_told_so() -> None:
    """Under ELIMINATE the others go on; a newcomer begins with what it brings."""
    game = started(per_participant(5_000, 20_000, 20_000, on_expire=OnExpire.ELIMINATE))
    game.ok(6_000, AddParticipant(ParticipantSpec(ANN[:-1] + "9", total_time_ms=7_000)))

    assert account(game.events, OF_ANN) == ["1 BASE +5000 = 5000", "3 SPENT -5000 = 0: ran out"]
    assert account(game.events, OF_BOB) == ["1 BASE +20000 = 20000", "4 SPENT -1000 = 19000: so far"]
    assert account(game.events, Holder(ANN[:-1] + "9")) == ["4 BASE +7000 = 7000: joined"]


def test_a_turn_limit_takes_a_holder_out_with_what_it_has() -> None:
    """The bank keeps it."""
    spec = controlled(Stage(60_000), players=3, turn_limit_ms=5_000, on_expire=OnExpire.ELIMINATE)
    game = started(spec)
    game.ok(6_000)

    assert account(game.events, OF_ANN) == [
        "1 BASE +60000 = 60000",
        "3 SPENT -5000 = 55000: out at the limit of the turn",
    ]


def test_a_session_limit_ends_the_turn_that_runs() -> None:
    """It is charged up to there."""
    game = started(controlled(Stage(60_000))._replace(session_limit_ms=4_000))
    game.ok(9_000)

    assert account(game.events, OF_ANN) == ["1 BASE +60000 = 60000", "3 SPENT -4000 = 56000"]


def test_a_group_has_one_account() -> None:
    """Whoever of it had the turn, and whoever takes it over."""
    game = started(per_group(60_000, 60_000, increment_ms=1_000))
    game.ok(2_000, RemoveParticipant(ANN))
    game.ok(5_000, Switch())

    assert account(game.events, Holder(group_id=RED)) == [
        "1 BASE +60000 = 60000",
        "3 SPENT -2000 = 58000",
        "4 SPENT -3000 = 55000",
        "4 GRANT +1000 = 56000",
    ]


def test_the_clock_of_a_session_has_an_account_too() -> None:
    """A cycle begins whole; one clock for all is spent by every turn; one that counts up has what its limit leaves."""
    cycles, total, limited = (
        started(per_cycle(30_000, ANN, BOB)),
        started(countdown(60_000, ANN)),
        started(stopwatch(9_000, ANN)),
    )
    for game in (cycles, total, limited):
        game.ok(4_000, Switch())
        game.ok(6_000, AdjustTime(delta_ms=1_000))

    assert account(cycles.events, Holder()) == [
        "1 BASE +30000 = 30000",
        "3 SPENT -4000 = 26000",
        "3 REFILLED +4000 = 30000",
        "4 ADJUSTED +1000 = 31000: umpire: said so",
        "4 SPENT -2000 = 29000: so far",
    ]
    for game, base_ms in ((total, 60_000), (limited, 9_000)):
        assert account(game.events, Holder()) == [
            f"1 BASE +{base_ms} = {base_ms}",
            f"3 SPENT -4000 = {base_ms - 4_000}",
            f"4 ADJUSTED +1000 = {base_ms - 3_000}: umpire: said so",
            f"4 SPENT -2000 = {base_ms - 5_000}: so far",
        ]


def test_a_late_bid_extends() -> None:
    """By its own line."""
    game = started(countdown(100_000, ANN, soft_close=SoftClose(5_000, 10_000, SoftClosePolicy.RESET)))
    game.ok(97_000, Switch())

    assert account(game.events, Holder()) == [
        "1 BASE +100000 = 100000",
        "3 SPENT -97000 = 3000",
        "3 EXTENDED +7000 = 10000",
    ]


def test_a_recovery_says_what_it_went_on_from() -> None:
    """It changes nothing itself."""
    game = started(per_participant(60_000, 60_000))
    game.ok(2_000, Switch())
    later = at(9_000) * 1_000
    outcome = recover(game.session, RecoveryPolicy.PAUSED, Author("operator"), later, game.ids.__next__, game.lifetimes)

    assert account([*game.events, *outcome.events], OF_ANN) == [
        "1 BASE +60000 = 60000",
        "3 SPENT -2000 = 58000",
        "4 RECOVERED +0 = 58000: recovered as of version 3: what came later, and is not here, is lost",
    ]


def test_what_is_missing_is_not_made_up() -> None:
    """It is one line that says so, at the beginning or in between."""
    game = turns_of_ann(per_participant_with_increment(), 2_000, 3_000, 4_000)
    whole, events = account(game.events, OF_ANN), game.events
    late, gap = Account(OF_ANN), Account(OF_ANN)

    beginning = late.post(events[5].session, events[6])
    broken = [*gap.post(None, events[0]), *gap.post(events[5].session, events[6])]
    blind = Account(OF_ANN, 58_000).post(None, events[6])

    assert whole[-1] == "7 GRANT +1000 = 54000"
    assert [(one.entry.kind.name, one.entry.amount_ms, one.entry.note) for one in beginning] == [
        ("BASE", 57_000, "what it had at version 6; the trail holds nothing before"),
        ("SPENT", -4_000, ""),
        ("GRANT", 1_000, ""),
    ]
    assert [(one.entry.kind.name, one.entry.amount_ms) for one in broken] == [
        ("BASE", 60_000),
        ("RECOVERED", -3_000),
        ("SPENT", -4_000),
        ("GRANT", 1_000),
    ]
    assert broken[1].entry.note == (
        "all that changed it up to version 6; the trail does not hold every version in between"
    )
    assert [(one.entry.kind.name, one.entry.amount_ms) for one in blind] == [("RECOVERED", -4_000)]


def per_participant_with_increment() -> SessionSpec:
    """Describe a game of 60 s with 1 s a turn."""
    return per_participant(60_000, 60_000, increment_ms=1_000)
