"""A store that loses everything, and the trail it is recovered from, in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from synckairos.application.errors import OutcomeUnknown
from synckairos.application.mass_recovery import MassRecovery, Tally
from synckairos.application.ports import Decide, Receipt, Request, ResultT
from synckairos.application.recovery import Recovery
from synckairos.application.sessions import View
from synckairos.application.trail.audit import AuditRecord
from synckairos.domain.events import Author
from synckairos.domain.model import Session
from synckairos.domain.recovery import RecoveryPolicy
from testing.harness.fakes.fake_audit_trail import FakeAuditTrail
from testing.harness.fakes.fake_store import FakeData, FakeSessionStore
from tests.contract.decisions import new_id, running, until

OPERATOR = Author("operator", "power cut")
CONTINUE, PAUSED = RecoveryPolicy


class FlakyStore(FakeSessionStore):
    """A store that answers some commits with an error: `failures` says which, by session id."""

    def __init__(self, data: FakeData) -> None:
        super().__init__(data)
        self.failures: dict[str, list[Exception]] = {}
        self.after: Callable[[str], None] = lambda _: None

    async def transact(
        self,
        session_id: str,
        request: Request,
        decide: Decide[ResultT],
        until: float,
        *,
        is_due: bool = False,
        receipt: Receipt | None = None,
    ) -> ResultT:
        """Fail as told; an OutcomeUnknown is raised after the commit."""
        failures = self.failures.get(session_id, [])
        failure = failures.pop(0) if failures else None
        if failure is not None and not isinstance(failure, OutcomeUnknown):
            raise failure
        result = await super().transact(session_id, request, decide, until, is_due=is_due, receipt=receipt)
        self.after(session_id)
        if failure is not None:
            raise failure
        return result


@dataclass
class StoreAndTrail:
    """A store, a trail, and the events on their way from one to the other."""

    data: FakeData = field(default_factory=FakeData)
    trail: FakeAuditTrail = field(default_factory=FakeAuditTrail)
    dead: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Open both."""
        self.store = FlakyStore(self.data)
        self.recovery = Recovery(self.store, self.trail, self, self.data.lifetimes, new_id)

    async def among(self, session_ids: Sequence[str]) -> set[str]:
        """Return the sessions whose changes wait."""
        return await self.everywhere() & set(session_ids)

    async def everywhere(self) -> set[str]:
        """Return the sessions whose changes wait."""
        return {outgoing.event.session.session_id for outgoing in self.data.outbox} | self.dead

    async def drain(self) -> None:
        """Write the waiting events."""
        outbox, self.data.outbox = self.data.outbox, []
        await self.trail.write([AuditRecord(outgoing.event) for outgoing in outbox])

    def lose(self) -> None:
        """Lose everything but the trail."""
        clock, lifetimes = self.data.clock, self.data.lifetimes
        self.data.__init__(clock, lifetimes)  # type: ignore[misc] # as it was born

    async def recover(self, session_id: str, policy: RecoveryPolicy = CONTINUE) -> View:
        """Bring one back."""
        return await self.recovery.recover(session_id, policy, OPERATOR, Request(), until())

    def mass(self, *, is_store_lost: bool = True, is_dry: bool = False) -> MassRecovery:
        """Return a run over everything."""
        return MassRecovery(
            self.recovery, self.trail, self, CONTINUE, OPERATOR, is_store_lost=is_store_lost, is_dry=is_dry
        )


async def lost(both: StoreAndTrail, count: int) -> list[Session]:
    """Create `count` running sessions, write them to the trail, and lose them."""
    sessions = [await running(both.store) for _ in range(count)]
    await both.drain()
    both.lose()
    return sessions


def counts(tally: Tally) -> tuple[int, int, int, int]:
    """Return what was recovered, present, refused, and failed."""
    return tally.recovered, tally.present, tally.refused, len(tally.failures)
