"""What an hourglass passes on: the time that a turn takes from its holder goes to the others in play."""

from synckairos.domain.controls.controlled_clock import is_free
from synckairos.domain.families.hourglass import shares
from synckairos.domain.model import Clock, MemberT, Mode, Session, replaced


def is_hourglass(clock: Clock) -> bool:
    """Whether what the clock is charged goes to the others."""
    return clock.progress is not None and clock.progress.control.flows


def owed(clock: Clock, spent: int) -> int:
    """Return what a turn has taken from its holder, in ms, after `spent` more, if that flows to the others; else 0."""
    progress = clock.progress
    if progress is None or clock.in_overtime or not progress.control.flows:
        return 0
    return 0 if is_free(progress) else min(progress.open_ms + spent, clock.bank_ms or 0)


def paid(clock: Clock, charged_ms: int) -> Clock:
    """Return a clock, of whose turn this has been passed on: it is taken from the bank for good."""
    if clock.progress is None or not charged_ms:
        return clock
    return clock._replace(bank_ms=(clock.bank_ms or 0) - charged_ms, progress=clock.progress._replace(open_ms=0))


def pass_on(session: Session, charged_ms: int) -> Session:
    """Divide what the running turn has taken among the other holders in play, from the one after its own on."""
    if session.active is None or not charged_ms:
        return session
    if session.rules.mode is Mode.PER_GROUP:
        own = session.participants[session.active].group_id
        teams = {participant.group_id for participant in session.participants}
        place = next(at for at, group in enumerate(session.groups) if group.group_id == own)
        receivers = [at for at in _others(session.groups, place) if session.groups[at].group_id in teams]
        return session._replace(groups=_given(session.groups, receivers, charged_ms))
    receivers = _others(session.participants, session.active)
    return session._replace(participants=_given(session.participants, receivers, charged_ms))


def _others(holders: tuple[MemberT, ...], place: int) -> list[int]:
    """Return the positions of the other holders in play, in rotation order after this one."""
    count = len(holders)
    after = [(place + step) % count for step in range(1, count)]
    return [at for at in after if not holders[at].clock.is_expired]


def _with_clock(holder: MemberT, clock: Clock) -> MemberT:
    return holder._replace(clock=clock)  # type: ignore[return-value] # mypy loses the type variable in _replace


def _given(holders: tuple[MemberT, ...], receivers: list[int], charged_ms: int) -> tuple[MemberT, ...]:
    """Return the holders with their shares; a clock in overtime that is given time has run out no longer."""
    for at, share in zip(receivers, shares(charged_ms, len(receivers)), strict=True):
        clock = holders[at].clock
        given = clock._replace(bank_ms=(clock.bank_ms or 0) + share, in_overtime=clock.in_overtime and not share)
        holders = replaced(holders, at, _with_clock(holders[at], given))
    return holders
