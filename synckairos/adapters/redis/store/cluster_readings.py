"""Reads sessions for many callers from all nodes of a cluster at once, each as of the clock of its own node."""

from collections.abc import Sequence

from redis.crc import key_slot

from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.cluster.answers import Answer
from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.cluster.identity import ClusterIdentityGuard
from synckairos.adapters.redis.keys import TAGS, Keys, partition_of
from synckairos.adapters.redis.store.readings import Readings, reading_or_problem
from synckairos.adapters.redis.values.decoded_sessions import DecodedSessions
from synckairos.application.errors import ShardUnavailable
from synckairos.application.ports import Reading


class ClusterReadings(Readings):
    """Reads sessions; those of a node that is away, or has lost its data, are the only ones that are missed."""

    def __init__(
        self,
        connections: ClusterConnections,
        guard: ClusterIdentityGuard,
        keys: Keys,
        clock: EstimatedClock,
        decoded: DecodedSessions,
    ) -> None:
        super().__init__(connections, guard, keys, clock, decoded)
        self._nodes = connections
        self._shards = guard
        self._lines: dict[str, int] = {}

    def _line_of(self, session_ids: Sequence[str]) -> int:
        """Return the line of the one session's node: one that hangs holds up no reader of another."""
        if len(session_ids) != 1:
            return 0
        node = self._nodes.node_of(key_slot(TAGS[partition_of(session_ids[0])].encode()))
        return self._lines.setdefault(node, len(self._lines) + 1)

    async def _exchange(self, session_ids: Sequence[str]) -> dict[str, Reading | Exception]:
        self._guard.require()
        answers = await self._nodes.answers([("GET", self._keys.of(sid).session) for sid in session_ids])
        readings = {sid: self._reading(sid, answer) for sid, answer in zip(session_ids, answers, strict=True)}
        absent = [sid for sid, one in readings.items() if isinstance(one, Reading) and _is_absent(one)]
        if absent:
            problems = await self._shards.problems({partition_of(sid) for sid in absent})
            for sid in absent:
                if problem := problems.get(partition_of(sid)):
                    readings[sid] = self._missed(sid, str(problem))
        return readings

    def _reading(self, session_id: str, answer: Answer) -> Reading | Exception:
        if answer.problem is not None or answer.instant is None:
            return self._missed(session_id, str(answer.problem))
        node, time, lent_s = answer.instant
        now_us = self._clock.read(time, lent_s, node)
        return reading_or_problem(self._decoded, session_id, answer.replies[0], now_us)

    def _missed(self, session_id: str, why: str) -> Reading:
        return Reading(None, self._clock.now_us(), problem=ShardUnavailable(why, session_id=session_id))


def _is_absent(reading: Reading) -> bool:
    return reading.session is None and reading.problem is None
