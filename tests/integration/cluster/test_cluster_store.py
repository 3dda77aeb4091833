"""The store on a cluster whose nodes fail one by one."""

import asyncio
from pathlib import Path

from synckairos.application.errors import ShardUnavailable
from testing.harness.processes.cluster_group import ClusterGroup
from tests.contract.decisions import new_id, running
from tests.contract.store_process import StoreProcess


async def test_a_node_that_hangs_holds_up_no_reader_of_another(server_directory: Path) -> None:
    """Who asks for its sessions waits in vain; the others are answered meanwhile."""
    with ClusterGroup(server_directory, replicas=0) as group:
        async with StoreProcess(group.url, f"c{new_id()[:12]}") as process:
            session_ids = [(await running(process.store)).session_id for _ in range(12)]
            frozen = group.masters()[1]
            master_of = {sid: group.master_of(process.keys.of(sid).session) for sid in session_ids}
            theirs = [sid for sid in session_ids if master_of[sid] is frozen]
            others = [sid for sid in session_ids if sid not in theirs]
            frozen.pause()

            waiting = [asyncio.ensure_future(process.store.read([sid])) for sid in theirs]
            read = await asyncio.gather(*(process.store.read([sid]) for sid in others))

            assert not any(task.done() for task in waiting)
            assert [reading.session is not None for (reading,) in read] == [True] * len(others)
            lost = await asyncio.gather(*waiting)
            assert all(isinstance(reading.problem, ShardUnavailable) for (reading,) in lost)
