"""Sessions as rows of a table, for `session list` and `top`."""

from collections.abc import Iterable

from rich.text import Text

from synckairos.cli.plain_text import PlainTable
from synckairos.cli.views.readings import face, readings
from synckairos.cli.views.words import control_text, mode_word, plain, short, status_text, title_of
from synckairos.client.session_clock import SessionClock

MOST_CLOCKS = 4


ID_WIDTH = 36
NARROW = 100
SHORT_WIDTH = 9
STATUS_WIDTH = 11
WIDE = 130
"""From so many columns on, all is shown; below, what a name says as well is left out."""


def session_table(found: Iterable[SessionClock], width: int) -> PlainTable:
    """Return sessions as a table of so many columns of text, as they were read; with whole ids, to be copied."""
    table = rows_table(width, whole_ids=True)
    for clock in found:
        table.add_row(*cells(clock, clock.taken_at_ms, width, whole_id=True))
    return table


def rows_table(width: int, *, whole_ids: bool = False) -> PlainTable:
    """Return an empty table with the columns of sessions; ids and states are never cut."""
    table = PlainTable(box=None, pad_edge=False, header_style="bold")
    table.add_column("session", no_wrap=True, min_width=ID_WIDTH if whole_ids or width >= WIDE else SHORT_WIDTH)
    table.add_column("status", no_wrap=True, min_width=STATUS_WIDTH)
    if width >= WIDE:
        table.add_column("mode", no_wrap=True)
        table.add_column("control", overflow="ellipsis", no_wrap=True, max_width=20)
        table.add_column("cycle", justify="right")
    table.add_column("name", overflow="ellipsis", no_wrap=True, max_width=28 if width >= NARROW else 12)
    table.add_column("clocks", overflow="ellipsis", no_wrap=True)
    return table


def cells(clock: SessionClock, now_ms: int, width: int, *, whole_id: bool = False) -> list[Text]:
    """Return the cells of a session's row as it stands at an instant (ms)."""
    session = clock.session
    shown = session.session_id if whole_id or width >= WIDE else short(session.session_id)
    more = [plain(mode_word(session.mode)), plain(control_text(session)), Text(str(session.cycle_number))]
    return [
        plain(shown, "dim"),
        status_text(session.status),
        *(more if width >= WIDE else ()),
        plain(title_of(session)),
        _clocks(clock, now_ms),
    ]


def _clocks(clock: SessionClock, now_ms: int) -> Text:
    """Return the clocks of a session in rotation order, from the running one on if there are too many."""
    found = readings(clock, now_ms)
    active = next((place for place, one in enumerate(found) if one.is_active), 0)
    begin = active if len(found) > MOST_CLOCKS else 0
    text = Text()
    for one in (found[begin:] + found[:begin])[:MOST_CLOCKS]:
        style = "bold red" if one.is_low else "bold green" if one.is_running else "red" if one.has_expired else ""
        text.append_text(plain(f"{'▶' if one.is_active else ' '}{one.name} "))
        text.append(f"{face(one.shown_ms)}  ", style=style)
    if len(found) > MOST_CLOCKS:
        text.append(f" and {len(found) - MOST_CLOCKS} more", style="dim")
    return text
