"""Whether the store can be trusted: reachable, and still the one this process knows.

`sk:meta` names the store. A store that has lost it, or that carries another name, has lost its sessions too: no call is
answered from it until an operator says otherwise (`synckairos store init`, `synckairos recover --all`), so a lost
store never looks like "no such session".
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import structlog
from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.pool import Lease, RedisConnections
from synckairos.adapters.redis.connections.replies import checked
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.application.errors import StoreUnavailable

LAYOUT_VERSION: Final = 1
PROBE_UP_S: Final = 1.0
PROBE_DOWN_S: Final = (0.025, 0.2)
"""Between two probes of a store that is away: for a while as often as makes a failover short, and later."""
FAILOVER_S: Final = 10.0
"""That while."""
MARK: Final = "recovery"
"""The field of `sk:meta` that marks a recovery under way; the store has no name until it is over."""

_log = structlog.get_logger(__name__)


class Origin(StrEnum):
    """The namer of the store: a starting server, or an operator, who knows what became of the sessions."""

    START = "start"
    INIT = "init"
    RECOVER = "recover"


class StoreIdentity(NamedTuple):
    """The name of the store and its layout, from `sk:meta`."""

    store_id: str
    origin: Origin
    layout: int
    partitions: int


class StoreLayoutError(Exception):
    """A version that this one cannot work with has laid out the store."""


class StoreIdentityGuard:
    """Watches the store and knows, without a round trip, whether it may be used."""

    def __init__(self, connections: RedisConnections, keys: Keys, new_id: Callable[[], str]) -> None:
        self._connections = connections
        self._keys = keys
        self._new_id = new_id
        self._known: StoreIdentity | None = None
        self._problem: str | None = "the store has not been reached yet"
        self._listeners: list[Callable[[bool], None]] = []
        self._wake = asyncio.Event()
        connections.on_unreachable(self.suspect)

    @property
    def is_ready(self) -> bool:
        """Whether calls are answered."""
        return self._problem is None

    @property
    def problem(self) -> str:
        """Why the store may not be used; empty if it may."""
        return self._problem or ""

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call the listener whenever readiness changes."""
        self._listeners.append(listener)

    def require(self) -> None:
        """Raise StoreUnavailable unless the store may be used."""
        if self._problem is not None:
            raise StoreUnavailable(self._problem)

    def suspect(self, problem: str) -> None:
        """Note that the store failed to answer: the next calls fail at once, until a probe succeeds."""
        if self.is_ready:
            self._become(problem)
            self._wake.set()

    async def identity(self) -> StoreIdentity | None:
        """Return the store's identity, None if it has none; raises StoreUnavailable."""
        return identity_of(await self._facts())

    async def _facts(self, lease: Lease | None = None) -> dict[str, str]:
        # A caller that holds a connection passes its lease: waiting for a second one could take for ever.
        ask = self._connections.run if lease is None else lease.ask
        (flat,) = await ask([("HGETALL", self._keys.meta)])
        return facts_of(flat)

    async def open(self, *, may_init: bool) -> None:
        """Learn the store's name, giving an empty one a name if allowed.

        Raises StoreUnavailable, or StoreLayoutError for a store of another layout.
        """
        facts = await self._facts()
        if may_init and MARK not in facts and identity_of(facts) is None:
            await self._name_if_absent()
            facts = await self._facts()
        identity = identity_of(facts)
        if identity is None:
            self._become(namelessness_of(facts))
            self.require()
            return
        self._require_layout(identity)
        self._known = identity
        self._become(None)

    async def init(self, origin: Origin) -> StoreIdentity:
        """Give the store a new name on an operator's word, so that running servers use it again."""
        await self._write(naming(self._keys.meta, self._new_id(), origin))
        identity = await self.identity()
        if identity is None:
            raise StoreUnavailable("the store did not keep its name")
        return identity

    async def confirm(self, lease: Lease | None = None) -> None:
        """Check the store's name now; raises StoreUnavailable for a lost or silent store."""
        self._judge(await self._facts(lease))
        self.require()

    async def watch(self, read_time: Callable[[], Awaitable[object]], *, may_init: bool) -> None:
        """Probe the store for ever, and read its clock now and then so that the estimate stays fresh."""
        ready_at = 0.0
        while True:
            await self._look(read_time, may_init=may_init)
            self._wake.clear()
            now = time.monotonic()
            ready_at = now if self.is_ready else ready_at
            try:
                async with asyncio.timeout(PROBE_UP_S if self.is_ready else PROBE_DOWN_S[now - ready_at > FAILOVER_S]):
                    await self._wake.wait()
                # Woken to look at once; but a store that fails at once must not be asked in a tight loop.
                await asyncio.sleep(PROBE_DOWN_S[0])
            except TimeoutError:
                continue

    async def _look(self, read_time: Callable[[], Awaitable[object]], *, may_init: bool) -> None:
        try:
            await self._probe(may_init=may_init)
            await read_time()
        except (StoreUnavailable, StoreLayoutError) as error:
            self._become(str(error))
        except (ResponseError, ValueError) as error:
            self._become(f"the store answers what nobody understands: {error}")
        except Exception as error:
            # A bug. A guard that ended with it would never notice that the store is back, and would refuse every call.
            problem = f"looking at the store failed: {type(error).__name__}"
            if problem != self._problem:
                _log.exception("probe_failed")
            self._become(problem)

    async def _probe(self, *, may_init: bool) -> None:
        if self._known is None:
            await self.open(may_init=may_init)
        else:
            self._judge(await self._facts())

    def _judge(self, facts: dict[str, str]) -> None:
        known, identity = self._known, identity_of(facts)
        if known is None:
            return
        if identity is None:
            self._become("the store has lost its data: sk:meta is gone")
        elif strangeness := strangeness_of(identity):
            self._become(strangeness)
        elif identity.store_id == known.store_id:
            self._become(None)
        elif identity.origin is Origin.START:
            self._become(f"the store is another one: it carries the name {identity.store_id}")
        else:
            _log.warning("store_renamed", was=known.store_id, now=identity.store_id, origin=identity.origin)
            self._known = identity
            self._become(None)

    def _require_layout(self, identity: StoreIdentity) -> None:
        if strangeness := strangeness_of(identity):
            self._become(strangeness)
            raise StoreLayoutError(strangeness)

    def _become(self, problem: str | None) -> None:
        was_ready = self.is_ready
        if problem != self._problem:
            _log.log(30 if problem else 20, "store_state", problem=problem)
        self._problem = problem
        if self.is_ready != was_ready:
            for listener in self._listeners:
                listener(self.is_ready)

    async def _name_if_absent(self) -> None:
        facts = _facts_written(self._new_id(), Origin.START)
        writes: list[RedisCommand] = [("HSETNX", self._keys.meta, name, value) for name, value in facts.items()]
        await self._write([("MULTI",), *writes, ("EXEC",)])

    async def _write(self, transaction: Sequence[RedisCommand]) -> None:
        *_, results = await self._connections.run(transaction)
        checked(results)


def naming(key: str, store_id: str, origin: Origin, *more: RedisCommand) -> list[RedisCommand]:
    """Return a transaction that writes a name of the store, and `more`; whatever recovery was under way is over then.

    All facts together: a name without a layout would look like another layout.
    """
    pairs = [part for pair in _facts_written(store_id, origin).items() for part in pair]
    return [("MULTI",), ("HSET", key, *pairs), *more, ("HDEL", key, MARK), ("EXEC",)]


def _facts_written(store_id: str, origin: Origin) -> dict[str, str | int]:
    return {"store_id": store_id, "layout": LAYOUT_VERSION, "partitions": PARTITIONS, "origin": origin.value}


def facts_of(flat: Sequence[Reply]) -> dict[str, str]:
    """Return the fields of `sk:meta` from the reply to HGETALL."""
    return {bytes(name).decode(): bytes(value).decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}


def identity_of(facts: Mapping[str, str]) -> StoreIdentity | None:
    """Return the store's identity; None without a name, and until a recovery is over."""
    if "store_id" not in facts or MARK in facts:
        return None
    return StoreIdentity(
        facts["store_id"],
        Origin(facts.get("origin", Origin.START)),
        int(facts.get("layout", "0")),
        int(facts.get("partitions", "0")),
    )


def namelessness_of(facts: Mapping[str, str]) -> str:
    """Return why a store with these facts has no name."""
    if MARK in facts:
        return "the store is being recovered: `synckairos recover --all` has not finished"
    return "the store has no sk:meta: run `synckairos recover --all` or `synckairos store init`"


def strangeness_of(identity: StoreIdentity) -> str:
    """Return why this version cannot work with the store; empty if it can."""
    if (identity.layout, identity.partitions) == (LAYOUT_VERSION, PARTITIONS):
        return ""
    return (
        f"the store has layout {identity.layout} with {identity.partitions} partitions, "
        f"this version works with layout {LAYOUT_VERSION} and {PARTITIONS}"
    )
