"""The schedule is a function of its seed, and keeps apart what could not be judged together."""

from collections import Counter
from itertools import combinations

import pytest

from testing.robustness.schedule import KINDS, LONGEST_STEP_BACK_MS, FaultKind, Topology, schedule


@pytest.mark.parametrize("topology", Topology)
@pytest.mark.parametrize("seed", range(20))
def test_every_kind_comes_before_any_comes_twice(seed: int, topology: Topology) -> None:
    """A long run has them all, as often as each other give or take one, and no others."""
    planned = schedule(seed, 600.0, 3, topology)

    kinds = [fault.kind for fault in planned]
    counts = [kinds.count(kind) for kind in KINDS[topology]]
    assert min(counts) >= 3
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == len(planned)
    assert planned == schedule(seed, 600.0, 3, topology)
    assert planned != schedule(seed + 1, 600.0, 3, topology)


@pytest.mark.parametrize("seed", range(20))
def test_slots_move_between_shards_that_are_spared(seed: int) -> None:
    """What moves them counts from the shard that another fault breaks at the same time."""
    planned = schedule(seed, 600.0, 3, Topology.CLUSTER)

    moves = {fault.at_s: fault.target for fault in planned if fault.kind is FaultKind.SLOTS_MOVED}
    beside = [fault for fault in planned if fault.at_s in moves]
    assert len(beside) > len(moves)
    assert all(fault.target == moves[fault.at_s] for fault in beside)


@pytest.mark.parametrize("seed", range(20))
def test_some_faults_come_two_at_once(seed: int) -> None:
    """Never more, never two of a kind, and none that takes changes from the store or moves its clock."""
    instants = Counter(fault.at_s for fault in schedule(seed, 600.0, 3))
    together = [fault.kind for fault in schedule(seed, 600.0, 3) if instants[fault.at_s] > 1]

    assert max(instants.values()) == 2
    assert len(together) >= 10
    assert not {FaultKind.POWER_LOST, FaultKind.DISK_SLOW_KILLED, FaultKind.CLOCK_BACK, FaultKind.SERVER_STOPPED} & set(
        together
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_power_loss_is_far_from_a_step_back(seed: int) -> None:
    """So that instants tell versions before a power loss from those after it."""
    planned = schedule(seed, 600.0, 3)

    assert all(fault.at_s + fault.for_s <= 600 for fault in planned)
    for one, other in combinations(planned, 2):
        if one.at_s != other.at_s:
            assert (other.at_s - one.at_s - one.for_s) * 1_000 > LONGEST_STEP_BACK_MS
