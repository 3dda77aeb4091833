"""Fair rounds: scenarios that are compared are measured in turn, A B A B, so that a slow machine slows down both."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.load.load_pool import Measurement
from bench.scenarios.base import Scenario
from bench.testbed import Testbed


@dataclass(slots=True)
class Round:
    """One measurement, and those of the baselines made right before it."""

    measured: Measurement
    baselines: dict[str, Measurement] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """All rounds of a scenario."""

    scenario: Scenario
    rounds: list[Round] = field(default_factory=list)


class Rounds:
    """Measures scenarios and their baselines."""

    def __init__(self, testbed: Testbed, catalogue: Sequence[Scenario], on_step: Callable[[str], None]) -> None:
        self._testbed = testbed
        self._catalogue = {scenario.name: scenario for scenario in catalogue}
        self._on_step = on_step
        self._prepared: set[str] = set()
        self._measured_at: dict[str, float] = {}
        self.outcomes: dict[str, Outcome] = {}

    async def run(self, names: Sequence[str], rounds: int, single_rounds: int) -> Mapping[str, Outcome]:
        """Measure the scenarios of these names, those that take turns first."""
        chosen = [self._catalogue[name] for name in names]
        turns = [scenario for scenario in chosen if scenario.takes_turns]
        for scenario in self._with_baselines(turns):
            await self._prepare(scenario)
        for _ in range(rounds):
            for scenario in turns:
                await self._round(scenario)
        for scenario in self._with_baselines(turns):
            await scenario.finish(self._testbed)
        for scenario in chosen:
            if not scenario.takes_turns:
                for _ in range(single_rounds):
                    await self._round(scenario)
        return self.outcomes

    async def _round(self, scenario: Scenario) -> None:
        self._on_step(scenario.name)
        baselines = {name: await self._fresh(name) for name in scenario.against}
        await self._measure(scenario, baselines)

    async def _fresh(self, name: str) -> Measurement:
        """Return a baseline's last measurement, made anew if it is not fresh."""
        age = time.monotonic() - self._measured_at.get(name, float("-inf"))
        if age > self._testbed.sizes.fresh_s:
            scenario = self._catalogue[name]
            needed = [other for other in scenario.against if other not in self._measured_at]
            for other in needed:
                await self._fresh(other)
            await self._measure(scenario, {})
        return self._testbed.latest[name]

    async def _measure(self, scenario: Scenario, baselines: dict[str, Measurement]) -> None:
        await self._prepare(scenario)
        measured = await scenario.measure(self._testbed)
        self._measured_at[scenario.name] = time.monotonic()
        self._testbed.latest[scenario.name] = measured
        outcome = self.outcomes.setdefault(scenario.name, Outcome(scenario))
        outcome.rounds.append(Round(measured, baselines))

    async def _prepare(self, scenario: Scenario) -> None:
        if scenario.name not in self._prepared:
            self._prepared.add(scenario.name)
            await scenario.prepare(self._testbed)

    def _with_baselines(self, scenarios: Iterable[Scenario]) -> list[Scenario]:
        """Return the scenarios and all their baselines, each baseline before the scenarios that need it."""
        found: dict[str, Scenario] = {}
        for scenario in scenarios:
            for other in self._with_baselines([self._catalogue[name] for name in scenario.against]):
                found[other.name] = other
            found[scenario.name] = scenario
        return list(found.values())
