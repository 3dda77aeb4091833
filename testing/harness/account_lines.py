"""The account of a clock as it follows from every event of its session."""

from collections.abc import Sequence

from synckairos.domain.clock_accounts.account import POSTED, Account, Line
from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.events import Event


def account_lines(events: Sequence[Event], holder: Holder) -> list[Line]:
    """Return the lines up to the last event."""
    account, lines, before = Account(holder), list[Line](), None
    for event in events:
        if event.type in POSTED:
            lines += account.post(before, event)
        before = event.session
    return lines + account.close(events[-1].session)
