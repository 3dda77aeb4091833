"""The cluster of the tests is a real one: a replica takes over, and slots move with what is in them."""

from pathlib import Path

from testing.harness.processes.cluster_group import MASTERS, ClusterGroup


def test_a_replica_takes_over_and_slots_move(server_directory: Path) -> None:
    """What was written is found at whoever has it then."""
    with ClusterGroup(server_directory) as group:
        assert len(group.masters()) == MASTERS
        former = group.master_of("{a}")
        group.ask(former, "SET", "{a}1", "one")
        group.ask(former, "SET", "{a}2", "two")
        assert group.ask(former, "WAIT", 1, 5_000) == 1

        former.kill()
        heir = group.await_another("{a}", former)
        another = next(master for master in group.masters() if master is not heir)
        group.move("{a}", another)

        assert group.master_of("{a}") is another
        assert [group.ask(another, "GET", key) for key in ("{a}1", "{a}2")] == ["one", "two"]
