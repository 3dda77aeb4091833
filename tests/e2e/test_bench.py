"""The benchmarks, run as their users run them, on the smallest size."""

import subprocess
import sys
from pathlib import Path

import msgspec

from bench.report import Report

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m bench`."""
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
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
