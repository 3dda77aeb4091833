"""Redis answers with errors: its own troubles are UNAVAILABLE with nothing stored, a broken commit is an alarm."""

import re

import pytest

from synckairos.application.errors import CommitBroken, SessionUnreadable, StoreUnavailable
from synckairos.application.ports import Request
from synckairos.devstack import RedisServer
from synckairos.domain.commands import Pause, Switch
from synckairos.domain.model import Session
from tests.contract.decisions import ask, asking, create, new_id, running, stored, until
from tests.contract.lines import Line, broken_line, is_commit

COMMAND = re.compile(rb"\*\d+\r\n\$")


def answer_with(line: Line, word: bytes, *errors: bytes) -> None:
    """Let a chunk that contains the word not reach Redis, and answer it with an error a command.

    The last error is repeated for commands beyond those given.
    """
    replies: list[bytes] = []

    def to_pings(data: bytes) -> bytes:
        if word not in data:
            return data
        count = len(COMMAND.findall(data))
        told = [*errors[:count], *[errors[-1]] * (count - len(errors))]
        replies.append(b"".join(b"-" + error + b"\r\n" for error in told))
        return b"*1\r\n$4\r\nPING\r\n" * count

    def to_errors(data: bytes) -> bytes:
        return replies.pop(0) if replies else data

    line.proxy.on_client_data, line.proxy.on_server_data = to_pings, to_errors


def heal(line: Line) -> None:
    """Let everything through again."""
    line.proxy.on_client_data = line.proxy.on_server_data = None


async def assert_unharmed(line: Line, session: Session) -> None:
    """Check that nothing was stored, nothing stays held, and the next call works."""
    heal(line)
    line.assert_consistent(session.session_id, session.version)
    await line.assert_released()
    await line.process.guard.confirm()
    await ask(line.process.store, session.session_id, Switch())
    line.assert_consistent(session.session_id, session.version + 1)


@pytest.mark.parametrize(
    "error",
    [
        b"LOADING Redis is loading the dataset in memory",
        b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        b"CLUSTERDOWN The cluster is down",
        b"TRYAGAIN Multiple keys request during rehashing of slot",
        b"NOAUTH Authentication required.",
        b"BUSY Redis is busy running a script.",
    ],
    ids=lambda error: error.split()[0].decode(),
)
async def test_a_redis_that_cannot_read_now(line: Line, error: bytes) -> None:
    """Reads and changes are UNAVAILABLE, and no connection is kept that may hold half a WATCH."""
    session = await running(line.process.store)

    answer_with(line, b"WATCH", error)
    with pytest.raises(StoreUnavailable):
        await ask(line.process.store, session.session_id, Switch())
    heal(line)
    await line.process.guard.confirm()
    answer_with(line, b"TIME", error)
    with pytest.raises(StoreUnavailable):
        await line.process.store.read([session.session_id])

    await assert_unharmed(line, session)


@pytest.mark.parametrize(
    "error",
    [
        b"READONLY You can't write against a read only replica.",
        b"OOM command not allowed when used memory > 'maxmemory'.",
        b"NOREPLICAS Not enough good replicas to write.",
        b"MISCONF Errors writing to the AOF file: No space left on device",
        b"CLUSTERDOWN The cluster is down",
        b"MASTERDOWN Link with MASTER is down",
        b"TRYAGAIN Multiple keys request during rehashing of slot",
    ],
    ids=lambda error: error.split()[0].decode(),
)
async def test_a_redis_that_cannot_write_now(line: Line, error: bytes) -> None:
    """The transaction is refused as a whole: UNAVAILABLE, not an alarm, and reads go on."""
    session = await running(line.process.store)
    answer_with(line, b"EXEC", error, b"EXECABORT Transaction discarded because of previous errors.")

    # A slot that moves is waited for as long as the caller has time.
    with pytest.raises(StoreUnavailable):
        await line.process.store.transact(session.session_id, Request(), asking(Switch()), until(1.0))

    assert line.process.observed.broken == 0
    assert await stored(line.process.store, session.session_id) == session
    await assert_unharmed(line, session)


async def test_a_transaction_refused_for_another_reason_is_an_alarm(line: Line) -> None:
    """A command Redis does not take is our fault: counted, and never answered as if it could be tried again."""
    session = await running(line.process.store)
    answer_with(line, b"EXEC", b"ERR unknown command", b"EXECABORT Transaction discarded because of previous errors.")

    with pytest.raises(CommitBroken):
        await ask(line.process.store, session.session_id, Switch())

    assert line.process.observed.broken == 1
    await assert_unharmed(line, session)


async def test_a_full_redis(own_redis: RedisServer) -> None:
    """Over maxmemory: reads are answered, changes are UNAVAILABLE with nothing stored, until there is room."""
    async with broken_line(own_redis) as line:
        session = await running(line.process.store)
        line.redis.config_set("maxmemory", "1")

        for call in (ask(line.process.store, session.session_id, Switch()), create(line.process.store)):
            with pytest.raises(StoreUnavailable):
                await call
        read = await stored(line.process.store, session.session_id)
        line.redis.config_set("maxmemory", "0")

        assert read == session
        assert line.process.observed.broken == 0
        await assert_unharmed(line, session)


async def test_a_replica(own_redis: RedisServer) -> None:
    """Turned into a replica under us: reads are answered, changes are UNAVAILABLE, until it is the master again."""
    async with broken_line(own_redis) as line:
        session = await running(line.process.store)
        line.redis.execute_command("REPLICAOF", "127.0.0.1", "1")

        with pytest.raises(StoreUnavailable):
            await ask(line.process.store, session.session_id, Switch())
        read = await stored(line.process.store, session.session_id)
        line.redis.execute_command("REPLICAOF", "NO", "ONE")

        assert read == session
        assert line.process.observed.broken == 0
        await assert_unharmed(line, session)


@pytest.mark.parametrize("place", ["outbox", "events", "deadlines"])
async def test_one_failed_command_within_a_transaction_is_an_alarm(line: Line, place: str) -> None:
    """Redis does not roll back: whoever asked gets an INTERNAL error, and the alarm is counted once."""
    session = await running(line.process.store)
    key = getattr(line.process.keys.of(session.session_id), place)
    line.redis.delete(key)
    line.redis.set(key, "of the wrong type")

    with pytest.raises(CommitBroken):
        await ask(line.process.store, session.session_id, Switch())

    assert line.process.observed.broken == 1
    after = line.stored(session.session_id)
    assert after is not None
    assert after.version == session.version + 1, "applied in part, which is the alarm"
    await line.assert_released()


async def test_a_session_key_of_the_wrong_type_stops_nobody_else(line: Line) -> None:
    """It is unreadable, the connection is not kept, and other sessions go on."""
    session, session_id = await running(line.process.store), new_id()
    line.redis.lpush(line.process.keys.of(session_id).session, "no session")

    (reading,) = await line.process.store.read([session_id])
    assert isinstance(reading.problem, SessionUnreadable)
    with pytest.raises(SessionUnreadable, match="WRONGTYPE"):
        await ask(line.process.store, session_id, Pause(), Request(new_id(), bytes(16)))

    await assert_unharmed(line, session)


def test_the_words_for_a_transaction() -> None:
    """What the tests above take for a transaction is one."""
    assert is_commit(b"*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n")
    assert len(COMMAND.findall(b"*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n")) == 2
