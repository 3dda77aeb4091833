"""Whether Redis' log keeps up with what Redis answers.

While its disk is slow, Redis holds back what it has to write, and answers all the same.
"""

from typing import NamedTuple

from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.pool import RedisConnections


class LogState(NamedTuple):
    """The log as INFO shows it: bytes held back, syncs under way, and writes ever held back for a sync over 2 s."""

    is_on: bool
    held_bytes: int
    pending_fsyncs: int
    delayed_fsyncs: int
    is_written: bool
    """Whether the latest write went well."""


class RedisDisk:
    """Reads how far the log is behind."""

    def __init__(self, connections: RedisConnections) -> None:
        self._connections = connections

    async def state(self) -> LogState | None:
        """Return the state of the log, None without the right to ask; raises StoreUnavailable.

        Of a cluster, whatever is worst at any of its nodes.
        """
        try:
            found = await self._connections.everywhere([("INFO", "persistence")])
        except ResponseError:
            return None
        states = [_state(bytes(text)) for (text,) in found]
        return LogState(
            all(state.is_on for state in states),
            max(state.held_bytes for state in states),
            max(state.pending_fsyncs for state in states),
            sum(state.delayed_fsyncs for state in states),
            all(state.is_written for state in states),
        )


def _state(text: bytes) -> LogState:
    lines = [line.partition(":") for line in text.decode(errors="replace").splitlines()]
    told = {name: value for name, _, value in lines}
    return LogState(
        told.get("aof_enabled") == "1",
        int(told.get("aof_buffer_length", 0)),
        int(told.get("aof_pending_bio_fsync", 0)),
        int(told.get("aof_delayed_fsync", 0)),
        told.get("aof_last_write_status", "ok") == "ok",
    )
