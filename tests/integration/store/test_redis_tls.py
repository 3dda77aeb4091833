"""A server whose Redis is behind TLS: calls, and the line that hints come on."""

from pathlib import Path

import pytest
import trustme

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.application.errors import StoreUnavailable
from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, running_session, watching
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.tls_front import tls_front


async def test_sessions_are_changed_and_watched_over_tls(redis_server: RedisServer, tmp_path: Path) -> None:
    """`rediss://` is all it takes, and the authority's file if it is not one of the system's."""
    authority, trusted = trustme.CA(), tmp_path / "trusted.pem"
    authority.cert_pem.write_to_path(str(trusted))
    async with tls_front(redis_server.port, authority, is_asked=False) as front:
        url = f"rediss://localhost:{front.port}/0?ssl_ca_certs={trusted}"
        async with serving(settings_for(url, redis_timeout_s=10.0)) as server, connect(server.address) as stub:
            session = await running_session(stub)
            request = pb.WatchSessionRequest(session_id=session.session_id)
            async with watching(stub.WatchSession(request)) as recording:
                await recording.until(lambda r: r.of("snapshot"))
                await stub.PauseSession(pb.PauseSessionRequest(session_id=session.session_id))
                await recording.until(lambda r: r.of("event"))

        assert recording.versions == [3]
        assert front.secured >= 2


async def test_a_redis_that_nobody_vouches_for_is_not_spoken_to(redis_server: RedisServer) -> None:
    """The certificate is verified unless the URL says otherwise."""
    async with tls_front(redis_server.port, trustme.CA(), is_asked=False) as front:
        connections = RedisConnections(f"rediss://localhost:{front.port}/0", connect_timeout_s=10.0)

        with pytest.raises(StoreUnavailable) as refused:
            await connections.run([("PING",)])

        await connections.close()
        assert "certificate verify failed" in str(refused.value.__cause__)
        assert front.secured == 0
