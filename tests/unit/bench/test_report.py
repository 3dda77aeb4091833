"""Figures follow from rounds, summaries from their medians, and pictures from what there is enough of."""

from collections import Counter, defaultdict
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
import typer
from rich.console import Console

from bench import figures, main, thresholds
from bench.load.load_pool import Measurement
from bench.main import AGAIN, checked_names, chosen_names
from bench.pictures import draw
from bench.report import Report, errors_of, report_of, show, summed_up
from bench.rounds import Outcome, Round
from bench.scenarios import catalogue
from bench.scenarios.base import Scenario
from bench.sizes import FULL, QUICK, Sizes

SCENARIOS = {scenario.name: scenario for scenario in catalogue(FULL)}
MACHINE: dict[str, str | int] = {"cores": 2, "python": "3.11.7", "store": "valkey 9.1.2"}


def measured(calls: int, *, latency: float = 0.001, errors: int = 0, server: float = 0.5) -> Measurement:
    """Return a measurement of one second."""
    return Measurement(
        calls=calls,
        seconds=1.0,
        latencies=[latency] * calls,
        errors=Counter({"14: gone": errors} if errors else {}),
        cpu_s={"server": server, "load": 0.1},
    )


def outcome(name: str, *rounds: Round) -> Outcome:
    """Return an outcome of a scenario of the catalogue."""
    return Outcome(SCENARIOS[name], list(rounds))


def reported(outcomes: dict[str, Outcome]) -> Report:
    """Return the report of a full run."""
    return report_of(outcomes, figures.computed(outcomes, FULL.participants), MACHINE, is_quick=False)


def test_a_ratio_is_the_median_of_those_of_the_rounds() -> None:
    """Each round is compared with the baseline made beside it: a machine that halves its speed changes nothing."""
    get = outcome(
        "get",
        Round(measured(700), {"echo": measured(1_000)}),
        Round(measured(350), {"echo": measured(500)}),
        Round(measured(100), {"echo": measured(1_000)}),
    )

    assert figures.computed({"get": get}, ())["get/echo"][1] == pytest.approx(0.7)


def test_rounds_without_their_baselines_make_no_figure() -> None:
    """A scenario that only served as a baseline itself was compared with nothing."""
    assert figures.computed({"get": outcome("get", Round(measured(700)))}, ()) == {}


def test_the_floor_of_one_caller_is_the_sum_of_its_parts() -> None:
    """The p50 is held against the echo's and the bare transaction's together."""
    one = Round(
        measured(10, latency=0.0012), {"echo_1": measured(10, latency=0.0005), "bare_1": measured(10, latency=0.0003)}
    )

    assert figures.computed({"switch_1": outcome("switch_1", one)}, ())["switch_1/floor"][1] == pytest.approx(1.5)


def test_the_slowest_call_is_that_of_all_rounds() -> None:
    """A median would hide it."""
    rounds = [Round(measured(5, latency=latency), {"switch": measured(5)}) for latency in (0.010, 0.200, 0.010)]

    found = figures.computed({"contended": outcome("contended", *rounds)}, ())

    assert found["contended_max_ms"][1] == pytest.approx(200)


def test_a_summary_takes_medians_but_every_error() -> None:
    """Rates and CPU are medians, errors are summed up."""
    get = outcome("get", *(Round(measured(calls, errors=errors)) for calls, errors in ((100, 0), (300, 2), (200, 1))))

    summary = summed_up(get)

    assert (summary.rate, summary.rounds, summary.errors) == (200, 3, {"14: gone": 3})
    assert summary.server_s == pytest.approx(2.5)
    assert summary.p50 == pytest.approx(1.0)
    assert sum(summary.histogram.values()) == 600


def test_errors_are_told_by_scenario() -> None:
    """One is enough to make a run fail."""
    report = reported(
        {"get": outcome("get", Round(measured(10, errors=1))), "echo": outcome("echo", Round(measured(9)))}
    )

    assert errors_of(report) == {"get": {"14: gone": 1}}


def test_a_report_survives_its_file_and_can_be_read() -> None:
    """A report comes back from JSON the same, and the table names the missed bounds."""
    report = reported({"get": outcome("get", Round(measured(100, errors=2), {"echo": measured(1_000)}))})
    text = StringIO()

    again = msgspec.json.decode(msgspec.json.encode(report), type=Report)
    show(again, Console(file=text, width=120))

    assert again == report
    assert "missed" in text.getvalue()
    assert "get: 2 x 14: gone" in text.getvalue()


def test_every_figure_is_of_a_scenario_and_compares_what_is_measured_beside_it() -> None:
    """A figure of a missing scenario would silently never be shown."""
    for figure in figures.FIGURES:
        scenario = SCENARIOS[figure.scenario]
        baselines = {name: measured(10) for name in scenario.against}
        one = measured(10)
        one.extra = defaultdict(lambda: 1.0)

        assert figure.of(Round(one, baselines)) >= 0


def test_every_threshold_has_a_figure() -> None:
    """Else it would hold nothing."""
    assert {one.figure for one in thresholds.THRESHOLDS} <= {figure.name for figure in figures.FIGURES}


@pytest.mark.parametrize("sizes", [FULL, QUICK])
def test_the_catalogue_compares_only_with_what_is_in_it(sizes: Sizes) -> None:
    """Names are unique, and every baseline is there."""
    scenarios = catalogue(sizes)
    names = [scenario.name for scenario in scenarios]

    assert len(names) == len(set(names))
    assert {base for scenario in scenarios for base in scenario.against} <= set(names)


def test_pictures_show_what_there_is(tmp_path: Path) -> None:
    """A spread for each scenario with enough latencies, a curve for a scenario measured at two sizes."""
    report = reported(
        {
            "get": outcome("get", Round(measured(100))),
            "switch": outcome("switch", Round(measured(80))),
            "switch_10p": outcome("switch_10p", Round(measured(60))),
            "start": outcome("start", Round(measured(5))),
        }
    )

    written = {path.name: path.read_text() for path in draw(report, tmp_path)}

    assert written.keys() == {"latency.svg", "scaling.svg"}
    for picture in written.values():
        ET.fromstring(picture)
    assert ">get<" in written["latency.svg"]
    assert ">start<" not in written["latency.svg"]
    assert "by participants" in written["scaling.svg"]
    assert "live sessions" not in written["scaling.svg"]


def test_no_picture_of_nothing(tmp_path: Path) -> None:
    """A run of almost nothing leaves no empty picture behind."""
    assert draw(reported({"start": outcome("start", Round(measured(5)))}), tmp_path) == []


def test_a_quick_check_measures_what_it_looks_at() -> None:
    """And nothing that has no bound there, so that the minute goes into more rounds."""
    names = checked_names(list(SCENARIOS.values()), thresholds.QUICK)

    assert {"get", "switch", "switch_1", "contended", "storm", "size_large", "weight"} <= set(names)
    assert {"mixed", "switch_paced", "expiry", "echo"}.isdisjoint(names)
    assert checked_names(list(SCENARIOS.values()), {"contended/switch"}) == ["contended"]


@pytest.mark.parametrize(
    ("gets", "runs", "ends_with"),
    [([700], 1, 0), ([500, 700], 2, 0), ([500, 500, 700], 3, 0), ([500] * (1 + AGAIN), 1 + AGAIN, 1)],
)
def test_what_fell_behind_is_measured_again(
    gets: list[int], runs: int, ends_with: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad minute of the machine passes; what is slower falls behind each time."""
    asked: list[list[str]] = []

    async def run(sizes: Sizes, scenarios: list[Scenario], names: list[str]) -> Report:
        del sizes, scenarios
        asked.append(names)
        of_get = Round(measured(gets[len(asked) - 1]), {"echo": measured(1_000)})
        outcomes = {"get": outcome("get", of_get)}
        return report_of(outcomes, figures.computed(outcomes, ()), MACHINE, is_quick=True)

    monkeypatch.setattr(main, "run", run)

    with pytest.raises(SystemExit) as ended:
        main.main(quick=True, check=True)

    assert ended.value.code == ends_with
    assert len(asked) == runs
    assert all(names == ["get"] for names in asked[1:])


def test_scenarios_are_measured_in_the_order_of_the_catalogue() -> None:
    """All but baselines by default; a name that there is not is refused."""
    scenarios = list(SCENARIOS.values())

    assert chosen_names(scenarios, ["switch", "get"]) == ["get", "switch"]
    assert "echo" not in chosen_names(scenarios, [])
    with pytest.raises(typer.BadParameter, match="nonsense"):
        chosen_names(scenarios, ["nonsense"])
