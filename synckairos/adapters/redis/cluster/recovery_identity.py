"""The guard of a process that recovers what a cluster has lost: some partitions, or all of them.

A lost partition gets its name last. Until then `sk:{p}:meta` holds only the mark of the recovery, and servers refuse
what they do not find there. Where everything is lost, `sk:meta` is marked and named likewise, after all partitions.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.cluster.identity import AWAY, ClusterIdentityGuard, Survey
from synckairos.adapters.redis.connections.replies import checked
from synckairos.adapters.redis.identity import (
    LAYOUT_VERSION,
    MARK,
    Origin,
    StoreIdentity,
    StoreLayoutError,
    facts_of,
    identity_of,
    naming,
    strangeness_of,
)
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.recovery_identity import FINISHED, LOST_AGAIN
from synckairos.application.errors import StoreUnavailable
from synckairos.application.recovery import RecoveryOver

if TYPE_CHECKING:
    from synckairos.adapters.redis.connections.wire import RedisCommand


class ClusterRecoveryGuard(ClusterIdentityGuard):
    """Lets a recovery use partitions without a name, as long as they are those that the recovery began with.

    Several recoveries may share the marks, as on a single Redis.
    """

    def __init__(self, connections: ClusterConnections, keys: Keys, new_id: Callable[[], str]) -> None:
        super().__init__(connections, keys, new_id)
        self._marks: dict[str, str] = {}
        """The mark of each key that gets its name at the end; empty marks for a dry run that found none."""

    async def begin(self, *, is_dry: bool = False) -> bool:
        """Look at the store, and mark what it has lost unless the run is dry; return whether that is everything.

        `lost` has the partitions then. Raises StoreUnavailable, also while a node is away, and StoreLayoutError.
        """
        survey = await self._complete_survey()
        self._known = survey.identity()
        if self._known is not None and (strangeness := strangeness_of(self._known)):
            raise StoreLayoutError(strangeness)
        self._judge_parts(survey)
        lost = [self._meta(partition) for partition in sorted(self.lost)]
        if self._known is None:
            lost.append(self._keys.meta)
        if lost and not is_dry:
            mark = self._new_id()
            await self._connections.run([("HSETNX", key, MARK, mark) for key in lost])
            survey = await self._complete_survey()
        found = {self._meta(partition): facts for partition, facts in survey.parts.items()}
        found[self._keys.meta] = survey.whole
        self._marks = {key: (found[key] or {}).get(MARK, "") for key in lost}
        self._become(None)
        return self._known is None

    async def finish(self) -> StoreIdentity:
        """Give what was lost its name, so that running servers use it again, unless they use it anyway.

        Raises RecoveryOver if it has lost its data since the recovery began.
        """
        # All recoveries of a store share its mark: so they give all partitions the same new name.
        new_id = self._marks.get(self._keys.meta, "")
        identity = self._known or StoreIdentity(new_id, Origin.RECOVER, LAYOUT_VERSION, PARTITIONS)
        for key, mark in self._marks.items():
            await self._name_marked(key, mark, identity)
        survey = await self._complete_survey()
        if not survey.whole:
            await self._connections.run(naming(self._keys.meta, identity.store_id, identity.origin, self._all_named()))
        self._marks, self._known = {}, identity
        return identity

    async def _name_marked(self, key: str, mark: str, identity: StoreIdentity) -> None:
        look: list[RedisCommand] = [("WATCH", key), ("HGETALL", key)]
        while True:
            async with self._connections.lease(look) as (lease, replies):
                facts = facts_of(checked(replies)[1])
                if identity_of(facts) is not None:
                    await lease.ask([("UNWATCH",)])
                    return  # another recovery has finished, or an operator has accepted the loss
                if facts.get(MARK, "") != mark:
                    raise RecoveryOver(LOST_AGAIN)
                more = [self._all_named()] if key == self._keys.meta else []
                *_, results = await lease.ask(naming(key, identity.store_id, identity.origin, *more))
            if results is not None:
                checked(results)
                return

    async def _complete_survey(self) -> Survey:
        survey = await self._survey()
        if not survey.is_complete:
            raise StoreUnavailable("nodes of the cluster are away: what they hold would look lost")
        return survey

    async def _probe(self, *, may_init: bool) -> None:  # noqa: ARG002 - a recovery never names at the start
        survey = await self._survey()
        is_there = survey.whole is not None or any(facts is not None for facts in survey.parts.values())
        self._become(None if is_there else AWAY)

    def _trouble_of(self, partition: int, facts: Mapping[str, str]) -> StoreUnavailable | None:
        mark = self._marks.get(self._meta(partition))
        if mark is None:
            return super()._trouble_of(partition, facts)
        if facts.get(MARK, "") == mark:
            return None
        return RecoveryOver(LOST_AGAIN if identity_of(facts) is None else FINISHED)
