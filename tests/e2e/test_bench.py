"""The benchmarks, run as their users run them, on the smallest size."""

import subprocess
import sys
from pathlib import Path

import msgspec

from bench.report import Report

ROOT = Path(__file__).parents[2]


def bench(*arguments: str, module: str = "bench") -> subprocess.CompletedProcess[str]:
    """Run `python -m bench`, or one of its other programs."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_scenario_is_measured_beside_its_baseline(tmp_path: Path) -> None:
    """A table, JSON and a picture come out, without an error; what was not asked for is not measured."""
    results = tmp_path / "results.json"

    done = bench("--quick", "--only", "get", "--rounds", "1", "--json", str(results), "--out", str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "GetSession / echo" in done.stdout
    report = msgspec.json.decode(results.read_bytes(), type=Report)
    assert report.scenarios.keys() == {"echo", "get"}
    assert all(one.rate > 0 and one.p50 > 0 and not one.errors for one in report.scenarios.values())
    assert report.scenarios["get"].server_s > 0
    assert 0 < report.figures["get/echo"].value < 2
    assert (tmp_path / "latency.svg").exists()


def test_an_unknown_scenario_is_refused() -> None:
    """The names there are are told."""
    done = bench("--only", "nonsense")

    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "switch_paced" in done.stderr


def test_readers_are_timed_beside_one_that_is_stalled() -> None:
    """Whoever offers 64 KB is sent that and no more, while every message reaches the others."""
    done = bench("--readers", "20", "--changes", "5", "--rounds", "1", module="bench.slow_reader")

    assert done.returncode == 0, done.stdout + done.stderr
    without, stalled, ratio = done.stdout.splitlines()
    assert without.startswith("none stalled: 100 messages")
    assert stalled.startswith("one stalled: 95 messages")
    assert stalled.endswith("it took 65,535 bytes")
    assert ratio.startswith("p99 of the others")


def test_calls_are_measured_without_grpc() -> None:
    """A row for every number of callers, and what the pieces take by themselves."""
    done = bench("--sessions", "40", "--seconds", "0.1", module="bench.core")

    assert done.returncode == 0, done.stdout + done.stderr
    head, *rows, pieces = done.stdout.splitlines()
    assert head.split() == ["callers", "GetSession", "SwitchCycle"]
    assert [row.split()[0] for row in rows] == ["1", "4", "16", "32"]
    assert all(float(figure) > 0 for row in rows for figure in row.split()[1::2][:2])
    assert pieces.startswith("the pieces of a switch")
