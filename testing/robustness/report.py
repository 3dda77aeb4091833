"""The figures of a run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median, quantiles
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from synckairos.v1 import event_pb2
from testing.robustness.branches import Branches
from testing.robustness.checks.promptness import calm, deliveries
from testing.robustness.checks.streams import SLOW_CONSUMER
from testing.robustness.history import Fault, History, Message
from testing.robustness.load.operations import Operation, operations
from testing.robustness.promises import Promise, Violation
from testing.robustness.schedule import FaultKind

OF_A_SERVER: Final = frozenset(
    {
        FaultKind.SERVER_KILLED,
        FaultKind.SERVER_STOPPED,
        FaultKind.SERVER_FROZEN,
        FaultKind.CONNECTIONS_CUT,
        FaultKind.NETWORK_SLOW,
        FaultKind.NETWORK_SILENT,
    }
)


Figures = dict[str, Any]
"""Everything worth knowing of a run, by name, in the order it is shown; JSON values only."""
UNTITLED: Final = frozenset({"schedule", "examples", "seed", "seconds", "violations"})
"""Figures that do not stand in the table under their names."""


def spread_ms(values: Sequence[float]) -> dict[str, float]:
    """Return how many values there are, the middle one, the 99th of a hundred, and the largest."""
    if len(values) < 2:
        only = values[0] if values else 0.0
        return {"count": len(values), "p50": only, "p99": only, "largest": only}
    p99 = quantiles(values, n=100, method="inclusive")[98]
    return {"count": len(values), "p50": median(values), "p99": p99, "largest": max(values)}


def report_of(history: History, violations: Sequence[Violation]) -> Figures:
    """Return the figures of a run."""
    calls, rows, run = history.calls, history.rows, history.run
    return {
        "seed": run.seed,
        "seconds": run.seconds,
        "faults": _counted(fault.kind for fault in history.faults),
        "calls": _counted(f"{call.outcome} {call.reason}".strip() for call in calls),
        "commands": sum(call.is_command for call in calls),
        "mutations_ok": sum(call.outcome == "ok" and call.method != "GetSession" for call in calls),
        "replayed": sum(call.replayed for call in calls),
        "sessions": len({row.session_id for row in rows}),
        "events": len(rows),
        "events_by_deadline": sum(row.cause == "deadline" for row in rows),
        "acknowledged_lost": len(lost_changes(history)),
        "forks": sum(row.is_fork for row in rows),
        "streams": len(history.streams),
        "resumes": sum(bool(token) for stream in history.streams for token in stream.tokens.values()),
        "messages": _counted(message.kind for message in history.messages),
        "gaps": _counted(_gap(message) for message in history.messages if message.kind == "gap"),
        "cut_off": sum(end.reason == SLOW_CONSUMER for end in history.ends),
        "calm_s": round(sum(end - begin for begin, end in calm(history)), 1),
        "lateness_ms": spread_ms([row.fired_ms - row.occurred_ms for row in rows if row.fired_ms is not None]),
        "lateness_after_kill_ms": spread_ms(_after_kill(history)),
        "heard_after_ms": spread_ms([one.seconds * 1_000 for one in deliveries(history)]),
        "violations": _counted(str(one.promise) for one in violations),
        "examples": [str(one) for one in violations[:50]],
        "schedule": [_line(run.began, fault) for fault in history.faults],
    }


def lost_changes(history: History) -> list[Operation]:
    """Return the changes that were answered OK and are not in the branch that has gone on."""
    lives = Branches(history).of.values()
    kept = {entry.row.request_id for life in lives for entry in life[-1].entries}
    return [one for one in operations(history).values() if one.answered and one.request_id not in kept]


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())


def _after_kill(history: History) -> list[float]:
    """Return the lateness of deadlines whose last writer was killed between its change and the deadline."""
    killed = [fault for fault in history.faults if fault.kind == FaultKind.SERVER_KILLED]
    writer = {
        (call.session_id, call.epoch, call.version): call.server
        for call in history.calls
        if call.outcome == "ok" and not call.replayed and call.method != "GetSession"
    }
    made = {(row.session_id, row.epoch, row.version): row.occurred_ms for row in history.rows}
    late = []
    for row in history.rows:
        before = (row.session_id, row.epoch, row.version - 1)
        if row.fired_ms is None or before not in writer:
            continue
        if any(kill.target == writer[before] and made[before] <= kill.began_ms <= row.occurred_ms for kill in killed):
            late.append(float(row.fired_ms - row.occurred_ms))
    return late


def _gap(message: Message) -> str:
    return event_pb2.GapReason.Name(message.value).removeprefix("GAP_REASON_")  # type: ignore[arg-type] # as recorded


def _line(began: float, fault: Fault) -> str:
    amount = f" {fault.amount_ms} ms" if fault.amount_ms else ""
    cut = f", {fault.bytes_cut:,} bytes cut off" if fault.bytes_cut else ""
    where = f" (server {fault.target})" if fault.kind in OF_A_SERVER else ""
    return f"{fault.began - began:6.1f} s  {fault.kind}{amount}{where}, {fault.ended - fault.began:.1f} s{cut}"


def show(figures: Figures, console: Console) -> None:
    """Print the figures."""
    for line in figures["schedule"]:
        console.print(line, highlight=False)
    table = Table("figure", "value", title=f"seed {figures['seed']}, {figures['seconds']:.0f} s")
    for name, value in figures.items():
        if name not in UNTITLED:
            table.add_row(name.replace("_", " "), _told(value))
    for promise in Promise:
        count = figures["violations"].get(promise, 0)
        table.add_row(promise, "held" if not count else f"BROKEN {count} times")
    console.print(table)
    for example in figures["examples"]:
        console.print(example, highlight=False, markup=False)


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,.0f}" for name, count in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)
