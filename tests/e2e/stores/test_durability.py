"""Acknowledged changes over failovers: none is lost where a replica has had to have each of them."""

from collections.abc import Callable
from pathlib import Path

from testing.robustness.primary_kills import lost_over

KILLS = 10
"""`make failovers` makes a hundred of them."""


async def test_no_acknowledged_change_is_lost(server_directory: Path, measured: Callable[[str], None]) -> None:
    """Primaries die one after the other, each while its replica is behind, which takes its place."""
    tally = await lost_over(KILLS, "replicas:1", server_directory)

    measured(f"{tally.kills} primaries killed: {tally.lost} of {tally.acknowledged} acknowledged changes lost")
    assert tally.kills == KILLS
    assert tally.unknown > 0, "no change was under way"
    assert tally.lost == 0


async def test_memory_loses_what_no_replica_has_had(server_directory: Path, measured: Callable[[str], None]) -> None:
    """As documented; and the count above would tell."""
    tally = await lost_over(1, "memory", server_directory)

    measured(f"in memory: {tally.lost} of {tally.acknowledged} acknowledged changes lost")
    assert tally.lost > 0
