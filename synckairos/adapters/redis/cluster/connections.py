"""Connections to a cluster: a pool for each node, and every exchange with whoever has its slot.

What a node refuses because it does not have the slot was not applied, so it is repeated where the slot is. While nobody
has it, or it is on its way, it is tried again for as long as an exchange may take.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import islice
from typing import Final

from synckairos.adapters.redis.cluster.answers import Answer, Instant, Outcome, Where, name_of, not_ready, told
from synckairos.adapters.redis.cluster.away import PAUSE_S, Away
from synckairos.adapters.redis.cluster.routing import HOME, Unit, Verdict, slot_of, units_of, verdict_of
from synckairos.adapters.redis.cluster.topology import Address, Topology
from synckairos.adapters.redis.connections.pool import Lease, RedisConnections
from synckairos.adapters.redis.connections.replies import NotPrimary, checked, is_of_another_type
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply, asking, without_asking
from synckairos.application.errors import StoreUnavailable
from synckairos.redis_urls import cluster_url

LOOK_S: Final = 0.25
"""How long a look waits for a node, and follows its word to another."""


class ClusterConnections(RedisConnections):
    """Bounded pools of connections, one for each node that has been needed."""

    def __init__(
        self,
        url: str,
        *,
        limit: int = 64,
        wait_s: float = 5.0,
        connect_timeout_s: float = 5.0,
        exchange_timeout_s: float = 5.0,
        name: str = "synckairos",
    ) -> None:
        """`limit` and `wait_s` are those of each node; `url` is one of a cluster (ValueError)."""
        named = cluster_url(url)
        if named is None:
            raise ValueError("must be the URL of a cluster")
        super().__init__(named.of(*named.nodes[0]), limit=limit)
        self._named = named
        self._patience_s = exchange_timeout_s
        self._open_pool = partial(
            RedisConnections,
            limit=limit,
            wait_s=wait_s,
            connect_timeout_s=connect_timeout_s,
            exchange_timeout_s=exchange_timeout_s,
            name=name,
        )
        self._pools: dict[Address, RedisConnections] = {}
        self._is_doubted = True
        self.topology: Final = Topology(named, name, connect_timeout_s)
        self._away = Away(self.topology)

    def doubt(self, _: str = "") -> None:
        """Let the topology be read again before the next exchange."""
        self._is_doubted = True

    @property
    def home(self) -> str:
        """The name of the node whose clock is that of the store: the primary of partition 0."""
        return name_of(self.topology.primary(HOME))

    def node_of(self, slot: int) -> str:
        """Return the name of the primary of a slot; empty while nobody has it."""
        return name_of(self.topology.primary(slot))

    def url_of(self, node: str) -> str:
        """Return the URL of a node by its name; without one, of one of the nodes that the settings name."""
        host, _, port = node.rpartition(":")
        return self._named.of(host, int(port)) if node else self._named.of(*self._named.nodes[0])

    def nodes(self) -> set[str]:
        """Return the names of all primaries."""
        return {name_of(address) for address in self.topology.primaries()}

    @asynccontextmanager
    async def lease(self, commands: Sequence[RedisCommand]) -> AsyncIterator[tuple[Lease, list[Reply]]]:
        """Lend a connection to the node that has the keys of these commands, all in one slot; else as the base does."""
        self.lent += 1
        try:
            async with AsyncExitStack() as stack:
                yield await self._opened(stack, commands)
        except NotPrimary:
            self.doubt()
            raise
        finally:
            self.lent -= 1

    async def run(self, commands: Sequence[RedisCommand]) -> list[Reply]:
        """Exchange commands with the nodes that have their keys; raises as the base does."""
        return checked(await self._all(commands))

    async def look(self, commands: Sequence[RedisCommand]) -> list[Reply]:
        """Read values with the nodes that have them; raises as the base does."""
        replies = await self._all(commands)
        checked([reply for reply in replies if not is_of_another_type(reply)])
        return replies

    async def answers(self, commands: Sequence[RedisCommand], *, is_patient: bool = True) -> list[Answer]:
        """Exchange commands that are safe to repeat, each unit with its node; one that is away harms no other.

        Who is not patient waits for a node for LOOK_S at most.
        """
        units = list(units_of(commands))
        answers = [Answer(())] * len(units)
        pending: dict[int, Address | None] = dict.fromkeys(range(len(units)))
        until, has_failed = time.monotonic() + (self._patience_s if is_patient else LOOK_S), False
        while pending:
            await self._know(*(units[place].slot for place in pending), has_failed=has_failed)
            outcomes = await self._round(units, pending, None if is_patient else LOOK_S)
            pending, waited_for = {}, []
            for place, (where, verdict, answer, asked) in outcomes.items():
                answers[place] = answer
                is_waited_for = is_patient and verdict is Verdict.WAIT and where.address not in self._away
                if verdict is Verdict.MOVED or verdict is Verdict.ASK or is_waited_for:
                    pending[place] = asked
                waited_for += [where.address] * is_waited_for
            if pending and time.monotonic() >= until:
                if waited_for:
                    self._away.give_up(waited_for)
                break
            if waited_for:
                await asyncio.sleep(PAUSE_S)
            has_failed = True
        return answers

    async def instants(self) -> list[Instant]:
        """Return an instant of each primary that answers, in no order."""
        # Where none answers so soon, it is this process that was held up.
        for wait_s in (LOOK_S, None):
            answers = await self._of_primaries([("PING",)], wait_s)
            if found := [answer.instant for answer in answers if answer.instant is not None]:
                return found
        return []

    async def everywhere(self, commands: Sequence[RedisCommand]) -> list[list[Reply]]:
        """Exchange commands without keys with every primary that answers; raises StoreUnavailable if none does."""
        answers = await self._of_primaries(commands)
        found = [checked(list(answer.replies)) for answer in answers if answer.problem is None]
        if not found:
            raise StoreUnavailable("no node of the cluster answers")
        return found

    async def each(self, commands: Sequence[RedisCommand]) -> list[Reply]:
        """Return the replies of the nodes that answer now, StoreUnavailable in the place of the others.

        Raises StoreUnavailable where all are away.
        """
        answers = await self.answers(commands, is_patient=False)
        problems = [answer.problem for answer in answers if answer.problem is not None]
        if problems and len(problems) == len(answers):
            raise problems[0]
        replies = [answer.problem or answer.replies[0] for answer in answers]
        checked(replies)
        return replies

    def forget_idle(self) -> None:
        """Drop the kept connections to all nodes."""
        for pool in self._pools.values():
            pool.forget_idle()

    async def close(self) -> None:
        """Close every kept connection; those still lent are closed as they come back."""
        self.topology.close()
        await super().close()
        for pool in self._pools.values():
            await pool.close()

    async def _of_primaries(self, commands: Sequence[RedisCommand], wait_s: float | None = None) -> list[Answer]:
        await self._know(HOME)
        places = [Where(address) for address in self.topology.primaries()]
        asked = [Unit(HOME, list(commands))]
        found = await asyncio.gather(*(self._ask(where, asked, wait_s) for where in places))
        if any(answer.problem for (answer,) in found):
            self.doubt()
        return [answer for (answer,) in found]

    async def _round(
        self, units: Sequence[Unit], pending: Mapping[int, Address | None], wait_s: float | None
    ) -> dict[int, Outcome]:
        """Send units, by their places, to whoever has their slots, or to where ASK has sent them."""
        groups: dict[Where, list[int]] = {}
        for place, asked in pending.items():
            where = Where(self.topology.primary(units[place].slot)) if asked is None else Where(asked, is_asked=True)
            groups.setdefault(where, []).append(place)
        found = await asyncio.gather(
            *(self._ask(where, [units[place] for place in places], wait_s) for where, places in groups.items())
        )
        outcomes: dict[int, Outcome] = {}
        for (where, places), answers in zip(groups.items(), found, strict=True):
            for place, answer in zip(places, answers, strict=True):
                verdict, error = (
                    (Verdict.WAIT, None) if answer.problem else verdict_of(units[place].commands, answer.replies)
                )
                self._note(verdict, where)
                asked = told(error, where) if verdict is Verdict.ASK else None
                # Without an error reply an answer stands, or says itself why it is none.
                result = answer if error is None else Answer((), problem=not_ready(error))
                outcomes[place] = Outcome(where, verdict, result, asked)
        return outcomes

    async def _all(self, commands: Sequence[RedisCommand]) -> list[Reply]:
        replies: list[Reply] = []
        for answer in await self.answers(commands):
            if answer.problem is not None:
                raise answer.problem
            replies += answer.replies
        return replies

    async def _opened(self, stack: AsyncExitStack, commands: Sequence[RedisCommand]) -> tuple[Lease, list[Reply]]:
        """Return a lease, held by the stack, and the replies to the first commands; raises StoreUnavailable.

        ASK is never followed here: the new node would take writes to keys that have not left the old one.
        """
        slot, until = slot_of(commands), time.monotonic() + self._patience_s
        has_failed = False
        while True:
            await self._know(slot, has_failed=has_failed)
            where = Where(self.topology.primary(slot))
            try:
                lease, replies = await stack.enter_async_context(self._lease_of(where, commands))
            except StoreUnavailable as error:
                verdict, problem = Verdict.WAIT, error
            else:
                verdict, error_reply = verdict_of(commands, replies)
                if verdict is Verdict.DONE:
                    self._note(verdict, where)
                    lease.node, lease.slot = name_of(where.address), slot
                    return lease, replies
                # It may hold a WATCH.
                lease.is_broken = True
                await stack.aclose()
                problem = not_ready(error_reply)
            has_failed = True
            self._note(verdict, where)
            if time.monotonic() >= until or (verdict is not Verdict.MOVED and where.address in self._away):
                self._away.give_up([where.address])
                raise problem
            if verdict is not Verdict.MOVED:
                await asyncio.sleep(PAUSE_S)

    @asynccontextmanager
    async def _lease_of(
        self, where: Where, commands: Sequence[RedisCommand]
    ) -> AsyncIterator[tuple[Lease, list[Reply]]]:
        address = where.address
        if address is None:
            raise StoreUnavailable("no node of the cluster has the slot")
        sent = asking(commands) if where.is_asked else commands
        async with AsyncExitStack() as stack:
            async with self._away.asking(address):
                lease, replies = await stack.enter_async_context(self._pool(address).lease(sent))
            yield lease, without_asking(sent, replies) if where.is_asked else replies

    async def _ask(self, where: Where, units: Sequence[Unit], wait_s: float | None) -> list[Answer]:
        """Exchange units with one node, and read its clock; who waits only so long is told that it is away."""
        commands: list[RedisCommand] = [("TIME",), *(command for unit in units for command in unit.commands)]
        try:
            async with asyncio.timeout(wait_s), self._lease_of(where, commands) as (lease, replies):
                pass
        except StoreUnavailable as error:
            return [Answer((), problem=error)] * len(units)
        except TimeoutError:
            return [Answer((), problem=StoreUnavailable(f"{name_of(where.address)} says nothing"))] * len(units)
        instant = Instant(name_of(where.address), replies[0], lease.lent_s)
        rest = islice(replies, 1, None)
        return [Answer(list(islice(rest, len(unit.commands))), instant) for unit in units]

    def _note(self, verdict: Verdict, where: Where) -> None:
        if verdict is Verdict.DONE:
            self._away.forget(where.address)
        elif verdict is not Verdict.ASK:
            self.doubt()

    async def _know(self, *slots: int, has_failed: bool = False) -> None:
        """See that the topology is read if it is in doubt; wait for that only where it is needed now.

        What is away would hold up everything else while others ask where it has gone.
        """
        is_needed = has_failed or any(self.topology.primary(slot) is None for slot in slots)
        if not self._is_doubted and not is_needed:
            return
        self._is_doubted = False
        reading = self.topology.refresh()
        if is_needed:
            try:
                await asyncio.shield(reading)
            except StoreUnavailable:
                # What is known still may be right where nobody answers.
                self._is_doubted = True

    def _pool(self, address: Address) -> RedisConnections:
        pool = self._pools.get(address)
        if pool is None:
            pool = self._pools[address] = self._open_pool(self._named.of(*address))
            pool.on_unreachable(self.doubt)
        return pool
