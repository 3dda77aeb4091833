"""The model: what people do, times what each of it costs, is what a deployment needs.

Everything is linear: a session is one key, a switch is one commit wherever it comes, and no server knows of another.
What is not linear (batches that grow with the load, caches that stop to fit) makes a busy deployment cheaper than this
says, or shows in the runs beside it.
"""

from math import ceil
from typing import Final, NamedTuple

BUSY: Final = 0.6
"""Of a core: how much of it is planned for; the rest is for peaks, and for a server that is away."""
ENVELOPE_BYTES: Final = 120
"""Of headers and frames, that a call or a message has beside its own bytes: TCP/IP, HTTP/2, gRPC."""


class Costs(NamedTuple):
    """The cost of each thing; CPU in us, memory and messages in bytes. All but the last two are measured."""

    idle_server_cores: float
    """Of a server that nobody calls."""
    idle_redis_cores: float
    switch_server_us: float
    switch_redis_us: float
    event_us: float
    """Of the server, to send a change to one watcher."""
    tick_us: float
    expiry_server_us: float
    expiry_redis_us: float
    session_bytes: float
    """Of Redis, state and indexes."""
    stream_bytes: float
    """Of Redis, what a session's events take before the first one."""
    event_bytes: float
    """Of Redis, a retained event."""
    watcher_bytes: float
    """Of a server's memory, an open stream."""
    message_bytes: float = 700
    """Of a session as it travels, in a reply or an event: assumed."""
    tick_bytes: float = 60
    """Assumed, too."""


ASSUMED: Final = ("message_bytes", "tick_bytes")


class Demand(NamedTuple):
    """What people do at the same time; rates a second."""

    sessions: int
    watchers: int = 0
    switches: float = 0.0
    ticks: float = 0.0
    """Of all watchers together."""
    expiries: float = 0.0
    retained: int = 16
    """Events a session."""

    @property
    def events(self) -> float:
        """Changes sent to watchers a second, if every session has as many watchers as any other."""
        return (self.switches + self.expiries) * self.watchers / self.sessions if self.sessions else 0.0


class Need(NamedTuple):
    """What that takes: cores that are busy all the time, bytes, and bytes a second to clients."""

    server_cores: float
    redis_cores: float
    redis_bytes: float
    server_bytes: float
    network_bytes: float


class Plan(NamedTuple):
    """Machines that keep room: processes of servers, masters of Redis, and the memory of each master."""

    servers: int
    masters: int
    master_bytes: float


def need(demand: Demand, costs: Costs) -> Need:
    """Return what a demand takes of one server and one Redis, however many of them share it."""
    server_us = (
        demand.switches * costs.switch_server_us
        + demand.expiries * costs.expiry_server_us
        + demand.events * costs.event_us
        + demand.ticks * costs.tick_us
    )
    redis_us = demand.switches * costs.switch_redis_us + demand.expiries * costs.expiry_redis_us
    sent = (demand.switches + demand.events) * (costs.message_bytes + ENVELOPE_BYTES)
    return Need(
        server_cores=costs.idle_server_cores + server_us / 1e6,
        redis_cores=costs.idle_redis_cores + redis_us / 1e6,
        redis_bytes=demand.sessions * (costs.session_bytes + costs.stream_bytes + demand.retained * costs.event_bytes),
        server_bytes=demand.watchers * costs.watcher_bytes,
        network_bytes=sent + demand.ticks * (costs.tick_bytes + ENVELOPE_BYTES),
    )


def plan(needed: Need, most_bytes: float) -> Plan:
    """Return the machines for a need, if a master may hold so many bytes."""
    masters = max(1, ceil(needed.redis_cores / BUSY), ceil(needed.redis_bytes / most_bytes))
    return Plan(max(1, ceil(needed.server_cores / BUSY)), masters, needed.redis_bytes / masters)
