"""Soft close: what else moves an end, and what it does to warnings and sums."""

from typing import Final

from synckairos.domain import timing
from synckairos.domain.commands import AdjustTime, Pause, Resume, Switch
from synckairos.domain.model import SoftClose, SoftClosePolicy, Status
from testing.harness.builders import ANN, BOB, Game, at, countdown, started

CLOSE: Final = SoftClose(5_000, 10_000, SoftClosePolicy.RESET, 130_000)


def auction(close: SoftClose = CLOSE) -> Game:
    """Return a running auction of 100 s."""
    return started(countdown(100_000, ANN, BOB, warning_thresholds_ms=(4_000,))._replace(soft_close=close))


def test_an_adjustment_may_pass_the_hard_limit() -> None:
    """No bid shortens what an umpire has given."""
    game = auction()

    game.ok(90_000, AdjustTime(delta_ms=60_000))
    game.ok(157_000, Switch())

    assert (game.deadline_ms, game.events[-1].extended_ms) == (160_000, 0)


def test_a_bid_reaches_the_hard_limit_once() -> None:
    """Then every bid is just a bid."""
    game = auction(CLOSE._replace(policy=SoftClosePolicy.ADD))

    extended = []
    for ms in (99_000, 108_000, 117_000, 126_000, 129_000):
        game.ok(ms, Switch())
        extended.append(game.events[-1].extended_ms)

    assert (extended, game.deadline_ms) == ([10_000, 10_000, 10_000, 0, 0], 130_000)


def test_without_a_hard_limit_bids_go_on() -> None:
    """As long as somebody bids."""
    game, now = auction(CLOSE._replace(hard_limit_ms=0)), 99_999

    for _ in range(50):
        game.ok(now, Switch())
        now += 9_999

    assert game.deadline_ms == now + 1


def test_a_moved_end_warns_again() -> None:
    """Once for each time it is crossed."""
    game = auction()
    assert list(timing.warnings_between(game.session, at(0), None)) == [(at(96_000), 4_000)]

    game.ok(98_000, Switch())

    assert list(timing.warnings_between(game.session, at(98_000), None)) == [(at(104_000), 4_000)]


def test_an_extension_is_a_grant() -> None:
    """used + left == total + extensions."""
    game = auction()
    game.ok(97_000, Switch())
    game.ok(106_000, Pause())
    game.ok(206_000, Resume())
    game.ok(206_000, Switch())

    clock = game.session.clock
    extended = sum(event.extended_ms for event in game.events)
    assert (clock.used_ms, clock.bank_ms, extended) == (106_000, 10_000, 16_000)
    assert clock.used_ms + (clock.bank_ms or 0) == 100_000 + extended


def test_a_thousand_bids_in_the_last_second() -> None:
    """One clock judges all: each is in time for the end that the one before has left."""
    game = auction(SoftClose(1_000, 1_000, SoftClosePolicy.RESET, 100_500))

    for ms in range(99_000, 100_000):
        game.ok(ms, Switch())
    assert (game.deadline_ms, game.session.cycle_number) == (100_500, 1_001)

    assert game.refused(100_500, Switch()).reason == "SESSION_EXPIRED"
    assert game.session.status is Status.EXPIRED
