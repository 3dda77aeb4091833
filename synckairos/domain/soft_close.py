"""Soft close: a late bid moves the end of a session, so that nobody wins by bidding last."""

from synckairos.domain import clocks, timing
from synckairos.domain.model import Session, SoftClose, SoftClosePolicy


def extended(session: Session, close: SoftClose, at: int) -> tuple[Session, int]:
    """Return a session, charged up to `at`, whose end an accepted bid has moved, and by how many ms.

    With t and end in running time: RESET end = max(end, t + X), ADD end = end + X; then min(end, hard limit), which
    never shortens what is left.
    """
    left = clocks.remaining(session.clock, 0)
    if left is None or left > close.window_ms:
        return session, 0
    moved = max(left, close.extend_ms) if close.policy is SoftClosePolicy.RESET else left + close.extend_ms
    if close.hard_limit_ms:
        moved = min(moved, max(left, close.hard_limit_ms - timing.elapsed(session, at)))
    clock = session.clock._replace(bank_ms=(session.clock.bank_ms or 0) + moved - left)
    return session._replace(clock=clock), moved - left
