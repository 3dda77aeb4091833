"""The benchmarks, run as their users run them, on the smallest size."""

import subprocess
import sys
from pathlib import Path

import msgspec

from bench.report import Report, Summary

ROOT = Path(__file__).parents[2]


def bench(*arguments: str, module: str = "bench") -> subprocess.CompletedProcess[str]:
    """Run `python -m bench`, or one of its other programs."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_scenario_is_measured_beside_its_baseline(tmp_path: Path) -> None:
    """A table, JSON and a picture come out, without an error; other scenarios are not measured."""
    results = tmp_path / "results.json"

    done = bench("--quick", "--only", "get", "--rounds", "1", "--json", str(results), "--out", str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "GetSession / echo" in done.stdout
    report = msgspec.json.decode(results.read_bytes(), type=Report)
    assert report.scenarios.keys() == {"echo", "get"}
    assert all(one.rate > 0 and one.p50 > 0 and not one.errors for one in report.scenarios.values())
    assert report.scenarios["get"].server_s > 0
    assert report.figures["get/echo"].value > 0
    # By CPU time: beside other tests the rates of two moments say nothing.
    assert 0 < report.scenarios["echo"].server_s / report.scenarios["get"].server_s < 2
    assert (tmp_path / "latency.svg").exists()


def test_an_unknown_scenario_is_refused() -> None:
    """The names there are are told."""
    done = bench("--only", "nonsense")

    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "switch_paced" in done.stderr


def test_readers_are_timed_beside_one_that_is_stalled(tmp_path: Path) -> None:
    """The stalled reader offers 64 KB and is sent that and no more, while every message reaches the others."""
    found = measured(tmp_path, "readers_stalled")

    assert found["readers"].extra["taken_by_stalled_bytes"] == 0
    assert found["readers_stalled"].extra["taken_by_stalled_bytes"] == 65_535
    assert sum(found["readers_stalled"].histogram.values()) * 20 == sum(found["readers"].histogram.values()) * 19


def test_the_trail_is_measured(tmp_path: Path) -> None:
    """It is drained, read, away and recovered from, without an error."""
    found = measured(tmp_path, "drain", "pages", "recovery", "switch_outage")

    assert found.keys() == {"trail_writes", "drain", "pages", "recovery", "switch_outage", "echo", "bare", "switch"}
    assert all(one.rate > 0 for one in found.values())
    assert sum(found["pages"].histogram.values()) == 10
    assert found["pages"].extra["first_p50_ms"] > 0


def measured(directory: Path, *names: str) -> dict[str, Summary]:
    """Measure one quick round of these scenarios; return what came of them and their baselines."""
    only = [argument for name in names for argument in ("--only", name)]
    done = bench("--quick", *only, "--rounds", "1", "--json", str(directory / "results.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    return msgspec.json.decode((directory / "results.json").read_bytes(), type=Report).scenarios


def test_calls_are_measured_without_grpc() -> None:
    """A row for every number of callers, and one for every step of a switch."""
    done = bench("--sessions", "40", "--seconds", "0.1", module="bench.core")

    assert done.returncode == 0, done.stdout + done.stderr
    head, *lines = done.stdout.splitlines()
    rows, steps = lines[:4], lines[4:]
    assert head.split() == ["callers", "GetSession", "SwitchCycle"]
    assert [row.split()[0] for row in rows] == ["1", "4", "16", "32"]
    assert all(float(figure) > 0 for row in rows for figure in row.split()[1::2][:2])
    assert len(steps) == 7
    assert steps[-1].startswith("the steps of a switch")
