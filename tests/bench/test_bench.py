"""The benchmarks, run as their users run them, on the smallest size."""

import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pytest

from bench.report import Report

ROOT: Final = Path(__file__).parents[2]
CHOSEN: Final = ("get", "readers_stalled", "drain", "pages")
BASELINES: Final = ("echo", "readers", "trail_writes")


def bench(*arguments: str, module: str = "bench") -> subprocess.CompletedProcess[str]:
    """Run `python -m bench`, or one of its other programs."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


class Measured(NamedTuple):
    """One quick round of some scenarios: what was printed, what it came to, and where the pictures are."""

    printed: str
    report: Report
    folder: Path


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """One run for all tests: stores, servers and load processes take longer to start than to be measured."""
    folder = tmp_path_factory.mktemp("bench")
    results = folder / "results.json"
    only = [argument for name in CHOSEN for argument in ("--only", name)]
    done = bench("--quick", *only, "--rounds", "1", "--json", str(results), "--out", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return Measured(done.stdout, msgspec.json.decode(results.read_bytes(), type=Report), folder)


@pytest.mark.timeout(300)
def test_scenarios_are_measured_beside_their_baselines(measured: Measured) -> None:
    """A table, JSON and a picture come out, without an error; other scenarios are not measured."""
    scenarios = measured.report.scenarios

    assert "GetSession / echo" in measured.printed
    assert scenarios.keys() == {*CHOSEN, *BASELINES}
    assert all(one.rate > 0 and not one.errors for one in scenarios.values())
    assert all(scenarios[name].p50 > 0 for name in ("echo", "get"))
    assert scenarios["get"].server_s > 0
    assert measured.report.figures["get/echo"].value > 0
    # By CPU time: beside other tests the rates of two moments say nothing.
    assert 0 < scenarios["echo"].server_s / scenarios["get"].server_s < 2
    assert (measured.folder / "latency.svg").exists()


def test_an_unknown_scenario_is_refused() -> None:
    """The names there are are told."""
    done = bench("--only", "nonsense")

    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "switch_paced" in done.stderr


def test_readers_are_timed_beside_one_that_is_stalled(measured: Measured) -> None:
    """The stalled reader offers 64 KB and is sent that and no more, while every message reaches the others."""
    found = measured.report.scenarios

    assert found["readers"].extra["taken_by_stalled_bytes"] == 0
    assert found["readers_stalled"].extra["taken_by_stalled_bytes"] == 65_535
    assert sum(found["readers_stalled"].histogram.values()) * 20 == sum(found["readers"].histogram.values()) * 19


def test_the_trail_is_measured(measured: Measured) -> None:
    """It is drained and read, without an error."""
    found = measured.report.scenarios

    assert sum(found["pages"].histogram.values()) == 10
    assert found["pages"].extra["first_p50_ms"] > 0


def test_calls_are_measured_without_grpc() -> None:
    """A row for every number of callers, and one for every step of a switch, of bounds and of limits."""
    done = bench("--sessions", "40", "--seconds", "0.1", module="bench.core")

    assert done.returncode == 0, done.stdout + done.stderr
    head, *lines = done.stdout.splitlines()
    rows, steps = lines[:4], lines[4:]
    assert head.split() == ["callers", "GetSession", "SwitchCycle"]
    assert [row.split()[0] for row in rows] == ["1", "4", "16", "32"]
    assert all(float(figure) > 0 for row in rows for figure in row.split()[1::2][:2])
    assert len(steps) == 7 + 4
    assert steps[6].startswith("the steps of a switch")


def test_a_model_is_held_to_runs(tmp_path: Path) -> None:
    """Its costs are measured, a run is beside what it says, and a plan comes out."""
    file = tmp_path / "scale.json"

    done = bench("--quick", "--size", "200", "--json", str(file), module="bench.scale")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "plans, at 60 % of every core" in done.stdout
    found = msgspec.json.decode(file.read_bytes())
    assert found["costs"]["switch_server_us"] > found["costs"]["switch_redis_us"] > 0
    (check,) = found["checks"]
    # Memory does not depend on what else runs here.
    assert check["redis_bytes"] == pytest.approx(check["predicted"][2], rel=0.1)
