"""Sessions that were never played, for trying out queries and dashboards: the rules play them, chance moves.

All of them have ended, so that no recovery brings one to life, and carry the label `sample`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from random import Random
from typing import Final
from uuid import UUID

from synckairos.application.trail.audit import AuditRecord
from synckairos.application.trail.field_changes import changed_names
from synckairos.domain.commands import Caller, Cancel, Command, Complete, Pause, Resume, Start, Switch
from synckairos.domain.creation import create
from synckairos.domain.events import Author, Event
from synckairos.domain.model import TERMINAL, Mode, OnExpire, Session
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import decide

SPAN_MS: Final = 7 * 86_400_000
"""The sessions begin in the week before."""
LABELS: Final = (("sample", "true"),)
MINUTE_MS: Final = 60_000
PEER: Final = "ipv4:192.0.2.1:50000"


def sample_sessions(
    count: int, seed: int, now: int, lifetimes: Lifetimes, tenant: str = DEFAULT_TENANT
) -> Iterator[list[AuditRecord]]:
    """Yield the records of each session; the same seed and instant (ms since 1970) give the same sessions."""
    chance = Random(seed)  # noqa: S311 - sample data, not a secret
    new_id = partial(_new_id, chance)
    people = [new_id() for _ in range(max(4, count // 3))]
    for _ in range(count):
        began = now - chance.randrange(MINUTE_MS * 60, SPAN_MS)
        birth = create(
            qualify(tenant, new_id()), _spec(chance, people), Caller(Author("sample")), began * 1_000, new_id
        )
        events = [birth, *_played(chance, new_id, birth.session, lifetimes)]
        yield [
            AuditRecord(event, peer=PEER, changed=changed_names(former.session, event.session))
            for former, event in pairwise([birth, *events])
        ]


def _new_id(chance: Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))


def _spec(chance: Random, people: list[str]) -> SessionSpec:
    players = chance.sample(people, 2)
    banks = tuple(ParticipantSpec(one, total_time_ms=5 * MINUTE_MS) for one in players)
    names = tuple(map(ParticipantSpec, players))
    return chance.choice(
        (
            SessionSpec(Mode.PER_PARTICIPANT, banks, increment_ms=2_000, labels=LABELS),
            SessionSpec(
                Mode.PER_CYCLE,
                names,
                time_per_cycle_ms=30_000,
                max_cycles=12,
                on_expire=OnExpire.ADVANCE,
                labels=LABELS,
            ),
            SessionSpec(Mode.GLOBAL, names, total_time_ms=10 * MINUTE_MS, labels=LABELS),
        )
    )


def _played(chance: Random, new_id: Callable[[], str], session: Session, lifetimes: Lifetimes) -> Iterator[Event]:
    at = session.created_at
    for command in (Start(), *_moves(chance), chance.choice((Complete(), Complete(), Cancel()))):
        at += int(chance.expovariate(1 / 20_000))
        outcome = decide(session, command, _caller(session), at, new_id, lifetimes)
        # What is refused (the turn was over, the session had ended) is what callers see as well.
        yield from outcome.events
        session = outcome.session
        if session.status in TERMINAL:
            return


def _moves(chance: Random) -> Iterator[Command]:
    for _ in range(chance.randrange(4, 24)):
        if chance.random() < 0.1:
            yield from (Pause(), Resume())
        else:
            yield Switch()


def _caller(session: Session) -> Caller:
    active = session.active_participant
    return Caller(Author(active.participant_id if active else "sample"))
