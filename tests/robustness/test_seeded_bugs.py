"""The validator can fail: each seeded bug breaks a promise that it names, and without a bug nothing is broken."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from synckairos.devstack import PostgresServer
from synckairos.v1 import session_pb2
from testing.harness.documents import ROOT
from testing.harness.draining import drain
from testing.harness.processes.databases import own_database
from testing.harness.processes.in_process import settings_for
from testing.robustness.deployment import BreakableDeployment, breakable_deployment
from testing.robustness.history import History
from testing.robustness.load.clients import Workload
from testing.robustness.load.watchers import WatchSettings
from testing.robustness.promises import Promise
from testing.robustness.recording import Plan, record
from testing.robustness.schedule import FaultKind, PlannedFault
from testing.robustness.steppable_redis import SteppableRedis
from testing.robustness.verdict import judge

SEED: Final = 20_261_127
SECONDS: Final = 4.0
BUSY: Final = Plan(
    SEED,
    SECONDS,
    callers=6,
    workload=Workload(pause_s=(0.01, 0.08), repeats=0.3, sessions=12, budgets_ms=(1_000, 1_000, 2_000)),
    slow_readers=0,
    watchers=[WatchSettings(stays_s=(0.5, 1.5), tick_ms=100, progress_ms=200)] * 10 + [WatchSettings(sessions=6)] * 2,
)


EXPIRING: Final = BUSY._replace(
    workload=Workload(pause_s=(0.05, 0.2), sessions=30, budgets_ms=(1_000,), modes=(session_pb2.MODE_PER_CYCLE,))
)
"""Sessions are left alone for long enough to run out, many of them more than once."""


LEFT_ALONE: Final = EXPIRING._replace(
    seconds=7.0,
    callers=4,
    workload=EXPIRING.workload._replace(sessions=60, reads=0.0),
    watchers=[WatchSettings(stays_s=(9.0, 9.0), sessions=6)],
)
"""Many sessions among few callers and one watcher: many run out long before they are asked about again."""
NEWCOMERS: Final = BUSY._replace(
    seconds=12.0,
    workload=BUSY.workload._replace(sessions=60),
    watchers=[WatchSettings(stays_s=(2.5, 3.0), progress_ms=200)] * 5,
)
"""Few watchers among many sessions: nobody else watches what a new one asks for."""
FORKING: Final = BUSY._replace(faults=[PlannedFault(1.0, FaultKind.POWER_LOST, 0, 0.5, 0)])
"""There is a fork, which concerns some of the watchers."""


class Bug(NamedTuple):
    """A seeded bug, the promise that it breaks, and a plan in which that shows."""

    name: str
    promise: Promise
    plan: Plan = BUSY
    plays: int = 1
    """In how many plays it must show at the latest: more than one where that is a race, with a deadline for one."""


BUGS: Final = (
    Bug("dropped-publish", Promise.PROMPT),
    Bug("skipped-watch", Promise.LINEARIZABLE),
    Bug("double-fire", Promise.FIRED_ONCE, EXPIRING),
    Bug("early-fire", Promise.NEVER_EARLY, EXPIRING, plays=3),
    Bug("idle-sweep", Promise.PUNCTUAL, LEFT_ALONE),
    Bug("late-refusal", Promise.ERROR_CHANGES_NOTHING),
    Bug("spurious-fork", Promise.RELIABLE, FORKING),
    Bug("tick-as-event", Promise.UNIQUE),
    Bug("late-subscribe", Promise.PROMPT, NEWCOMERS, plays=4),
    Bug("forgotten-request-id", Promise.IDEMPOTENT),
)


@pytest.fixture(autouse=True)
def from_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bugs are put into Python code: compiled modules would call past them."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, [ROOT, ROOT / "generated", ROOT / "clients" / "python"])))


@asynccontextmanager
async def _servers(postgres: PostgresServer, directory: Path, *module: str) -> AsyncIterator[BreakableDeployment]:
    """Two servers on a Redis of their own, with a database and without a worker."""
    async with AsyncExitStack() as exits:
        database_url = await exits.enter_async_context(own_database(postgres))
        redis = exits.enter_context(SteppableRedis(directory / "redis"))
        deployment = BreakableDeployment(directory, redis, postgres, database_url)
        await deployment.migrate()
        exits.push_async_callback(deployment.stop)
        await deployment.start(2, module)
        yield deployment


async def _recorded(deployment: BreakableDeployment, plan: Plan) -> History:
    settings = settings_for(deployment.redis.url, "sk", database_url=deployment.database_url)
    return await record(deployment, plan, drain=lambda: drain(settings))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
async def test_a_bug_is_caught(
    bug: Bug, postgres_server: PostgresServer, server_directory: Path, measured: Callable[[str], None]
) -> None:
    """The servers have the bug, and the verdict names the promise it breaks."""
    broken: set[Promise] = set()
    for play in range(bug.plays):
        plan = bug.plan._replace(bug=bug.name, seed=bug.plan.seed + play)
        folder = server_directory / str(play)
        folder.mkdir()
        async with _servers(postgres_server, folder, "testing.robustness.mutant", bug.name) as deployment:
            broken = {one.promise for one in judge(await _recorded(deployment, plan))}
        measured(f"{bug.name}, play {play + 1}: {', '.join(sorted(broken))}")
        if bug.promise in broken:
            break

    assert bug.promise in broken


@pytest.mark.parametrize("plan", [BUSY, EXPIRING], ids=["busy", "expiring"])
async def test_without_a_bug_nothing_is_broken(
    plan: Plan, postgres_server: PostgresServer, server_directory: Path
) -> None:
    """The same plans, with the same seed, on servers as they are."""
    async with _servers(postgres_server, server_directory, "synckairos") as deployment:
        history = await _recorded(deployment, plan)

    assert judge(history) == []
    assert sum(call.outcome == "ok" for call in history.calls) > 100
    assert {"event", "tick", "progress", "snapshot"} <= {message.kind for message in history.messages}
    assert any(row.cause == "deadline" for row in history.rows)
    assert any(call.replayed for call in history.calls)
    assert any(call.is_command for call in history.calls)


async def test_an_event_trimmed_before_its_commit_is_missed(measured: Callable[[str], None]) -> None:
    """The worker removes events from the outbox first, and PostgreSQL goes away meanwhile."""
    module = ("testing.robustness.mutant", "trimmed-before-commit")
    outage = PlannedFault(1.0, FaultKind.POSTGRES_STOPPED, 0, 1.0, 0)
    async with breakable_deployment() as deployment:
        await deployment.start(2, worker=module)
        history = await record(deployment, BUSY._replace(faults=[outage], bug=module[1]))

    broken = {one.promise for one in judge(history)}
    measured(f"{module[1]}: {', '.join(sorted(broken))}")
    assert Promise.DURABLE in broken
