"""The results of a replay: a table, the reasons of what was left out, a picture of the time spent."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.load import samples
from bench.pictures import Scale, Spread, spreads
from testing.reality.auctions import Sale
from testing.reality.plans import Plan
from testing.reality.playing import Played
from testing.reality.records import LeftOut

MOVES: Final = 100_000
"""The rate is told as the time that so many take."""
LISTED: Final = 30
"""Of faults, and of what was left out, no more are printed; the JSON has all."""
SECONDS: Final = Scale(0.01, 1)


class Kind(NamedTuple):
    """Records that stand in one row: their clocks, when they show what a turn grants, their resolution."""

    clock: str
    shown: str
    unit_ms: int


@dataclass
class Row:
    """What came of the records of one kind."""

    records: int = 0
    turns: int = 0
    off_ms: int = 0
    """How far a clock of the service was from that of the record, at most."""
    fitted_ms: int = 0
    """How far the time that a turn was given is from the time recorded, at most; never more than the resolution."""
    risen: int = 0
    """How often a record's clock gained time beside its rules, which the service was told to give, too."""
    spent_s: list[float] = field(default_factory=list)


@dataclass
class Report:
    """A whole replay."""

    rows: defaultdict[Kind, Row] = field(default_factory=lambda: defaultdict(Row))
    faults: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def turns(self) -> int:
        """All turns and bids that were compared."""
        return sum(row.turns for row in self.rows.values())

    @property
    def is_good(self) -> bool:
        """Whether something was compared, all of it agreed, and no time was fitted beyond what the record resolves."""
        is_fitted = all(row.fitted_ms <= kind.unit_ms for kind, row in self.rows.items())
        return self.turns > 0 and not self.faults and is_fitted

    def add(self, played: Played) -> None:
        """Enter a game or an auction."""
        work = played.work
        row = self.rows[kind_of(work)]
        row.records += 1
        row.turns += played.turns
        row.off_ms = max(row.off_ms, played.off_ms)
        row.spent_s += _spent_s(work, played.turns)
        if isinstance(work, Plan):
            turns = work.turns[: played.turns]
            row.risen += sum(turn.risen_ms > 0 for turn in turns)
            row.fitted_ms = max([row.fitted_ms, *_fitted_ms(work)])
        if played.fault:
            self.faults.append(f"{name_of(work)}: {played.fault}")


def name_of(work: Plan | Sale) -> str:
    """Return what people find a game or an auction by, and the rule of an auction."""
    if isinstance(work, Plan):
        return f"{work.game.source} {work.game.number}"
    rule = f"{work.close.policy.name}, {work.total_ms} ms, at most {work.close.hard_limit_ms} ms"
    return f"{work.auction.source} {work.auction.number} ({rule})"


def kind_of(work: Plan | Sale) -> Kind:
    """Return the row a game or an auction belongs to."""
    if isinstance(work, Plan):
        return Kind(work.family.replace("_", "-"), work.shown.value, work.game.unit_ms)
    return Kind(f"soft close, {work.close.policy.name}", "calculated", 1)


def _spent_s(work: Plan | Sale, turns: int) -> list[float]:
    if isinstance(work, Plan):
        return [turn.spent_ms / 1_000 for turn in work.turns[:turns] if not turn.is_drawn]
    bids = work.auction.bids[:turns]
    return [(bid - before) / 1_000 for before, bid in zip((0, *bids), bids, strict=False)]


def _fitted_ms(plan: Plan) -> Iterator[int]:
    for turn in plan.turns:
        if turn.move.spent_ms is not None:
            yield abs(turn.spent_ms - turn.move.spent_ms)


def show(report: Report, console: Console) -> None:
    """Print the table, and everything that was not compared or did not agree."""
    table = Table(title="clocks of the service beside those of the records", title_justify="left")
    for name in ("clocks", "grants shown"):
        table.add_column(name)
    for name in ("unit ms", "records", "turns", "clock off by ms", "time fitted by ms", "rises"):
        table.add_column(name, justify="right")
    for kind, row in sorted(report.rows.items()):
        numbers = (kind.unit_ms, row.records, row.turns, row.off_ms, row.fitted_ms, row.risen)
        table.add_row(kind.clock, kind.shown, *(f"{number:,}" for number in numbers))
    console.print(table)
    rate = report.turns / report.seconds if report.seconds else 0.0
    took = f", {MOVES:,} take {MOVES / rate:,.0f} s" if rate else ""
    console.print(f"{report.turns:,} turns in {report.seconds:,.1f} s: {rate:,.0f} a second{took}", highlight=False)
    _list(console, "not compared", [f"{one.source} {one.number}: {one.reason}" for one in report.left_out])
    _list(console, "DIFFERENT", report.faults)


def _list(console: Console, title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print(f"{title}: {len(lines):,}", highlight=False)
    for line in lines[:LISTED]:
        console.print(f"  {line}", highlight=False, markup=False)
    if len(lines) > LISTED:
        console.print(f"  and {len(lines) - LISTED:,} more", highlight=False)


def draw(report: Report, file: Path) -> None:
    """Draw the time spent on turns, by kind of clock; nothing if there are too few of all."""
    spent: defaultdict[str, list[float]] = defaultdict(list)
    for kind, row in sorted(report.rows.items()):
        spent[kind.clock] += row.spent_s
    rows = {clock: _spread(seconds) for clock, seconds in spent.items()}
    note = f"{report.turns:,} turns"
    if picture := spreads("Time spent on a turn, in seconds", note, rows, SECONDS):
        file.write_text(picture, encoding="utf-8")


def _spread(seconds: list[float]) -> Spread:
    ordered = sorted(seconds)
    return Spread(
        samples.histogram(max(one, SECONDS.least) for one in ordered),
        samples.percentile(ordered, 0.50),
        samples.percentile(ordered, 0.99),
    )


def as_json(report: Report) -> dict[str, Any]:
    """Return the report for programs."""
    rows = [
        {**kind._asdict(), **{name: value for name, value in vars(row).items() if name != "spent_s"}}
        for kind, row in sorted(report.rows.items())
    ]
    return {
        "turns": report.turns,
        "seconds": round(report.seconds, 3),
        "rows": rows,
        "faults": report.faults,
        "left_out": [one._asdict() for one in report.left_out],
    }
