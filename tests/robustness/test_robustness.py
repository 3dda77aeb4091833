"""The validator's short form: every kind of fault once, by a fixed seed, and not a promise broken."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from testing.harness.processes.child_process import HEALTHY
from testing.robustness.checks import availability as checks_availability
from testing.robustness.checks import promptness as checks_promptness
from testing.robustness.checks.availability import calls_in_calm
from testing.robustness.checks.promptness import delays
from testing.robustness.deployment import breakable_deployment
from testing.robustness.history import read, write
from testing.robustness.load.clients import Workload
from testing.robustness.load.watchers import WatchSettings
from testing.robustness.promises import Promise, Violation
from testing.robustness.recording import Plan, record
from testing.robustness.report import Figures, report_of
from testing.robustness.schedule import KINDS, FaultKind, PlannedFault, Topology, schedule
from testing.robustness.verdict import judge

SEED: Final = 15
SECONDS: Final = 76.0
"""Every kind of fault comes once, by this seed."""
SERVERS: Final = 2
BUSY: Final = Plan(
    SEED,
    8.0,
    callers=16,
    workload=Workload(pause_s=(0.0, 0.01), sessions=64, reads=0.02),
    watchers=[WatchSettings(progress_ms=300)] * 4 + [WatchSettings(sessions=4)] * 2,
    slow_readers=0,
)
"""Callers without a pause to speak of, on sessions that several of them change and some watch."""
BEYOND_PROMISES: Final = frozenset({Promise.PROMPT, Promise.AVAILABLE, Promise.PUNCTUAL})
"""Held to bounds on time, which a machine under full load need not keep."""


@pytest.mark.timeout(300)
async def test_a_minute_of_faults_breaks_no_promise(tmp_path: Path, measured: Callable[[str], None]) -> None:
    """Servers, worker, Redis, PostgreSQL, network and clock fail in turn, and every promise holds."""
    planned = schedule(SEED, SECONDS, SERVERS)
    async with breakable_deployment() as deployment:
        await deployment.start(SERVERS, worker=HEALTHY)
        history = await record(deployment, Plan(SEED, SECONDS, planned))

    violations = judge(history)
    report = report_of(history, violations)
    measured(
        f"robustness, seed {SEED}: {len(history.faults)} faults, {len(history.calls)} calls, {report['events']} events"
    )
    assert violations == [], (f"seed {SEED}", *report["schedule"], *report["examples"])
    assert sorted(fault.kind for fault in history.faults) == sorted(fault.kind for fault in planned)
    assert {fault.kind for fault in history.faults} == set(KINDS[Topology.SINGLE])
    for server in range(SERVERS):
        assert len(calls_in_calm(history)[server]) >= checks_availability.ENOUGH
        assert len(delays(history)[server, False]) >= checks_promptness.ENOUGH
    assert report["mutations_ok"] > 500
    assert report["commands"] > 200
    assert report["events_by_deadline"] > 0
    assert report["resumes"] > 0
    assert report["gaps"].get("SLOW_READER", 0) + report["cut_off"] > 0
    write(history, tmp_path / "history.jsonl")
    assert judge(read(tmp_path / "history.jsonl")) == []


async def recorded(plan: Plan, *kinds: FaultKind) -> tuple[Figures, list[Violation]]:
    """Carry a plan out with faults, one every three seconds; return its figures, and the promises that were broken."""
    faults = [PlannedFault(1.5 + 3.0 * n, kind, n // 2 % SERVERS, 1.0, 0) for n, kind in enumerate(kinds)]
    async with breakable_deployment() as deployment:
        await deployment.start(SERVERS, worker=HEALTHY)
        history = await record(deployment, plan._replace(faults=faults))
    violations = [one for one in judge(history) if one.promise not in BEYOND_PROMISES]
    return report_of(history, violations), violations


@pytest.mark.timeout(240)
async def test_nothing_is_lost_and_nothing_doubled(measured: Callable[[str], None]) -> None:
    """Servers and Redis are killed under full load: every change answered OK is stored once, without a fork."""
    plan = BUSY._replace(seconds=12.0)

    report, violations = await recorded(plan, *[FaultKind.SERVER_KILLED, FaultKind.REDIS_KILLED] * 2)

    measured(
        f"servers and Redis killed: {report['mutations_ok']:,} mutations answered OK,"
        f" {report['events']:,} events in PostgreSQL"
    )
    assert violations == []
    assert report["mutations_ok"] > 750
    assert (report["forks"], report["gaps"].get("FORKED", 0)) == (0, 0)


@pytest.mark.timeout(240)
async def test_a_power_loss_costs_no_more_than_the_policy_says(measured: Callable[[str], None]) -> None:
    """Only the end of the file is lost; both branches are kept and marked, and watchers are told."""
    calmer = BUSY._replace(callers=4, workload=Workload(pause_s=(0.01, 0.05), sessions=20))  # the worker has to keep up

    report, violations = await recorded(calmer, *[FaultKind.POWER_LOST] * 2)

    measured(f"power lost: {report['mutations_ok']:,} mutations answered OK, {report['forks']} forks, {report['gaps']}")
    assert violations == []
    assert report["forks"] > 0
    assert report["gaps"]["FORKED"] > 0
