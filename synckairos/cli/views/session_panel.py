"""One session on a terminal: its head, its clocks side by side, what is known besides."""

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from synckairos.cli.plain_text import PlainTable
from synckairos.cli.views.digits import big
from synckairos.cli.views.readings import Reading, face, readings
from synckairos.cli.views.words import (
    control_text,
    group_name,
    mode_word,
    participant_name,
    plain,
    status_text,
    title_of,
)
from synckairos.client.session_clock import SessionClock
from synckairos.v1 import session_pb2

CLOCK_WIDTH = 30
BAR_WIDTH = CLOCK_WIDTH - 6


def session_panel(clock: SessionClock) -> RenderableType:
    """Return a session as of the instant at which it was read."""
    return Group(head(clock.session), clocks(clock, clock.taken_at_ms), result(clock.session))


def head(session: session_pb2.Session) -> RenderableType:
    """Return the lines that say which session it is and how it stands."""
    line = PlainTable.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    name = plain(title_of(session) or session.session_id, "bold")
    facts = [mode_word(session.mode), control_text(session)]
    if session.manual_clock:
        facts.append("manual clock")
    line.add_row(name, status_text(session.status))
    line.add_row(
        plain(" · ".join(fact for fact in facts if fact), "dim"),
        Text(f"cycle {session.cycle_number} · version {session.version}", style="dim"),
    )
    if title_of(session):
        line.add_row(plain(session.session_id, "dim"), "")
    return line


def clocks(clock: SessionClock, now_ms: int, *, is_big: bool = False) -> RenderableType:
    """Return the clocks of all holders at an instant (ms), side by side if they fit; in large digits if wanted."""
    return Columns([_clock(one, is_big=is_big) for one in readings(clock, now_ms)], padding=(0, 1))


def result(session: session_pb2.Session) -> RenderableType:
    """Return how a session ended; an empty text if it has not, or if there is nothing to say."""
    if session.winner_participant_id:
        return Text.assemble("won by ", plain(participant_name(session, session.winner_participant_id), "bold"))
    if session.winner_group_id:
        return Text.assemble("won by group ", plain(group_name(session, session.winner_group_id), "bold"))
    return Text()


def _clock(reading: Reading, *, is_big: bool) -> RenderableType:
    colour = "red" if reading.is_low or reading.has_expired else "green" if reading.is_running else "white"
    shown = face(reading.shown_ms)
    lines = big(shown) if is_big else [shown]
    body = Group(
        *(Text(line, style=f"bold {colour}", justify="center", no_wrap=True) for line in lines),
        _bar(reading, colour),
        Text("flag" if reading.has_expired and not reading.shown_ms else reading.note, style="dim", justify="center"),
    )
    title = plain(("▶ " if reading.is_active else "") + (reading.name or "-"))
    title.truncate(CLOCK_WIDTH - 6, overflow="ellipsis")
    return Panel(body, title=title, width=CLOCK_WIDTH, border_style=colour if reading.is_active else "dim")


def _bar(reading: Reading, colour: str) -> Text:
    """Return what is left of a clock as a bar; empty for a clock that has no beginning to compare with."""
    if not reading.full_ms:
        return Text()
    filled = round(BAR_WIDTH * min(max(reading.shown_ms, 0), reading.full_ms) / reading.full_ms)
    return Text(justify="center").append("━" * filled, style=colour).append("─" * (BAR_WIDTH - filled), style="dim")
