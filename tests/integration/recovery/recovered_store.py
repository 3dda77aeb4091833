"""A lost store, a trail, and processes that recover the one from the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from synckairos.adapters.ids import new_change_id
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.keys import PARTITIONS
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.adapters.redis.unwritten import RedisUnwritten
from synckairos.application.errors import StoreUnavailable
from synckairos.application.mass_recovery import MassRecovery
from synckairos.application.recovery import Recovery
from synckairos.composition.redis import Redis, recovery_guard
from synckairos.domain.events import Author
from synckairos.domain.model import Session
from synckairos.domain.recovery import RecoveryPolicy
from testing.harness.fakes.fake_audit_trail import FakeAuditTrail
from tests.contract.decisions import new_id, running
from tests.contract.store_process import StoreProcess
from tests.integration.store.key_space import KeySpace

OPERATOR = Author("operator", "power cut")


class Recoverer:
    """A process that recovers."""

    def __init__(self, process: StoreProcess, trail: FakeAuditTrail) -> None:
        self.guard = recovery_guard(Redis(process.connections, process.keys))
        store = RedisSessionStore(
            process.connections, process.keys, self.guard, process.writer, process.clock, process.observed
        )
        self.unwritten = RedisUnwritten(process.connections, process.keys)
        self.recovery = Recovery(store, trail, self.unwritten, process.lifetimes, new_change_id)
        self.trail = trail

    def run(self, *, is_store_lost: bool, is_dry: bool = False) -> MassRecovery:
        """Return a run over everything."""
        policy = RecoveryPolicy.CONTINUE
        return MassRecovery(
            self.recovery,
            self.trail,
            self.unwritten,
            policy,
            OPERATOR,
            is_store_lost=is_store_lost,
            is_dry=is_dry,
        )


@dataclass
class LostStore:
    """A key prefix that may lose everything, a server's process on it, and a trail."""

    url: str
    space: KeySpace
    server: StoreProcess
    trail: FakeAuditTrail

    async def drain(self) -> None:
        """Write what waits into the trail."""
        outbox = RedisOutbox(self.server.connections, self.server.keys)
        entries = (await outbox.read(range(PARTITIONS), 10_000)).entries
        await self.trail.write([entry.record for entry in entries if entry.record is not None])
        await outbox.remove(entries)

    async def lose(self) -> None:
        """Lose everything under the prefix; the server notices."""
        await self.space.restore({})
        with pytest.raises(StoreUnavailable):
            await self.server.guard.confirm()

    def recoverer(self) -> Recoverer:
        """Return a process that recovers."""
        return Recoverer(self.server, self.trail)

    async def meta(self) -> dict[str, str]:
        """Return what `sk:meta` holds."""
        return await self.server.guard._facts()


@asynccontextmanager
async def own_lost_store(url: str) -> AsyncIterator[LostStore]:
    """Yield a lost_store of one server on a key prefix of its own."""
    prefix = f"t{new_id()[:8]}"
    async with KeySpace(url, prefix) as space, StoreProcess(url, prefix) as server:
        yield LostStore(url, space, server, FakeAuditTrail())


async def lost(lost_store: LostStore, count: int) -> list[Session]:
    """Lose this many running sessions, all of them written."""
    sessions = [await running(lost_store.server.store) for _ in range(count)]
    await lost_store.drain()
    await lost_store.lose()
    return sessions


def starting(lost_store: LostStore) -> StoreIdentityGuard:
    """Return the guard of a server that starts now."""
    return StoreIdentityGuard(lost_store.server.connections, lost_store.server.keys, new_change_id)
