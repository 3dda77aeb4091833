"""What a session takes in Redis' memory: it is the size of the store that a machine is bought for."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest

from synckairos.adapters.redis.keys import partition_of
from synckairos.application.ports import Request
from synckairos.devstack import RedisServer
from synckairos.domain.commands import Start, Switch
from synckairos.domain.model import Session
from synckairos.domain.specification import SessionSpec
from tests.contract.backends import RedisBackend
from tests.contract.decisions import ask, creating, new_id, switched, two_players, until
from tests.contract.store_process import StoreProcess

SESSIONS: Final = 500
SESSION_BYTES: Final = 1_024
EVENT_BYTES: Final = 340
REQUEST_BYTES: Final = 256
PARTITION: Final = 7
NOBODY = Request()

Report = Callable[[str], None]


@pytest.fixture
def own_redis(server_directory: Path) -> Iterator[RedisServer]:
    """A Redis where nothing else comes and goes, and what is deleted is freed at once."""
    with RedisServer(server_directory / "redis", extra_args=("--lazyfree-lazy-user-del", "no")) as redis:
        yield redis


@pytest.fixture
async def backend(own_redis: RedisServer) -> AsyncIterator[RedisBackend]:
    """A key prefix of it."""
    async with AsyncExitStack() as stack:
        yield RedisBackend(own_redis.url, stack)


@pytest.fixture
async def process(backend: RedisBackend) -> StoreProcess:
    """A process."""
    return await backend.process()


def game() -> SessionSpec:
    """Describe a usual game of two, with increment and warnings."""
    return two_players(increment_ms=3_000, warning_thresholds_ms=(60_000, 10_000))


async def started(process: StoreProcess, session_id: str) -> Session:
    """Create and start a game under this id."""
    await process.store.transact(session_id, NOBODY, creating(session_id, game()), until())
    return await ask(process.store, session_id, Start())


def ids_of_one_partition() -> list[str]:
    """Return ids that share a partition: its indexes grow as big as in a store of 64 times as many sessions."""
    candidates = (new_id() for _ in iter(int, 1))
    return list(islice((one for one in candidates if partition_of(one) == PARTITION), SESSIONS))


def bytes_of(backend: RedisBackend, *keys: str) -> int:
    """Return what keys take, names included."""
    taken: list[Any] = [backend.redis.memory_usage(key, samples=0) for key in keys]
    return sum(int(one or 0) for one in taken)


def bytes_of_streams(backend: RedisBackend, *keys: str) -> int:
    """Delete streams, and return what they took: MEMORY USAGE of Redis guesses 100 bytes an event too much."""
    before = bytes_in_use(backend)
    backend.redis.delete(*keys)
    return before - bytes_in_use(backend)


def bytes_in_use(backend: RedisBackend) -> int:
    """Return what Redis has allotted, but for the buffers of its connections and of its file."""
    memory = backend.redis.info("memory")
    return int(memory["used_memory"] - memory["mem_clients_normal"] - memory["mem_aof_buffer"])


async def test_a_running_session(backend: RedisBackend, process: StoreProcess, measured: Report) -> None:
    """State and index entries of a running session of two stay below 1 KB each, however many there are."""
    ids = ids_of_one_partition()
    for session_id in ids:
        await started(process, session_id)
        await switched(process.store, session_id, 1)
    of = [process.keys.of(session_id) for session_id in ids]

    state = bytes_of(backend, *(keys.session for keys in of)) / SESSIONS
    deadline = bytes_of(backend, of[0].deadlines) / SESSIONS
    live = bytes_of(backend, of[0].live) / SESSIONS

    figures = f"state {state:.0f} B, deadline {deadline:.0f} B, live {live:.0f} B: {state + deadline + live:.0f} B"
    measured(f"a running session of two: {figures}")
    assert state + deadline + live < SESSION_BYTES, figures


async def test_a_retained_event(backend: RedisBackend, process: StoreProcess, measured: Report) -> None:
    """An event of a full window takes less than 340 bytes on average, its share of the stream included.

    Redis allots a stream a node at a time, and frees what has been trimmed as late: sessions differ by their age.
    """
    ids = [new_id() for _ in range(50)]
    for age, session_id in enumerate(ids):
        await started(process, session_id)
        await switched(process.store, session_id, 20 + age)
    streams = [process.keys.of(session_id).events for session_id in ids]

    retained = sum(int(backend.redis.xlen(stream)) for stream in streams)
    event = bytes_of_streams(backend, *streams) / retained

    measured(f"a retained event: {event:.0f} B on average ({retained / len(ids):.0f} a session)")
    assert retained == 16 * len(ids)
    assert event < EVENT_BYTES, event


async def test_an_event_for_the_audit_trail(backend: RedisBackend, process: StoreProcess, measured: Report) -> None:
    """The outbox is the buffer for when PostgreSQL is away: an event in it takes less than 340 bytes, too."""
    session_id = new_id()
    session = await started(process, session_id)
    for _ in range(500):
        await ask(process.store, session_id, Switch(), Request(new_id(), bytes(16), "ipv4:192.168.100.100:54321"))

    event = bytes_of_streams(backend, process.keys.of(session_id).outbox) / (session.version + 500)

    measured(f"an event in the outbox, with its origin: {event:.0f} B")
    assert event < EVENT_BYTES, event


async def test_a_remembered_request(backend: RedisBackend, process: StoreProcess, measured: Report) -> None:
    """A request id takes less than 256 bytes for the hour it is remembered."""
    session_id = new_id()
    await started(process, session_id)
    requests = [Request(new_id(), bytes(range(16))) for _ in range(100)]
    for request in requests:
        await ask(process.store, session_id, Switch(), request)

    prefix = process.keys.of(session_id).request_prefix
    taken = bytes_of(backend, *(prefix + request.request_id for request in requests)) / len(requests)

    measured(f"a remembered request: {taken:.0f} B")
    assert taken < REQUEST_BYTES, taken
