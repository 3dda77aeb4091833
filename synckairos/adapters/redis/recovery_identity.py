"""The guard of a process that recovers a lost store: it may use the store while no server may.

Other processes must not use the store before everything is back: a session that is still missing would look like
one that never was. So a lost store gets its name last. Until then `sk:meta` holds only the mark of the recovery: it
keeps starting servers from naming the store, and this process sees from it whether the store is lost again.
"""

import time
from typing import TYPE_CHECKING, Final

from synckairos.adapters.redis.connections.pool import Lease
from synckairos.adapters.redis.connections.replies import checked
from synckairos.adapters.redis.identity import (
    MARK,
    Origin,
    StoreIdentity,
    StoreIdentityGuard,
    facts_of,
    identity_of,
    naming,
)
from synckairos.application.recovery import RecoveryOver

if TYPE_CHECKING:
    from synckairos.adapters.redis.connections.wire import RedisCommand

LOST_AGAIN: Final = "the store has lost its data again"
FINISHED: Final = "another recovery has finished meanwhile, or an operator has accepted the store as it is"
CONFIRM_S: Final = 0.25


class RecoveryGuard(StoreIdentityGuard):
    """Lets a recovery use a store without a name, as long as it is the store that the recovery began with.

    Several recoveries may share the mark: each finds the sessions that another has brought back, and the first to
    finish has seen all of them there.
    """

    _mark: str | None = None
    """The mark of the recovery under way; empty for a dry run that found none, None for a store that has a name."""
    _judged_at = 0.0

    async def begin(self, *, is_dry: bool = False) -> bool:
        """Look at the store, and mark a lost one unless the run is dry; return whether it is lost.

        Raises StoreUnavailable, StoreLayoutError.
        """
        facts = await self._facts()
        if identity_of(facts) is not None:
            self._accept(identity_of(facts))
            return False
        if not is_dry:
            await self._connections.run([("HSETNX", self._keys.meta, MARK, self._new_id())])
            facts = await self._facts()
        # A server that was just starting may have written a name beside the mark, which keeps it from using it.
        self._mark = facts.get(MARK, "")
        self._become(None)
        return True

    async def finish(self) -> StoreIdentity:
        """Give the store its name, so that running servers use it again, unless they use it anyway.

        Raises StoreUnavailable if it has lost its data since the recovery began.
        """
        while True:
            look: list[RedisCommand] = [("WATCH", self._keys.meta), ("HGETALL", self._keys.meta)]
            async with self._connections.lease(look) as (lease, replies):
                facts = facts_of(checked(replies)[1])
                identity = identity_of(facts)
                if identity is not None and identity.origin is not Origin.START:
                    await lease.ask([("UNWATCH",)])
                    return self._accept(identity)
                self._judge(facts)
                self.require()
                *_, results = await lease.ask(naming(self._keys.meta, self._new_id(), Origin.RECOVER))
            if results is not None:
                checked(results)
                self._mark = None
                return self._accept(await self.identity())

    def require(self) -> None:
        """Raise StoreUnavailable unless the store may be used, RecoveryOver if this recovery cannot go on."""
        if self.problem in {LOST_AGAIN, FINISHED}:
            raise RecoveryOver(self.problem)
        super().require()

    async def confirm(self, lease: Lease | None = None) -> None:
        """Check the store, a marked one only now and then; raises StoreUnavailable.

        That is enough, for `finish` looks again before it names the store.
        """
        if self._mark is not None and time.monotonic() - self._judged_at < CONFIRM_S:
            self.require()
            return
        await super().confirm(lease)

    async def _probe(self, *, may_init: bool) -> None:  # noqa: ARG002 - a recovery never names at the start
        self._judge(await self._facts())

    def _judge(self, facts: dict[str, str]) -> None:
        self._judged_at = time.monotonic()
        identity = identity_of(facts)
        if self._mark is None:
            super()._judge(facts)
        elif facts.get(MARK, "") == self._mark:
            self._become(None)
        elif identity is not None and identity.origin is not Origin.START:
            # From now on sessions may end there, and this recovery would bring them back.
            self._become(FINISHED)
        else:
            self._become(LOST_AGAIN)

    def _accept(self, identity: StoreIdentity | None) -> StoreIdentity:
        if identity is None:
            raise RecoveryOver(LOST_AGAIN)
        self._require_layout(identity)
        self._mark, self._known = None, identity
        self._become(None)
        return identity
