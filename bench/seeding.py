"""Sessions written as commits write them, without a server: thousands in a moment, with ends at wished instants."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple
from uuid import uuid4

from redis.asyncio import Redis, RedisCluster

from synckairos.adapters.ids import new_change_id
from synckairos.adapters.redis.connections.wire import RedisCommand
from synckairos.adapters.redis.keys import Keys, SessionKeys
from synckairos.adapters.redis.store.writes import CommitWriter
from synckairos.application.ports import Decision, Reading, Request
from synckairos.domain import creation, transitions
from synckairos.domain.commands import Caller, Command, Start, Switch
from synckairos.domain.events import Author, Event
from synckairos.domain.model import DAY_MS, Mode, Session
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from synckairos.domain.timing import Lifetimes
from synckairos.redis_urls import cluster_url

BANK_MS: Final = 7 * DAY_MS
"""Longer than any run: nothing expires that shall not."""
CALLER: Final = Caller(Author("bench"))
PEER: Final = "ipv4:127.0.0.1:50000"
EVENT_WINDOW: Final = 16
AT_ONCE: Final = 500
"""Sessions written together."""


class Seed(NamedTuple):
    """Sessions to write: all running, with equal banks."""

    sessions: int
    participants: int = 2
    bank_ms: Callable[[int], int] = lambda _: BANK_MS
    """The banks of the n-th."""
    switches: Callable[[int], int] = lambda _: 0
    """Turns that the n-th has already taken."""
    has_events: bool = True
    """Whether their events are retained, as for every session that was not brought here by this."""


def new_writer() -> CommitWriter:
    """Return a writer as a server with default settings has it."""
    return CommitWriter(Lifetimes(), event_window=EVENT_WINDOW, request_ttl_ms=3_600_000)


def spec_of(participants: int, bank_ms: int = BANK_MS) -> SessionSpec:
    """Describe a game."""
    players = tuple(ParticipantSpec(str(uuid4()), total_time_ms=bank_ms) for _ in range(participants))
    return SessionSpec(Mode.PER_PARTICIPANT, players, increment_ms=1_000)


def life(spec: SessionSpec, now_us: int, switches: int) -> Iterator[tuple[Session | None, Event]]:
    """Yield the events of a session up to some switches, each with the session before it."""
    event = creation.create(str(uuid4()), spec, CALLER, now_us, new_change_id)
    yield None, event
    commands: list[Command] = [Start(), *(Switch() for _ in range(switches))]
    for command in commands:
        before = event.session
        (event,) = transitions.decide(before, command, CALLER, now_us // 1_000, new_change_id, Lifetimes()).events
        yield before, event


def commit(
    keys: SessionKeys,
    writer: CommitWriter,
    now_us: int,
    before: Session | None,
    event: Event,
    request_id: str = "",
) -> list[RedisCommand]:
    """Return the commands of a commit."""
    request = Request(request_id=request_id, fingerprint=bytes(16) if request_id else b"", peer=PEER)
    reading, decision = Reading(before, now_us), Decision(None, [event])
    return writer.commit(keys, event.session.session_id, request, reading, decision).commands


async def seed(redis_url: str, prefix: str, wanted: Seed) -> list[str]:
    """Write sessions as they would stand had they been created and started just now; returns their ids.

    Nothing goes to the outbox: only the state of the store matters here.
    """
    keys, writer = Keys(prefix), new_writer()
    ids = []
    places = iter(range(wanted.sessions))
    async with _connected(redis_url) as redis:
        while batch := list(islice(places, AT_ONCE)):
            now_us = time.time_ns() // 1_000
            pipeline = redis.pipeline(transaction=False)
            for place in batch:
                events = list(life(spec_of(wanted.participants, wanted.bank_ms(place)), now_us, wanted.switches(place)))
                session_id = events[0][1].session.session_id
                own = keys.of(session_id)
                for before, event in events if wanted.has_events else events[:1] + events[-1:]:
                    for command in kept(own, commit(own, writer, now_us, before, event), wanted):
                        pipeline.execute_command(*command)
                ids.append(session_id)
            await pipeline.execute()
    return ids


def _connected(redis_url: str) -> Redis | RedisCluster:
    cluster = cluster_url(redis_url)
    return Redis.from_url(redis_url) if cluster is None else RedisCluster.from_url(cluster.of(*cluster.nodes[0]))


def kept(keys: SessionKeys, commands: Iterable[RedisCommand], wanted: Seed) -> Iterator[RedisCommand]:
    """Yield the commands that bear on the state, and on the retained events if wanted."""
    dropped = {keys.outbox, keys.updates} | ({keys.events} if not wanted.has_events else set())
    return (command for command in commands if command[1] not in dropped)
