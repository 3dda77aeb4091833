"""Whether each part of a cluster's store can be trusted: the shards may lose their data one by one.

`sk:{p}:meta` in each partition names the store as `sk:meta` does. A shard that has lost it has lost its sessions too,
and they alone are refused, until an operator accepts the loss (`synckairos store init --partition`). `sk:meta` says
besides that all partitions have been named once: one that has no name after that has lost it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import structlog
from redis.exceptions import ResponseError

from synckairos.adapters.redis.cluster.answers import Answer
from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.cluster.routing import partition_of_slot
from synckairos.adapters.redis.connections.pool import Lease
from synckairos.adapters.redis.connections.replies import checked
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.identity import (
    Origin,
    StoreIdentity,
    StoreIdentityGuard,
    facts_of,
    identity_of,
    namelessness_of,
    naming,
)
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.application.errors import StoreUnavailable

NAMED: Final = "named"
"""The field of `sk:meta` that says that every partition has been given its name."""
COVERAGE: Final = "cluster-require-full-coverage"
AWAY: Final = "no node of the cluster answers"

_log = structlog.get_logger(__name__)


class Survey(NamedTuple):
    """The facts of the store, and those of its partitions; None where the node is away."""

    whole: Mapping[str, str] | None
    parts: Mapping[int, Mapping[str, str] | None]

    @property
    def is_complete(self) -> bool:
        """Whether every node has answered."""
        return self.whole is not None and None not in self.parts.values()

    def identity(self) -> StoreIdentity | None:
        """Return the name of the store: that of `sk:meta`, or, where it is lost, the one that partitions agree on."""
        if self.whole:
            return identity_of(self.whole)
        names = {name for facts in self.parts.values() if facts and (name := identity_of(facts)) is not None}
        return names.pop() if len({name.store_id for name in names}) == 1 else None


class ClusterIdentityGuard(StoreIdentityGuard):
    """Watches the store, and knows which of its partitions have lost their data."""

    def __init__(self, connections: ClusterConnections, keys: Keys, new_id: Callable[[], str]) -> None:
        super().__init__(connections, keys, new_id)
        self._nodes = connections
        self.lost: frozenset[int] = frozenset()
        """The partitions known to have lost their data."""

    async def open(self, *, may_init: bool) -> None:
        """Learn the store's name, giving an empty one a name if allowed, and its partitions theirs.

        Raises StoreUnavailable, or StoreLayoutError for a store of another layout.
        """
        survey = await self._survey()
        is_empty = survey.is_complete and not survey.whole and not any(survey.parts.values())
        if is_empty and may_init:
            await self._name_if_absent()
            survey = await self._survey()
        identity = survey.identity()
        if identity is None:
            self._become(_namelessness(survey))
            self.require()
            return
        self._require_layout(identity)
        if survey.whole and NAMED not in survey.whole:
            await self._name_parts(identity, range(PARTITIONS))
            await self._connections.run([self._all_named()])
            survey = await self._survey()
        self._known = identity
        self._judge_parts(survey)
        if await self.requires_full_coverage():
            _log.warning("cluster_requires_full_coverage", problem=f"one lost shard stops all: set {COVERAGE} to no")
        self._become(None)

    async def requires_full_coverage(self) -> bool:
        """Whether a node stops answering for all slots where one is lost; raises StoreUnavailable."""
        try:
            found = await self._connections.everywhere([("CONFIG", "GET", COVERAGE)])
        except ResponseError:
            return False  # nobody may ask
        return any(flat and bytes(flat[1]) == b"yes" for (flat,) in found)

    async def init(self, origin: Origin) -> StoreIdentity:
        """Give the store and all its partitions a new name on an operator's word; raises StoreUnavailable."""
        identity = await super().init(origin)
        await self._name_parts(identity, range(PARTITIONS))
        await self._connections.run([self._all_named()])
        return identity

    async def init_parts(self, partitions: Iterable[int]) -> StoreIdentity:
        """Give partitions the store's name again, on an operator's word; raises StoreUnavailable without one."""
        survey = await self._survey()
        identity = survey.identity()
        if identity is None:
            raise StoreUnavailable(_namelessness(survey))
        await self._name_parts(identity, partitions)
        if not survey.whole:
            await self._connections.run(naming(self._keys.meta, identity.store_id, identity.origin, self._all_named()))
        return identity

    async def confirm(self, lease: Lease | None = None) -> None:
        """Check the name of the partition that a lease is for; raises StoreUnavailable if it is lost.

        Without a lease nothing is asked: it is each partition's own matter.
        """
        self.require()
        if lease is None:
            return
        partition = partition_of_slot(lease.slot)
        (flat,) = await lease.ask([("HGETALL", self._meta(partition))])
        if trouble := self._trouble_of(partition, facts_of(flat)):
            raise trouble

    async def confirm_all(self) -> None:
        """Check the names of all partitions; raises StoreUnavailable if one is lost or away."""
        self.require()
        for partition, problem in (await self.problems(range(PARTITIONS))).items():
            raise StoreUnavailable(f"partition {partition}: {problem}")

    async def problems(self, partitions: Iterable[int]) -> dict[int, StoreUnavailable]:
        """Ask whether partitions are still there, and return what is wrong with those that are not."""
        asked = sorted(set(partitions))
        answers = await self._nodes.answers([("HGETALL", self._meta(one)) for one in asked])
        found = {
            partition: answer.problem or self._trouble_of(partition, _facts_in(answer))
            for partition, answer in zip(asked, answers, strict=True)
        }
        return {partition: problem for partition, problem in found.items() if problem is not None}

    async def _probe(self, *, may_init: bool) -> None:
        if self._known is None:
            await self.open(may_init=may_init)
            return
        survey = await self._survey()
        if survey.whole is None and not any(facts is not None for facts in survey.parts.values()):
            self._become(AWAY)
            return
        if survey.whole:
            self._judge(dict(survey.whole))
        elif survey.identity() is None and survey.whole is not None:
            self._become("the store has lost its data: sk:meta and the names of its partitions are gone")
        else:
            self._become(None)
        self._judge_parts(survey)

    def _judge_parts(self, survey: Survey) -> None:
        lost = frozenset(
            partition for partition, facts in survey.parts.items() if facts is not None and not self._is_ours(facts)
        )
        if lost != self.lost:
            _log.log(40 if lost else 20, "partitions_lost", partitions=sorted(lost))
            self.lost = lost

    def _trouble_of(self, partition: int, facts: Mapping[str, str]) -> StoreUnavailable | None:
        """Return why a partition with these facts may not be used; None if it may."""
        return None if self._is_ours(facts) else StoreUnavailable(_loss(partition))

    def _is_ours(self, facts: Mapping[str, str]) -> bool:
        identity = identity_of(facts)
        return identity is not None and self._known is not None and identity.store_id == self._known.store_id

    def _all_named(self) -> RedisCommand:
        """Return the command that says that every partition has been given its name."""
        return ("HSET", self._keys.meta, NAMED, PARTITIONS)

    def _meta(self, partition: int) -> str:
        return self._keys.partitioned(partition, "meta")

    async def _survey(self) -> Survey:
        keys = [self._keys.meta, *(self._meta(partition) for partition in range(PARTITIONS))]
        answers = await self._nodes.answers([("HGETALL", key) for key in keys])
        whole, *parts = [None if answer.problem is not None else _facts_in(answer) for answer in answers]
        return Survey(whole, dict(enumerate(parts)))

    async def _name_parts(self, identity: StoreIdentity, partitions: Iterable[int]) -> None:
        name = identity.store_id, identity.origin
        commands = [one for partition in partitions for one in naming(self._meta(partition), *name)]
        replies: list[Reply] = await self._connections.run(commands)
        for results in replies:
            checked(results if isinstance(results, list) else [])


def _facts_in(answer: Answer) -> dict[str, str]:
    return facts_of(checked(list(answer.replies))[0])


def _loss(partition: int) -> str:
    return (
        f"partition {partition} has lost its data: run `synckairos recover --all`, or accept that by "
        f"`synckairos store init --partition {partition}`"
    )


def _namelessness(survey: Survey) -> str:
    if survey.whole is None or not survey.is_complete:
        return AWAY if not any(survey.parts.values()) else "nodes of the cluster are away, and the others name no store"
    return namelessness_of(survey.whole)
