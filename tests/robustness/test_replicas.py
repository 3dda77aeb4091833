"""The validator on a cluster and under Sentinels: primaries fail, and only what is documented is lost, and is told."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import pytest

from testing.harness.processes.child_process import HEALTHY
from testing.robustness.history import History
from testing.robustness.load.clients import Workload
from testing.robustness.load.watchers import WatchSettings
from testing.robustness.promises import Promise
from testing.robustness.recording import Plan, record
from testing.robustness.replicas.deployment import deployment_on
from testing.robustness.report import report_of
from testing.robustness.schedule import FaultKind, PlannedFault, Topology
from testing.robustness.verdict import broken, judge

SERVERS: Final = 2
PLAN: Final = Plan(
    14,
    0.0,
    callers=8,
    workload=Workload(pause_s=(0.02, 0.08), sessions=60, durable=0.3),
    watchers=[WatchSettings(tick_ms=200, progress_ms=500)] * 4 + [WatchSettings(sessions=8, progress_ms=500)] * 3,
    slow_readers=0,
)
BEYOND_PROMISES: Final = frozenset({Promise.PROMPT, Promise.AVAILABLE, Promise.PUNCTUAL})
"""Held to bounds on time, which a machine under full load need not keep."""
APART_S: Final = 2.0


async def recorded(topology: Topology, together: Sequence[Sequence[PlannedFault]]) -> History:
    """Carry out faults, those that are together at once; return the recording, all of which has reached PostgreSQL."""
    faults = [fault._replace(at_s=1.5 + place) for place, some in enumerate(together) for fault in some]
    async with deployment_on(topology) as deployment:
        await deployment.start(SERVERS, worker=HEALTHY)
        history = await record(deployment, PLAN._replace(faults=faults))
        assert history.run.outbox == 0, deployment.workers[0].tail()
        return history


def fault(kind: FaultKind, target: int = 0, for_s: float = 0.0, amount_ms: int = 0) -> PlannedFault:
    """Return a fault."""
    return PlannedFault(0.0, kind, target, for_s, amount_ms)


def judged(history: History, measured: Callable[[str], None]) -> None:
    """Assert that nothing is broken, and that something was lost, of what no replica had to have, and told.

    Without that knowledge a promise would be broken.
    """
    violations = [one for one in judge(history) if one.promise not in BEYOND_PROMISES]
    report = report_of(history, violations)
    measured(
        f"{history.run.topology}: {report['mutations_ok']:,} mutations answered OK, {report['acknowledged_lost']} of"
        f" them lost, {report['forks']} events in forks, gaps {report['gaps']}"
    )
    assert violations == [], "\n".join([*report["schedule"], *map(str, violations)])
    assert report["mutations_ok"] > 200
    assert report["acknowledged_lost"] > 0
    assert report["forks"] + report["gaps"].get("FORKED", 0) > 0
    history.faults = [msgspec.structs.replace(one, cut_at=None) for one in history.faults]
    assert Promise.DURABLE in broken(history)


@pytest.mark.timeout(240)
async def test_a_cluster_breaks_no_promise(measured: Callable[[str], None]) -> None:
    """Primaries killed and cut off, a shard away, slots moved meanwhile, and a server killed."""
    history = await recorded(
        Topology.CLUSTER,
        [
            [fault(FaultKind.PRIMARY_KILLED, amount_ms=300), fault(FaultKind.SLOTS_MOVED)],
            [fault(FaultKind.PRIMARY_CUT_OFF, 1, 0.3), fault(FaultKind.SERVER_KILLED, 1)],
            [fault(FaultKind.SHARD_AWAY, 2, 0.5)],
        ],
    )

    judged(history, measured)


@pytest.mark.timeout(240)
async def test_sentinels_break_no_promise(measured: Callable[[str], None]) -> None:
    """A primary killed while nobody can replace it, and one together with a server."""
    history = await recorded(
        Topology.SENTINEL,
        [
            [fault(FaultKind.PRIMARY_KILLED, amount_ms=300), fault(FaultKind.SENTINELS_LOST, for_s=1.0)],
            [fault(FaultKind.PRIMARY_KILLED, amount_ms=100), fault(FaultKind.SERVER_KILLED, 1)],
        ],
    )

    judged(history, measured)
