"""A server on a cluster behind TLS whose nodes let nobody in but one user."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trustme

from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.application.errors import StoreUnavailable
from synckairos.devstack import RedisServer
from synckairos.redis_urls import with_database
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, running_session, watching
from testing.harness.processes.cluster_group import ClusterGroup
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.tls_front import tls_front
from testing.harness.waiting import eventually

SESSIONS = 12
PATIENCE_S = 30.0


def told(group: ClusterGroup) -> set[tuple[str, int]]:
    """Return where nodes say that nodes are to be spoken to."""
    ranges = [one for server in group.servers for one in group.ask(server, "CLUSTER", "SLOTS")]
    return {(str(node[0]), int(node[1])) for _, _, node, *_ in ranges}


async def test_sessions_are_changed_and_watched_over_tls_by_a_user(
    redis_server: RedisServer, server_directory: Path, tmp_path: Path
) -> None:
    """One node is named: the others are found, over TLS and by the same user; who is not that user stays out."""
    authority, trusted = trustme.CA(), tmp_path / "trusted.pem"
    authority.cert_pem.write_to_path(str(trusted))
    async with AsyncExitStack() as stack:
        group = stack.enter_context(ClusterGroup(server_directory, replicas=0))
        nodes = [
            (server, await stack.enter_async_context(tls_front(server.port, authority, is_asked=False)))
            for server in group.servers
        ]
        for server, front in nodes:
            group.ask(server, "CONFIG", "SET", "cluster-announce-port", front.port)
            group.ask(server, "CONFIG", "SET", "cluster-announce-hostname", "localhost")
            group.ask(server, "CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname")
            group.ask(server, "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all")
        fronts = {("localhost", front.port) for _, front in nodes}
        await eventually(lambda: told(group) == fronts, PATIENCE_S)
        for server, _ in nodes:
            group.ask(server, "ACL", "SETUSER", "default", "off")
        address = f"localhost:{nodes[0][1].port}?ssl_ca_certs={trusted}"
        settings = settings_for(
            f"rediss+cluster://app:secret@{address}",
            redis_timeout_s=10.0,
            broker_url=with_database(redis_server.url, 9),
        )
        async with serving(settings) as server, connect(server.address) as stub:
            session_ids = [(await running_session(stub)).session_id for _ in range(SESSIONS)]
            request = pb.WatchSessionsRequest(watches=[pb.SessionWatch(session_id=one) for one in session_ids])
            async with watching(stub.WatchSessions(request)) as recording:
                await recording.until(lambda r: len(r.of("snapshot")) == SESSIONS)
                for session_id in session_ids:
                    await stub.PauseSession(pb.PauseSessionRequest(session_id=session_id))
                await recording.until(lambda r: len(r.of("event")) == SESSIONS)
        strangers = ClusterConnections(f"rediss+cluster://app:wrong@{address}", connect_timeout_s=10.0)
        with pytest.raises(StoreUnavailable):
            await strangers.run([("GET", "anything")])
        await strangers.close()

        assert all(front.secured for _, front in nodes)
