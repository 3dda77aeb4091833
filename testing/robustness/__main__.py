"""Breaks a deployment for a while by a seeded schedule, and judges the recording.

python -m testing.robustness [--seconds 600] [--seed N] [--out DIR] [--topology cluster] [--durability replicas:1]
python -m testing.robustness --judge FILE
"""

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from testing.harness.processes.child_process import HEALTHY
from testing.harness.processes.deployment import Deployment
from testing.robustness.history import History, read, write
from testing.robustness.load.clients import Workload
from testing.robustness.recording import Plan, record
from testing.robustness.replicas.deployment import deployment_on
from testing.robustness.report import report_of, show
from testing.robustness.schedule import Topology, schedule
from testing.robustness.verdict import judge

SERVERS = 3
DURABLE = 0.3
"""Share of the sessions whose changes have to reach a replica, where there is one."""


async def run(
    seed: int, seconds: float, progress: Progress, logs: Path, topology: Topology, durability: str
) -> History:
    """Record a run on a deployment of its own."""
    task = progress.add_task("starting", total=seconds)

    def on_progress(gone: float, description: str) -> None:
        progress.update(task, completed=gone, description=description)

    async with deployment_on(topology, durability) as deployment:
        await deployment.start(SERVERS, worker=HEALTHY)
        workload = Workload(durable=0.0 if topology is Topology.SINGLE else DURABLE)
        plan = Plan(seed, seconds, schedule(seed, seconds, SERVERS, topology), workload=workload)
        try:
            return await record(deployment, plan, on_progress=on_progress)
        finally:
            _keep_logs(deployment, logs)


def _keep_logs(deployment: Deployment, logs: Path) -> None:
    """Copy the logs of the processes."""
    logs.mkdir(parents=True, exist_ok=True)
    for log in (*(one.log for one in deployment.servers), *(one.log for one in deployment.workers)):
        if log.exists():
            shutil.copy(log, logs)


def main(
    seconds: Annotated[float, typer.Option(help="How long the faults go on.")] = 600.0,
    seed: Annotated[int, typer.Option(help="Of the schedule and of the callers; 0 takes a new one.")] = 0,
    out: Annotated[Path, typer.Option(help="Where the recording and the report go.")] = Path("build/robustness"),
    topology: Annotated[Topology, typer.Option(help="How Redis keeps the sessions.")] = Topology.SINGLE,
    durability: Annotated[str, typer.Option(help="As SYNCKAIROS_DURABILITY.")] = "memory",
    judged: Annotated[Path | None, typer.Option("--judge", help="Judge a recording again, and run nothing.")] = None,
) -> None:
    """Run and judge; end with 1 if a promise was broken."""
    console = Console()
    if judged is not None:
        history = read(judged)
    else:
        seed = seed or time.time_ns() % 1_000_000 + 1
        columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            history = uvloop.run(run(seed, seconds, progress, out / f"{seed}-logs", topology, durability))
        write(history, out / f"{seed}.jsonl")
    violations = judge(history)
    figures = report_of(history, violations)
    show(figures, console)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{history.run.seed}.json").write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2))
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    typer.run(main)
