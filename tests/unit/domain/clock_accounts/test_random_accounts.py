"""Accounts under random play: at every version the lines sum to the clock, for every holder."""

from typing import Final

import pytest
from hypothesis import given, settings

from synckairos.domain import clocks, turns
from synckairos.domain.clock_accounts.account import POSTED, Account, Line, balance_at
from synckairos.domain.clock_accounts.entries import Holder, LineKind, left_with
from synckairos.domain.events import Event, EventType
from synckairos.domain.model import Session
from testing.harness.playing.random_plays import SPECS, holders_of, plays

PLAY: Final = settings(max_examples=settings().max_examples // 2, derandomize=True, database=None)
"""The same games on every machine, half as many as the profile says: each is gone through for every holder."""


def check(lines: list[Line]) -> None:
    """Check that every line's balance is the sum of its and all amounts before."""
    total = 0
    for line in lines:
        total += line.entry.amount_ms
        assert line.balance_ms == total


@pytest.mark.random_play
@pytest.mark.parametrize("kind", SPECS)
def test_lines_sum_to_the_clock(kind: str) -> None:
    """Whatever happens whenever, at every version; and no line says that something is missing."""

    @PLAY
    @given(plays(SPECS[kind]))
    def play(events: list[Event]) -> None:
        for holder in holders_of(events):
            _check_holder(events, holder)

    play()


def _check_holder(events: list[Event], holder: Holder) -> None:
    account, lines, before = Account(holder), list[Line](), None
    for event in events:
        known = len(lines)
        if event.type in POSTED:
            lines += account.post(before, event)
        now_left = before and left_with(before, event, holder)
        closing = Account(holder, account.balance_ms).close(event.session)
        expected = clocks.balance(now_left) if now_left else balance_at(event.session, holder)
        if expected is not None:
            check([*lines, *closing])
            assert sum(line.entry.amount_ms for line in (*lines, *closing)) == expected
        _check_turn(before, event, holder, lines[known:])
        for line in (*lines[known:], *closing):
            is_recovery = event.type is EventType.SESSION_RECOVERED
            assert line.entry.kind is not LineKind.RECOVERED or (is_recovery and not line.entry.amount_ms)
        before = event.session


def _check_turn(before: Session | None, event: Event, holder: Holder, lines: list[Line]) -> None:
    """The lines of a completed turn say what its event says."""
    if before is None or event.turn is None or not turns.has_turn(before, *holder):
        return
    amounts = {kind: sum(one.entry.amount_ms for one in lines if one.entry.kind is kind) for kind in LineKind}
    assert amounts[LineKind.LAG_CREDITED] == event.turn.credited_ms
    assert sum(amounts.values()) - amounts[LineKind.SPENT] == event.turn.granted_ms + event.turn.credited_ms
    assert amounts[LineKind.SPENT] >= -event.turn.spent_ms
