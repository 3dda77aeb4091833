"""Bars over time, as SVG: what the pictures of clocks are put together from.

Written by hand: one kind of picture needs no library, and a diff shows what has changed in a text.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from synckairos.cli.clock_faces import face

WIDTH: Final = 860
LEFT: Final = 84
RIGHT: Final = 24
TOP: Final = 64
ROW: Final = 62
BAR: Final = 24
LEGEND: Final = 64
MOST_TICKS: Final = 10

INK, PALE, PAPER = "#24292f", "#8c959f", "#ffffff"
STEPS_MS: Final = tuple(
    unit * step
    for unit, steps in (
        (1_000, (1, 2, 5, 10, 15, 30)),
        (60_000, (1, 2, 5, 10, 15, 30)),
        (3_600_000, (1, 2, 3, 6, 12, 24)),
    )
    for step in steps
)


def picture(title: str, names: Sequence[str], ends_at: int, drawn: Iterable[str], legend: Iterable[str] = ()) -> str:
    """Return a picture with a row for each name, from 0 to `ends_at` ms; `drawn` is what stands in the rows."""
    legend = list(legend)
    height = TOP + ROW * len(names) + (LEGEND if legend else 0)
    parts = [text(20, 28, title, size=16), *_axis(ends_at, TOP + ROW * len(names))]
    for row, name in enumerate(names):
        y = TOP + ROW * row
        parts.append(text(LEFT - 10, y + BAR - 7, name, "end"))
        parts.append(_line(LEFT, y + BAR / 2, WIDTH - RIGHT, y + BAR / 2))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img">'
    )
    paper = f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", paper, *parts, *drawn, *legend, "</svg>", ""])


def legend_y(names: Sequence[str]) -> int:
    """Return the base line of the legend, in px."""
    return TOP + ROW * len(names) + LEGEND - 18


def bar(start: int, end: int, ends_at: int, y: float, colour: str, title: str) -> str:
    """Return a bar between two instants, whose title shows under the pointer."""
    left, right = place(start, ends_at), place(end, ends_at)
    return (
        f'<rect x="{left:.1f}" y="{y}" width="{right - left:.1f}" height="{BAR}" fill="{colour}" stroke="{PAPER}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _axis(ends_at: int, y: float) -> Iterator[str]:
    step = next((step for step in STEPS_MS if ends_at / step <= MOST_TICKS), STEPS_MS[-1])
    while ends_at / step > MOST_TICKS:
        step *= 2
    for at in range(0, ends_at + 1, step):
        x = place(at, ends_at)
        yield _line(x, TOP - 8, x, y, opacity=0.35)
        yield text(x, TOP - 14, face(at), "middle", PALE, 11)


def place(at: int, ends_at: int) -> float:
    """Return where an instant is drawn, in px."""
    return LEFT + (WIDTH - LEFT - RIGHT) * min(at, ends_at) / ends_at


def _line(x1: float, y1: float, x2: float, y2: float, opacity: float = 1.0) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{PALE}" stroke-opacity="{opacity}"/>'


def text(x: float, y: float, words: str, anchor: str = "start", colour: str = INK, size: int = 12) -> str:
    """Return words at a place."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}"'
    return f"<text {place}>{escape(words)}</text>"
