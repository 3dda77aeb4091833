"""Clocks explained from a trail in memory, under random play: on pages of any size, at any version."""

import asyncio
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synckairos.application.trail.audit import AuditRecord
from synckairos.application.trail.clock_accounts import ClockPage, ClockQuery, explain_clock
from synckairos.domain.clock_accounts.account import balance_at
from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.errors import InvalidField, ParticipantNotFound
from synckairos.domain.events import Event
from testing.harness.account_lines import account_lines
from testing.harness.builders import SESSION_ID
from testing.harness.fakes.fake_audit_trail import FakeAuditTrail
from testing.harness.playing.random_plays import SPECS, holders_of, plays

PLAY: Final = settings(max_examples=25, derandomize=True, database=None)
"""Few games: what an account holds, tests/unit/domain/clock_accounts plays through; here it is cut into pages."""


async def pages_of(trail: FakeAuditTrail, holder: Holder, version: int, limit: int) -> list[ClockPage]:
    """Return all pages of an account."""
    query = ClockQuery(SESSION_ID, holder, version, None, limit)
    pages = [await explain_clock(trail, query)]
    while pages[-1].following is not None:
        pages.append(await explain_clock(trail, query._replace(after=pages[-1].following)))
    return pages


@pytest.mark.random_play
@pytest.mark.parametrize("kind", SPECS)
def test_pages_hold_the_account_of_any_version(kind: str) -> None:
    """Each line once and in order, and the same balance on every page."""

    @PLAY
    @given(plays(SPECS[kind]), st.integers(1, 6), st.data())
    def play(events: list[Event], limit: int, data: st.DataObject) -> None:
        trail = FakeAuditTrail()
        asyncio.run(trail.write([AuditRecord(event) for event in events]))
        holder = data.draw(st.sampled_from(holders_of(events)))
        version = data.draw(st.integers(1, len(events)))
        try:
            pages = asyncio.run(pages_of(trail, holder, version, limit))
        except (ParticipantNotFound, InvalidField):
            assert not any(line.entry.amount_ms for line in account_lines(events[:version], holder))
            return

        assert [line for page in pages for line in page.lines] == account_lines(events[:version], holder)
        assert all(len(page.lines) == limit for page in pages[:-1])
        (balance,) = {page.balance_ms for page in pages}
        shown = balance_at(events[version - 1].session, holder)
        assert balance == sum(line.entry.amount_ms for page in pages for line in page.lines)
        assert shown in {None, balance}

    play()
