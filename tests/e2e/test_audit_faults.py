"""The fault runs of `bench/audit_faults.py` in short: what was answered OK is in PostgreSQL once, whatever broke.

Those that need only the worker, PostgreSQL or the broker to break are in test_audit_pipeline.py.
"""

from collections.abc import Callable

import pytest

from bench.audit_faults import POWER_LOSS, Outcome, play


def _figures(outcome: Outcome) -> str:
    counts = ", ".join(f"{name} {count:,}" for name, count in outcome.verdict._asdict().items())
    return f"{outcome.name}: {counts}; drained {outcome.drained_after_s:.1f} s after the last call"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["server-killed", "redis-killed"])
async def test_nothing_is_lost_and_nothing_doubled(name: str, measured: Callable[[str], None]) -> None:
    """A server or Redis dies under load, and every change somebody was told about is there exactly once."""
    outcome = await play(name, 1_500, 0.0, lambda _: None)

    measured(_figures(outcome))
    assert outcome.verdict.told >= 1_500
    assert outcome.verdict.is_clean, outcome


@pytest.mark.timeout(240)
async def test_a_power_loss_costs_no_more_than_the_policy_says(measured: Callable[[str], None]) -> None:
    """What the file had lost is lost, nothing before it; both branches are kept, and watchers are told."""
    outcome = await play(POWER_LOSS, 2_500, 0.0, lambda _: None)

    assert outcome.rollback is not None
    measured(_figures(outcome))
    measured(outcome.rollback.text)
    assert outcome.rollback.lost_before == 0
    assert outcome.rollback.gaps == outcome.rollback.watched
    assert outcome.verdict.forks >= 2 * outcome.rollback.watched
    assert outcome.verdict.unflagged == 0
    assert outcome.verdict.holes == 0
    assert outcome.verdict.doubled == 0
