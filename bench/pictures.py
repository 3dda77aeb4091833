"""Pictures of a run, from its results: how latencies are spread, and how figures grow with sizes.

    python -m bench.pictures RESULTS.json DIRECTORY

Written as SVG by hand: two kinds of picture need no plotting library, and a diff shows what has changed in a text.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple
from xml.sax.saxutils import escape

import msgspec
import typer

from bench.load import samples
from bench.report import Report, Summary

WIDTH: Final = 860
LABEL: Final = 150
"""Width of the names at the left of the latencies."""
NOTE: Final = 150
"""Width of the figures at their right."""
ROW: Final = 40
TOP: Final = 56
BOTTOM: Final = 34
LEAST_MS: Final = 0.1
SAMPLES: Final = 50
"""A spread of fewer durations is not drawn."""
INK, PALE, PAPER, FILL, LINE = "#24292f", "#8c959f", "#ffffff", "#9ec5fe", "#0b5ed7"


class Panel(NamedTuple):
    """One curve: scenarios of rising size, and the value shown of each."""

    title: str
    scenarios: tuple[str, ...]
    of: Callable[[Summary], float]


PANELS: Final = (
    Panel(
        "SwitchCycle a second, by participants",
        ("switch", "switch_10p", "switch_100p", "switch_1000p"),
        lambda s: s.rate,
    ),
    Panel("last watcher told, ms (p50), by watchers", ("propagation", "fan_out", "fan_out_many"), lambda s: s.p50),
    Panel("SwitchCycle a second, by live sessions", ("size_small", "size_large"), lambda s: s.rate),
)


def draw(report: Report, directory: Path) -> list[Path]:
    """Draw the scenarios with enough samples; return the files written."""
    directory.mkdir(parents=True, exist_ok=True)
    pictures = {"latency.svg": latencies(report), "scaling.svg": scaling(report)}
    written = []
    for name, picture in pictures.items():
        if picture:
            (directory / name).write_text(picture, encoding="utf-8")
            written.append(directory / name)
    return written


class Spread(NamedTuple):
    """Durations by bucket (see samples.histogram), with those that half and 99 % of them do not exceed, in units."""

    histogram: Mapping[int, int]
    p50: float
    p99: float


class Scale(NamedTuple):
    """A logarithmic scale of durations: from where on, and how many units a second has."""

    least: float
    per_second: float


MILLISECONDS: Final = Scale(LEAST_MS, 1_000)


def latencies(report: Report) -> str:
    """Return the spread of every scenario's latencies; empty if none has enough."""
    rows = {name: Spread(one.histogram, one.p50, one.p99) for name, one in report.scenarios.items()}
    return spreads("Latencies in ms", _note(report), rows, MILLISECONDS)


def spreads(title: str, note: str, rows: Mapping[str, Spread], scale: Scale) -> str:
    """Return the spreads with enough durations, one below the other on one scale; empty if there is none."""
    shown = {name: one for name, one in rows.items() if sum(one.histogram.values()) >= SAMPLES}
    if not shown:
        return ""
    longest = max(_edge(max(one.histogram) + 1, scale) for one in shown.values())
    most = max(10 ** math.ceil(math.log10(longest)), 1.0)
    height = TOP + ROW * len(shown) + BOTTOM
    place = _logarithmic(scale.least, most, LABEL, WIDTH - NOTE)
    parts = [
        *_decades(place, scale.least, most, TOP, height - BOTTOM),
        _text(WIDTH - NOTE + 10, TOP - 4, "p50 / p99", colour=PALE),
    ]
    for row, (name, one) in enumerate(shown.items()):
        parts += _spread(name, one, scale, place, TOP + ROW * (row + 1))
    return _svg(height, title, note, parts)


def _spread(name: str, one: Spread, scale: Scale, place: Callable[[float], float], base: float) -> list[str]:
    """Draw one row: an area as high as durations are many, p50 and p99 marked and told."""
    most = max(one.histogram.values())
    corners = [f"M{place(_edge(min(one.histogram), scale)):.1f},{base}"]
    for bucket in range(min(one.histogram), max(one.histogram) + 1):
        y = base - (ROW - 8) * one.histogram.get(bucket, 0) / most
        left, right = place(_edge(bucket, scale)), place(_edge(bucket + 1, scale))
        corners.append(f"L{left:.1f},{y:.1f} L{right:.1f},{y:.1f}")
    corners.append(f"L{place(_edge(max(one.histogram) + 1, scale)):.1f},{base} Z")
    marks = [
        f'<line x1="{place(at):.1f}" x2="{place(at):.1f}" y1="{base - ROW + 8}" y2="{base}" stroke="{LINE}" {dash}/>'
        for at, dash in ((one.p50, ""), (one.p99, 'stroke-dasharray="3 2"'))
    ]
    return [
        f'<path d="{" ".join(corners)}" fill="{FILL}"/>',
        *marks,
        _text(LABEL - 10, base - 6, name, "end"),
        _text(WIDTH - NOTE + 10, base - 6, f"{_told(one.p50)} / {_told(one.p99)}"),
    ]


def _told(value: float) -> str:
    return f"{value:.2f}" if value < 1_000 else f"{value:,.0f}"


def scaling(report: Report) -> str:
    """Return a curve for each panel that has at least two points; empty if none has."""
    curves = [(panel, points) for panel in PANELS if len(points := _points(panel, report)) > 1]
    if not curves:
        return ""
    wide, height = (WIDTH - 20) / len(PANELS), 260
    parts = []
    for number, (panel, points) in enumerate(curves):
        left = 20 + number * wide
        parts += _curve(panel.title, points, left, left + wide - 50, height)
    return _svg(height, "What grows with what", _note(report), parts)


def _points(panel: Panel, report: Report) -> list[tuple[float, float]]:
    found = [report.scenarios[name] for name in panel.scenarios if name in report.scenarios]
    return [(float(one.size), panel.of(one)) for one in found]


def _curve(title: str, points: Sequence[tuple[float, float]], left: float, right: float, height: float) -> list[str]:
    base, top = height - BOTTOM, TOP + 40
    place = _logarithmic(points[0][0], points[-1][0], left + 20, right - 10)
    most = max(value for _, value in points) or 1.0
    dots = [(place(size), base - (base - top) * value / most, size, value) for size, value in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in dots)
    parts = [
        _text(left, TOP + 6, title),
        f'<line x1="{left}" x2="{right}" y1="{base}" y2="{base}" stroke="{PALE}"/>',
        f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="2"/>',
    ]
    for x, y, size, value in dots:
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{LINE}"/>')
        parts.append(_text(x, y - 9, f"{value:,.0f}" if value >= 100 else f"{value:.1f}", "middle"))
        parts.append(_text(x, base + 16, f"{size:,.0f}", "middle", PALE))
    return parts


def _logarithmic(least: float, most: float, left: float, right: float) -> Callable[[float], float]:
    """Return a function that maps a value to a place between left and right, values beyond an end to that end."""
    span = math.log10(most / least) or 1.0

    def place(value: float) -> float:
        share = math.log10(max(value, least) / least) / span
        return left + (right - left) * min(1.0, share)

    return place


def _decades(place: Callable[[float], float], least: float, most: float, top: float, bottom: float) -> Iterable[str]:
    for power in range(round(math.log10(least)), round(math.log10(most)) + 1):
        x = place(10**power)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{PALE}" stroke-opacity="0.35"/>'
        yield _text(x, bottom + 16, f"{10**power:,.{max(0, -power)}f}", "middle", PALE)


def _edge(bucket: int, scale: Scale) -> float:
    return samples.bucket_s(bucket) * scale.per_second


def _note(report: Report) -> str:
    machine = report.machine
    size = ", quick run" if report.is_quick else ""
    return f"{machine['cores']} cores, Python {machine['python']}, {machine['store']}, {report.at[:10]}{size}"


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = INK, size: int = 12) -> str:
    look = f'text-anchor="{anchor}" fill="{colour}" font-size="{size}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(text)}</text>'


def _svg(height: float, title: str, note: str, parts: Iterable[str]) -> str:
    lines = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        _text(20, 26, title, size=16),
        _text(WIDTH - 20, 26, note, "end", PALE),
        *parts,
        "</svg>",
    )
    return "\n".join(lines) + "\n"


def main(
    results: Annotated[Path, typer.Argument(help="The file that `python -m bench --json` wrote.")],
    directory: Annotated[Path, typer.Argument(help="Where the pictures go.")],
) -> None:
    """Draw the pictures of a run."""
    for written in draw(msgspec.json.decode(results.read_bytes(), type=Report), directory):
        typer.echo(str(written))


if __name__ == "__main__":
    typer.run(main)
