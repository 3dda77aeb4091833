"""Played turns as a picture: a bar for each holder, its phases in colours, over the time that passed.

Written as SVG by hand: one kind of picture needs no library, and a diff shows what has changed in a text.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from synckairos.cli.clock_faces import face, faces
from synckairos.domain.controls.simulation import PlayedTurn, TurnPlan
from synckairos.domain.families.parts import PhaseKind

WIDTH: Final = 860
LEFT: Final = 84
RIGHT: Final = 24
TOP: Final = 64
ROW: Final = 62
BAR: Final = 24
LEGEND: Final = 64
MOST_TICKS: Final = 10
NARROWEST_LABEL: Final = 6.2
"""Width of a character of a label, in px."""

INK, PALE, PAPER, PAUSE = "#24292f", "#8c959f", "#ffffff", "#d0d7de"
COLOURS: Final[dict[PhaseKind, tuple[str, str]]] = {
    PhaseKind.FREE: ("#d8b9ff", "free turn"),
    PhaseKind.DELAY: ("#a5d8ff", "delay"),
    PhaseKind.MAIN: ("#2f81f7", "main time"),
    PhaseKind.PERIOD: ("#2da44e", "period, block or time of the turn"),
    PhaseKind.RESERVE: ("#e3b341", "reserve"),
    PhaseKind.PENALTY: ("#fb8500", "below zero"),
    PhaseKind.FLAG: ("#cf222e", "flag"),
}
STEPS_MS: Final = tuple(
    unit * step
    for unit, steps in (
        (1_000, (1, 2, 5, 10, 15, 30)),
        (60_000, (1, 2, 5, 10, 15, 30)),
        (3_600_000, (1, 2, 3, 6, 12, 24)),
    )
    for step in steps
)


def timeline(title: str, names: Sequence[str], plans: Sequence[TurnPlan], turns: Sequence[PlayedTurn]) -> str:
    """Return a picture of turns as they were played; `plans` say where they were paused."""
    height = TOP + ROW * len(names) + LEGEND
    ends_at = max(turns[-1].ended_at, 1) if turns else 1
    parts = [_text(20, 28, title, size=16), *_axis(ends_at, TOP + ROW * len(names))]
    for row, name in enumerate(names):
        y = TOP + ROW * row
        parts.append(_text(LEFT - 10, y + BAR - 7, name, "end"))
        parts.append(_line(LEFT, y + BAR / 2, WIDTH - RIGHT, y + BAR / 2))
    for plan, turn in zip(plans, turns, strict=False):
        parts += _turn(plan, turn, ends_at)
    parts += _legend(plans, turns, height - 18)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img">'
    )
    paper = f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", paper, *parts, "</svg>", ""])


def _turn(plan: TurnPlan, turn: PlayedTurn, ends_at: int) -> Iterator[str]:
    """Draw a turn on its holder's bar: the phases, its pauses over them, and under it what its clock shows then."""
    y = TOP + ROW * turn.holder
    ends = [phase.at for phase in turn.phases[1:]] + [turn.ended_at]
    for starting, end in zip(turn.phases, ends, strict=True):
        colour, name = COLOURS[starting.phase.kind]
        if starting.phase.kind is PhaseKind.FLAG:
            x = _place(starting.at, ends_at)
            yield f'<path d="M{x:.1f},{y + BAR + 3} V{y - 10} l-11,5 l11,5" fill="{colour}" stroke="{colour}"/>'
        else:
            yield _bar(starting.at, end, ends_at, y, colour, f"{name}, from {face(starting.phase.display_ms)}")
    at = turn.began_at
    for pause, before in zip(plan.pauses, (0, *[pause.start_ms for pause in plan.pauses]), strict=False):
        at += pause.start_ms - before
        if pause.start_ms >= turn.spent_ms and turn.flagged:
            break
        yield _bar(at, at + pause.duration_ms, ends_at, y, PAUSE, "pause")
        at += pause.duration_ms
    left, right = _place(turn.began_at, ends_at), _place(turn.ended_at, ends_at)
    shown = faces(turn.clocks[turn.holder])
    if not turn.flagged and len(shown) * NARROWEST_LABEL <= right - left + 20:
        yield _text((left + right) / 2, y + BAR + 15, shown, "middle", INK, 11)


def _bar(start: int, end: int, ends_at: int, y: float, colour: str, title: str) -> str:
    left, right = _place(start, ends_at), _place(end, ends_at)
    return (
        f'<rect x="{left:.1f}" y="{y}" width="{right - left:.1f}" height="{BAR}" fill="{colour}" stroke="{PAPER}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _axis(ends_at: int, y: float) -> Iterator[str]:
    step = next((step for step in STEPS_MS if ends_at / step <= MOST_TICKS), STEPS_MS[-1])
    while ends_at / step > MOST_TICKS:
        step *= 2
    for at in range(0, ends_at + 1, step):
        x = _place(at, ends_at)
        yield _line(x, TOP - 8, x, y, opacity=0.35)
        yield _text(x, TOP - 14, face(at), "middle", PALE, 11)


def _legend(plans: Sequence[TurnPlan], turns: Sequence[PlayedTurn], y: float) -> Iterator[str]:
    """Draw a patch of each colour that is used, and its name."""
    used = {starting.phase.kind for turn in turns for starting in turn.phases}
    entries = [COLOURS[kind] for kind in COLOURS if kind in used]
    if any(plan.pauses for plan, _ in zip(plans, turns, strict=False)):
        entries.append((PAUSE, "pause"))
    x: float = LEFT
    for colour, name in entries:
        yield f'<rect x="{x:.1f}" y="{y - 10}" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, y, name, colour=INK)
        x += 18 + 22 + len(name) * NARROWEST_LABEL


def _place(at: int, ends_at: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(at, ends_at) / ends_at


def _line(x1: float, y1: float, x2: float, y2: float, opacity: float = 1.0) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{PALE}" stroke-opacity="{opacity}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = INK, size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}"'
    return f"<text {place}>{escape(text)}</text>"
