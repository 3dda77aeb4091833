"""The recovery of a lost session: its next life begins from its last known version.

A clock that goes on does so from the instant of the last version, and the recovery is stamped with that instant, as
an expiry is stamped with the instant it was due. Boundaries that fell due since then follow in order, each at its own
instant; `fired_at` says when they were applied. So it is with a session that has closed since, whatever its state.
Where no clock goes on, nothing else can have fallen due: the recovery is stamped with the present and, like any other
change, restarts the idle time.
"""

from collections.abc import Callable
from enum import IntEnum

from synckairos.domain import settlement, timing, turns
from synckairos.domain.errors import InvalidStateTransition, SessionNotFound
from synckairos.domain.events import SYSTEM, Author, Cause, EventType, Ledger, running_subject
from synckairos.domain.model import Session, Status
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import Before, Outcome


class RecoveryPolicy(IntEnum):
    """How a running clock is treated; the numbers are the contract's."""

    CONTINUE = 1
    PAUSED = 2


def recover(
    last: Session,
    policy: RecoveryPolicy,
    author: Author,
    now_us: int,
    new_change_id: Callable[[], str],
    lifetimes: Lifetimes,
) -> Outcome:
    """Return the session's next life, begun at `now_us` (microseconds since 1970: its epoch), with all due settled.

    Raises SessionNotFound for a deleted session, InvalidStateTransition for one that has ended.
    """
    refuse_the_ended(last)
    ledger = Ledger(last, timing.own_time(last, now_us // 1_000), now_us // 1_000, new_change_id)
    next_life = last._replace(epoch=max(now_us, last.epoch + 1), recovered=True)
    stood_at = last.updated_at if last.manual_at is None else last.manual_at
    has_closed = last.rules.close_at is not None and last.rules.close_at <= ledger.now
    goes_on = last.status is Status.RUNNING and policy is RecoveryPolicy.CONTINUE
    if last.status is Status.RUNNING and not goes_on:
        next_life = turns.pause(next_life, stood_at)
    ledger.record(
        EventType.SESSION_RECOVERED,
        next_life,
        running_subject(last, stood_at),
        author=author,
        at=stood_at if goes_on or has_closed else None,
        cause=Cause.RECOVERY,
    )
    if turns.has_lost_holders(next_life):
        # The last known version may be the elimination that left one holder; the victory after it was lost.
        settlement.complete_if_one_is_left(ledger, ledger.session.updated_at, Cause.DEADLINE, SYSTEM)
    is_unfinished = settlement.settle(ledger, lifetimes)
    unfinished = Before(last.version) if is_unfinished else None
    return Outcome(ledger.session, ledger.now, ledger.events, unfinished=unfinished)


def refuse_the_ended(last: Session) -> None:
    """Raise SessionNotFound for a deleted session, InvalidStateTransition for one that has ended."""
    if last.deleted:
        raise SessionNotFound(last.session_id)
    if last.is_terminal:
        raise InvalidStateTransition(last.status, "recover")
