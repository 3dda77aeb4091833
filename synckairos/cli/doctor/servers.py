"""A server, if one answers."""

from typing import Final

from synckairos.cli import inspection
from synckairos.cli.doctor.findings import Finding, advice, fine, wrong
from synckairos.cli.sessions.connection import credentials
from synckairos.rpc.server import AUDIT_SERVICE, DISK

PATIENCE_S: Final = 3.0
SILENT: Final = ("UNREACHABLE", "SERVICE_UNKNOWN")


async def look_at_server(address: str, *, has_database: bool) -> list[Finding]:
    """Return what a server says of its health."""
    status = await inspection.health(address, "", PATIENCE_S, credentials())
    if status in SILENT:
        what = f"no server answers at {address}"
        return [advice("server.health", what, "name one with --address, or start it: synckairos serve")]
    if status != "SERVING":
        remedy = "see what is said of Redis; the server's log says why (store_not_ready, task_died)"
        return [wrong("server.health", f"the server at {address} says {status}", remedy)]
    found = [fine("server.health", f"the server at {address} says {status}")]
    disk = await inspection.health(address, DISK, PATIENCE_S, credentials())
    if disk == "NOT_SERVING":
        remedy = "a faster disk for the log of Redis, or appendfsync always"
        found.append(wrong("server.disk", "Redis' log is not kept up with, or off", remedy))
    trail = await inspection.health(address, AUDIT_SERVICE.full_name, PATIENCE_S, credentials())
    if has_database and trail == "NOT_SERVING":
        remedy = "see what is said of PostgreSQL, as that server reaches it"
        found.append(wrong("server.trail", "the server cannot read the audit trail", remedy))
    return found
