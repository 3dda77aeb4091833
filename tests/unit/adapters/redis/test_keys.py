"""Where everything lies in Redis: one hash tag for all that a transaction touches, spread evenly over a cluster."""

from collections import Counter
from uuid import uuid4
from zlib import crc32

import pytest

from synckairos.adapters.redis.keys import PARTITIONS, SLOTS, TAGS, Keys, partition_of

SESSION_ID = "0195f2a4-7c1e-7bb3-9d55-0a1b2c3d4e5f"


def crc16(data: bytes) -> int:
    """Return CRC-16/XMODEM bit by bit, as the Redis Cluster specification describes it."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def slot(key: str) -> int:
    """Return the slot of a key: of what is between the first braces, if that is anything."""
    start = key.find("{")
    end = key.find("}", start + 1)
    hashed = key[start + 1 : end] if start >= 0 and end > start + 1 else key
    return crc16(hashed.encode()) % 16_384


def test_the_reference_is_right() -> None:
    """The check value of the algorithm, and a slot from the specification's examples."""
    assert crc16(b"123456789") == 0x31C3
    assert slot("{user1000}.following") == slot("{user1000}.followers") == slot("user1000")


def test_each_tag_lies_in_its_own_share_of_the_slots() -> None:
    """Partition i has the slots [i * 256, (i+1) * 256): the 64 partitions tile the 16 384 slots."""
    assert (PARTITIONS, SLOTS, len(TAGS)) == (64, 16_384, 64)
    assert [slot(f"sk:{{{tag}}}:outbox") // 256 for tag in TAGS] == list(range(64))


def test_each_tag_is_the_first_that_fits() -> None:
    """`i`, `i.1`, `i.2`, …: so that every implementation, of any version, finds the same one."""
    for partition, tag in enumerate(TAGS):
        candidates = [str(partition), *(f"{partition}.{attempt}" for attempt in range(1, 1_000))]
        fitting = next(one for one in candidates if crc16(one.encode()) % 16_384 // 256 == partition)
        assert tag == fitting


@pytest.mark.parametrize("masters", [1, 3, 6, 12, 16, 64])
def test_a_cluster_of_any_size_is_balanced(masters: int) -> None:
    """With slots shared out evenly no master holds more than one partition above the fewest."""
    share = 16_384 / masters

    loads = Counter(int(slot(f"{{{tag}}}") / share) for tag in TAGS)

    assert len(loads) == masters
    assert max(loads.values()) - min(loads.values()) <= 1


def test_sessions_are_spread_over_all_partitions() -> None:
    """The partition is crc32(id) % 64, which leaves none empty and none crowded."""
    ids = [str(uuid4()) for _ in range(6_400)]

    loads = Counter(partition_of(one) for one in ids)

    assert all(partition_of(one) == crc32(one.encode()) % 64 for one in ids[:100])
    assert len(loads) == 64
    assert max(loads.values()) < 200


def test_everything_of_a_session_has_one_slot() -> None:
    """State, events, channel, requests, indexes and outbox of one transaction are never on two masters."""
    for session_id in (f"{tenant}{uuid4()}" for _ in range(100) for tenant in ("", "acme/")):
        keys = Keys().of(session_id)
        names = [name for name in keys if isinstance(name, str) and name != keys.tenant]
        assert len(names) == 8
        assert {slot(name) for name in names} == {slot(f"{{{TAGS[keys.partition]}}}")}


def test_keys_are_spelt_as_documented() -> None:
    """The names that operators and other tools rely on."""
    keys = Keys()
    of = keys.of(SESSION_ID)
    p = f"sk:{{{TAGS[of.partition]}}}"

    assert of.partition == crc32(SESSION_ID.encode()) % 64
    assert of.session == f"{p}:session:{SESSION_ID}"
    assert of.events == f"{p}:events:{SESSION_ID}"
    assert of.updates == f"{p}:updates:{SESSION_ID}"
    assert of.request_prefix == f"{p}:request:{SESSION_ID}:"
    assert [of.deadlines, of.outbox, of.live] == [
        keys.partitioned(of.partition, name) for name in ("deadlines", "outbox", "live")
    ]
    assert of.outbox == f"{p}:outbox"
    assert keys.meta == "sk:meta"


def test_a_tenant_is_in_the_names_of_what_it_has() -> None:
    """Of all but `default`, whose names are as they were; the partition is the id's own, whoever's it is."""
    keys = Keys()
    of, default = keys.of(f"acme/{SESSION_ID}"), keys.of(SESSION_ID)
    p = f"sk:{{{TAGS[of.partition]}}}"

    assert of.partition == default.partition
    assert of.session == f"{p}:session:acme/{SESSION_ID}"
    assert of.events == f"{p}:events:acme/{SESSION_ID}"
    assert of.updates == f"{p}:updates:acme/{SESSION_ID}"
    assert of.request_prefix == f"{p}:request:acme/{SESSION_ID}:"
    assert (of.live, default.live) == (f"{p}:live:acme", f"{p}:live")
    assert of.tenants == default.tenants == f"{p}:tenants"
    assert (of.deadlines, of.outbox) == (default.deadlines, default.outbox)
    assert (of.tenant, default.tenant) == ("acme", "default")


def test_another_prefix_shares_nothing() -> None:
    """A test's own prefix moves every key, and only the prefix differs."""
    ours, theirs = Keys("t1").of(SESSION_ID), Keys().of(SESSION_ID)

    assert [name.replace("t1:", "sk:", 1) for name in ours[1:]] == list(theirs[1:])
    assert Keys("t1").meta == "t1:meta"


def test_a_channel_names_its_session() -> None:
    """The session id can be read from the channel."""
    for session_id in (SESSION_ID, f"acme/{SESSION_ID}"):
        assert Keys().session_of_channel(Keys().of(session_id).updates) == session_id
