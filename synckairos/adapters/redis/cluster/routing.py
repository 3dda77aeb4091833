"""Which slot a command belongs to, and what a node's replies say of the place where it was sent."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final, NamedTuple

from redis.crc import key_slot
from redis.exceptions import AskError, ResponseError

from synckairos.adapters.redis.connections.replies import code_of
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from synckairos.adapters.redis.keys import PARTITIONS, SLOTS, TAGS

KEYLESS: Final = frozenset({"TIME", "INFO", "CONFIG", "DBSIZE", "PING", "MULTI", "EXEC", "UNWATCH", "CLUSTER"})
"""Commands without a key: they are sent to the primary of partition 0."""
HOME: Final = key_slot(TAGS[0].encode())
WAITED_OUT: Final = frozenset({"TRYAGAIN", "CLUSTERDOWN", "LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS"})
"""Error replies of a cluster that changes: nothing was applied, and soon it may be."""


class Unit(NamedTuple):
    """What goes to one node in one piece: a command, or a transaction."""

    slot: int
    commands: list[RedisCommand]


def units_of(commands: Sequence[RedisCommand]) -> Iterator[Unit]:
    """Split commands into units."""
    block: list[RedisCommand] = []
    for command in commands:
        block.append(command)
        if block[0][0] != "MULTI" or command[0] == "EXEC":
            yield Unit(slot_of(block), block)
            block = []


def slot_of(commands: Sequence[RedisCommand]) -> int:
    """Return the slot of the first key among commands."""
    for command in commands:
        if command[0] not in KEYLESS:
            key = command[3 if command[0] == "EVAL" else 1]
            return key_slot(key if isinstance(key, bytes) else str(key).encode())
    return HOME


def partition_of_slot(slot: int) -> int:
    """Return the partition whose keys lie in a slot: each has its share of them."""
    return slot // (SLOTS // PARTITIONS)


class Verdict(Enum):
    """What is to be done about replies: take them, look who has the slot, ask where they say, or wait."""

    DONE = 0
    MOVED = 1
    ASK = 2
    WAIT = 3


def verdict_of(commands: Sequence[RedisCommand], replies: Sequence[Reply]) -> tuple[Verdict, ResponseError | None]:
    """Return what replies to one unit ask for, and the error that says so.

    Only where every key is elsewhere does ASK send the whole unit there: else, what has not moved yet would look as if
    it had never been.
    """
    errors = {code_of(reply): reply for reply in reversed(replies) if isinstance(reply, ResponseError)}
    if not errors:
        return Verdict.DONE, None
    if moved := errors.get("MOVED"):
        return Verdict.MOVED, moved
    if "ASK" in errors:
        keyed = [reply for command, reply in zip(commands, replies, strict=True) if command[0] not in KEYLESS]
        is_elsewhere = all(isinstance(reply, AskError) for reply in keyed)
        return Verdict.ASK if is_elsewhere else Verdict.WAIT, errors["ASK"]
    waited = next((error for code, error in errors.items() if code in WAITED_OUT), None)
    return (Verdict.DONE, None) if waited is None else (Verdict.WAIT, waited)
