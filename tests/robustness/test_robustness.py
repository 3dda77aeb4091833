"""The validator's short form: every kind of fault once, by a fixed seed, and not a promise broken."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from testing.harness.deployment import HEALTHY
from testing.robustness import checks_availability, checks_promptness
from testing.robustness.checks_availability import calls_in_calm
from testing.robustness.checks_promptness import delays
from testing.robustness.deployment import breakable_deployment
from testing.robustness.history import read, write
from testing.robustness.recording import Play, record
from testing.robustness.report import report_of
from testing.robustness.schedule import FaultKind, schedule
from testing.robustness.verdict import judge

SEED: Final = 15
SECONDS: Final = 66.0
"""Every kind of fault comes once, by this seed."""
SERVERS: Final = 2


@pytest.mark.timeout(300)
async def test_a_minute_of_faults_breaks_no_promise(tmp_path: Path, measured: Callable[[str], None]) -> None:
    """Servers, worker, Redis, PostgreSQL, network and clock fail in turn, and every promise holds."""
    planned = schedule(SEED, SECONDS, SERVERS)
    async with breakable_deployment() as deployment:
        await deployment.start(SERVERS, worker=HEALTHY)
        history = await record(deployment, Play(SEED, SECONDS, planned))

    violations = judge(history)
    report = report_of(history, violations)
    measured(
        f"robustness, seed {SEED}: {len(history.faults)} faults, {len(history.calls)} calls, {report.events} events"
    )
    assert violations == [], (f"seed {SEED}", *report.schedule, *report.examples)
    assert [fault.kind for fault in history.faults] == [fault.kind for fault in planned]
    assert {fault.kind for fault in history.faults} == set(FaultKind)
    for server in range(SERVERS):
        assert len(calls_in_calm(history)[server]) >= checks_availability.ENOUGH
        assert len(delays(history)[server, False]) >= checks_promptness.ENOUGH
    assert report.mutations_ok > 500
    assert report.commands > 200
    assert report.events_by_deadline > 0
    assert report.resumes > 0
    assert report.gaps.get("SLOW_READER", 0) + report.cut_off > 0
    write(history, tmp_path / "history.jsonl")
    assert judge(read(tmp_path / "history.jsonl")) == []
