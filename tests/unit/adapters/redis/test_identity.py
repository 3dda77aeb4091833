"""Whether the store can be trusted: a lost, swapped or foreign store never answers for the one that was known."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.connections.wire import RedisCommand
from synckairos.adapters.redis.identity import Origin, StoreIdentity, StoreIdentityGuard, StoreLayoutError
from synckairos.adapters.redis.keys import Keys
from synckairos.application.errors import StoreUnavailable

PROBE_S = 5.0


class MetaOnly:
    """A Redis that holds `sk:meta` and nothing else; `is_away` makes it unreachable, `bug` is what asking it raises."""

    def __init__(self) -> None:
        self.meta: dict[str, str] = {}
        self.is_away = False
        self.bug: Exception | None = None
        self.probes = 0
        self._listeners: list[Callable[[str], None]] = []

    def on_unreachable(self, listener: Callable[[str], None]) -> None:
        """Tell the listener when it cannot be reached."""
        self._listeners.append(listener)

    async def run(self, commands: Sequence[RedisCommand]) -> list[Any]:
        """Answer HGETALL, and HSET, HSETNX and HDEL within MULTI and EXEC."""
        await asyncio.sleep(0)
        if self.bug is not None:
            self.probes += 1
            raise self.bug
        if self.is_away:
            for listener in self._listeners:
                listener("Redis does not answer")
            raise StoreUnavailable("Redis does not answer")
        if commands[0][0] == "HGETALL":
            self.probes += 1
            return [[part.encode() for item in self.meta.items() for part in item]]
        assert (commands[0], commands[-1]) == (("MULTI",), ("EXEC",)), "not in one transaction"
        return [b"OK", *(b"QUEUED" for _ in commands[1:-1]), [self._write(*command) for command in commands[1:-1]]]

    def _write(self, command: Any, key: Any, field: Any, *values: Any) -> int:
        assert key == "sk:meta"
        if command == "HDEL":
            return int(self.meta.pop(field, None) is not None)
        if command == "HSETNX" and field in self.meta:
            return 0
        parts = [str(part) for part in (field, *values)]
        self.meta.update(zip(parts[::2], parts[1::2], strict=True))
        return 1

    def renamed(self, origin: str, **facts: str) -> None:
        """Carry another name, given by `origin`."""
        self.meta = {"store_id": "another", "layout": "1", "partitions": "64", "origin": origin, **facts}


def guard_of(redis: MetaOnly) -> StoreIdentityGuard:
    """Return a process' guard."""
    ids = count(1)
    return StoreIdentityGuard(cast(RedisConnections, redis), Keys(), lambda: f"store-{next(ids)}")


@pytest.fixture
def redis() -> MetaOnly:
    """An empty Redis."""
    return MetaOnly()


@pytest.fixture
async def guard(redis: MetaOnly) -> StoreIdentityGuard:
    """A guard that has given the store its name."""
    guard = guard_of(redis)
    await guard.open(may_init=True)
    return guard


def test_a_store_that_was_never_reached_is_not_used(redis: MetaOnly) -> None:
    """Before the store was reached every call is refused."""
    guard = guard_of(redis)

    with pytest.raises(StoreUnavailable):
        guard.require()
    assert not guard.is_ready


async def test_an_empty_store_is_given_a_name_once(redis: MetaOnly) -> None:
    """The first of several starting servers names it, with its layout; the others take the name over."""
    guards = [guard_of(redis) for _ in range(4)]

    await asyncio.gather(*(guard.open(may_init=True) for guard in guards))

    identities = [await guard.identity() for guard in guards]
    assert set(identities) == {StoreIdentity("store-1", Origin.START, 1, 64)}
    assert all(guard.is_ready for guard in guards)


async def test_an_empty_store_is_left_alone_if_told_so(redis: MetaOnly) -> None:
    """Without permission to name it, the store is not used and not written to; the operator is told what to do."""
    guard = guard_of(redis)

    with pytest.raises(StoreUnavailable, match="synckairos store init"):
        await guard.open(may_init=False)

    assert redis.meta == {}
    assert not guard.is_ready


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda redis: redis.meta.clear(), "lost its data"),
        (lambda redis: redis.renamed("start"), "another one"),
        (lambda redis: redis.renamed("init", layout="2"), "layout 2"),
        (lambda redis: redis.renamed("init", partitions="128"), "128 partitions"),
        (lambda redis: redis.meta.update(layout="2"), "layout 2"),
    ],
    ids=["gone", "renamed by a starting server", "renamed, other layout", "renamed, other partitions", "converted"],
)
async def test_a_store_that_is_not_the_known_one_is_not_used(
    redis: MetaOnly, guard: StoreIdentityGuard, change: Callable[[MetaOnly], None], problem: str
) -> None:
    """Every call is refused from the moment it is noticed, until the store is as it was known."""
    known = dict(redis.meta)
    change(redis)

    with pytest.raises(StoreUnavailable, match=problem):
        await guard.confirm()
    with pytest.raises(StoreUnavailable, match=problem):
        guard.require()

    redis.meta = known
    await guard.confirm()
    guard.require()
    assert (guard.is_ready, guard.problem) == (True, "")


@pytest.mark.parametrize("origin", ["init", "recover"])
async def test_an_operators_word_is_taken(redis: MetaOnly, guard: StoreIdentityGuard, origin: str) -> None:
    """A new name given by an operator is accepted, lost or not before, and is the known one from then on."""
    redis.meta.clear()
    with pytest.raises(StoreUnavailable):
        await guard.confirm()

    redis.renamed(origin)
    await guard.confirm()
    redis.renamed("start", store_id="a third one")

    with pytest.raises(StoreUnavailable, match="a third one"):
        await guard.confirm()


async def test_init_is_an_operators_word(redis: MetaOnly, guard: StoreIdentityGuard) -> None:
    """Running servers go on with the name that `synckairos store init` writes."""
    redis.meta.clear()
    named = await guard_of(redis).init(Origin.INIT)

    await guard.confirm()

    assert named.origin is Origin.INIT
    assert await guard.identity() == named


@pytest.mark.parametrize(("layout", "partitions"), [("2", "64"), ("1", "32"), ("0", "0")])
async def test_a_store_of_another_layout_is_refused_at_the_start(redis: MetaOnly, layout: str, partitions: str) -> None:
    """Nothing is read from it, and nothing written."""
    redis.renamed("start", layout=layout, partitions=partitions)
    before = dict(redis.meta)
    guard = guard_of(redis)

    with pytest.raises(StoreLayoutError):
        await guard.open(may_init=True)

    assert not guard.is_ready
    assert redis.meta == before


async def test_a_suspicion_lasts_until_a_probe(redis: MetaOnly, guard: StoreIdentityGuard) -> None:
    """After one call found the store silent, the next ones are refused without asking it."""
    redis.is_away = True
    with pytest.raises(StoreUnavailable):
        await guard.identity()

    with pytest.raises(StoreUnavailable):
        guard.require()
    redis.is_away = False
    await guard.confirm()

    guard.require()


@contextlib.asynccontextmanager
async def watched(guard: StoreIdentityGuard, *, may_init: bool = False) -> AsyncIterator[asyncio.Queue[bool]]:
    """Let the guard probe, and yield the changes of its readiness."""
    changes: asyncio.Queue[bool] = asyncio.Queue()
    guard.on_change(changes.put_nowait)

    async def read_time() -> None:
        guard.require()

    task = asyncio.create_task(guard.watch(read_time, may_init=may_init))
    try:
        yield changes
    finally:
        assert not task.done(), "the guard has stopped watching"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def next_of(changes: asyncio.Queue[bool]) -> bool:
    """Return the next change of readiness."""
    async with asyncio.timeout(PROBE_S):
        return await changes.get()


async def test_the_watch_notices_a_loss_and_the_return(redis: MetaOnly, guard: StoreIdentityGuard) -> None:
    """Without any call being made: not ready once the name is gone, ready again on an operator's word."""
    async with watched(guard) as changes:
        redis.meta.clear()
        lost = await next_of(changes)
        redis.renamed("recover")
        found = await next_of(changes)

    assert (lost, found) == (False, True)


async def test_the_watch_waits_for_a_store_that_is_not_there_yet(redis: MetaOnly) -> None:
    """A server that starts before its store uses it as soon as it is there."""
    guard = guard_of(redis)
    redis.is_away = True
    async with watched(guard, may_init=True) as changes:
        await until_probed(guard)
        redis.is_away = False
        assert await next_of(changes)


async def until_probed(guard: StoreIdentityGuard) -> None:
    """Wait until the guard has found that the store does not answer."""
    async with asyncio.timeout(PROBE_S):
        while "does not answer" not in guard.problem:  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "facts",
    [{"layout": "2"}, {"layout": "two"}, {"origin": "nobody"}],
    ids=["another layout", "no number", "unknown origin"],
)
async def test_the_watch_outlives_a_store_it_does_not_understand(redis: MetaOnly, facts: dict[str, str]) -> None:
    """A foreign store makes the server wait, not die: once it is put right, it is used."""
    guard = guard_of(redis)
    redis.renamed(**{"origin": "start", **facts})
    async with watched(guard) as changes:
        async with asyncio.timeout(PROBE_S):
            while redis.probes < 2:  # noqa: ASYNC110 - nobody sets an event for it
                await asyncio.sleep(0)
        is_ready = guard.is_ready
        redis.renamed("start")
        after = await next_of(changes)

    assert (is_ready, after) == (False, True)


@pytest.mark.parametrize("bug", [RuntimeError("a bug"), OSError("a bug")], ids=repr)
async def test_the_watch_outlives_a_bug(redis: MetaOnly, guard: StoreIdentityGuard, bug: Exception) -> None:
    """An unforeseen error is a problem as long as it lasts, is logged once with its traceback, and ends nothing."""
    with capture_logs() as logs:
        async with watched(guard) as changes:
            redis.bug = bug
            before = await next_of(changes)
            problem, looked = guard.problem, redis.probes
            async with asyncio.timeout(PROBE_S):
                while redis.probes < looked + 2:  # noqa: ASYNC110 - nobody sets an event for it
                    await asyncio.sleep(0)
            redis.bug = None
            after = await next_of(changes)

    assert (before, after) == (False, True)
    assert type(bug).__name__ in problem
    assert [entry["exc_info"] for entry in logs if entry["event"] == "probe_failed"] == [True]


async def test_a_suspicion_is_looked_into_at_once(redis: MetaOnly, guard: StoreIdentityGuard) -> None:
    """The next probe after a failed call does not wait for its turn."""
    async with watched(guard) as changes:
        async with asyncio.timeout(PROBE_S):
            while redis.probes < 2:  # noqa: ASYNC110 - nobody sets an event for it
                await asyncio.sleep(0)
        started = asyncio.get_running_loop().time()
        guard.suspect("Redis does not answer")
        told = [await next_of(changes), await next_of(changes)]
        seconds = asyncio.get_running_loop().time() - started

    assert told == [False, True]
    assert seconds < 0.5
