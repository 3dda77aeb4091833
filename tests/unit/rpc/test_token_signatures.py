"""Signed tokens: good for their tenant alone, under any of the keys; and without a key as they always were."""

from itertools import pairwise

import pytest

from synckairos.application.listing import Filter
from synckairos.application.ports import Position
from synckairos.application.trail.audit import (
    EventKey,
    EventQuery,
    ParticipantKey,
    ParticipantQuery,
    SessionKey,
    SessionQuery,
)
from synckairos.domain.model import Head
from synckairos.rpc import tokens
from synckairos.rpc.fields import Fields
from synckairos.rpc.token_signatures import SIGNATURE_BYTES, UNSIGNED, Signatures

SID, CHANGE = "10000000-0000-4000-8000-000000000001", "50000000-0000-4000-8000-000000000001"
HEAD = Head(1_767_225_600_123_456, 42, CHANGE)
OLD, NEW, OTHER = bytes(32), bytes(range(32)), b"x" * 40
TENANTS = ("default", "acme", "acm", "default-")


def resume_of(tenant: str, signatures: Signatures = UNSIGNED) -> str:
    """Return a resume token of a tenant's session."""
    return tokens.write_resume(SID if tenant == "default" else f"{tenant}/{SID}", HEAD, signatures)


def test_without_a_key_tokens_are_as_they_always_were() -> None:
    """To the byte: clients hold them while servers are replaced."""
    event = EventKey(HEAD.epoch, HEAD.version, CHANGE)
    moment = ParticipantKey(1_767_225_600_123, CHANGE)

    assert resume_of("default") == "AQAGR0hGIiJAAAAAAAAAACpQAAAAAABAAIAAAAAAAAABEAAAAAAAQACAAAAAAAAAAQ"
    assert [
        tokens.write_position(Position(1_767_225_600_123, SID), Filter()),
        tokens.write_place(event, EventQuery(SID, None, 50)),
        tokens.write_place(moment, ParticipantQuery(SID, None, 50)),
        tokens.write_place(SessionKey(1_767_225_600_123, SID), SessionQuery(None, 50)),
    ] == [
        "AAABm3baqHsQAAAAAABAAIAAAAAAAAABfRpiFl_I6FI",
        "AAZHSEYiIkAAAAAAAAAAKlAAAAAAAEAAgAAAAAAAAAGIktVICBYrlw",
        "AAABm3baqHtQAAAAAABAAIAAAAAAAAAB-B9HhmQ7SQA",
        "AAABm3baqHsQAAAAAABAAIAAAAAAAAABabpRlFawru8",
    ]


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_token_is_of_its_tenant_alone(tenant: str) -> None:
    """Neither another tenant, nor another key, nor a changed byte finds anything in it."""
    signatures = Signatures([NEW])
    raw = b"whatever"
    token = signatures.text(tenant, raw)

    assert signatures.raw(tenant, token) == raw
    for reader, reading in [
        *((signatures, other) for other in TENANTS if other != tenant),
        (Signatures([OTHER]), tenant),
        (UNSIGNED, "acme"),
    ]:
        with pytest.raises(ValueError, match="signed"):
            reader.raw(reading, token)
    for place in range(len(token) - 1):
        with pytest.raises(ValueError, match="signed"):
            signatures.raw(tenant, f"{token[:place]}{'A' if token[place] != 'A' else 'B'}{token[place + 1 :]}")


def test_what_is_not_signed_counts_while_there_is_no_key() -> None:
    """And for `default` alone: nobody else can be told from it then."""
    token = resume_of("default")

    assert tokens.read_resume(SID, token) == HEAD
    with pytest.raises(tokens.InvalidToken):
        tokens.read_resume(f"acme/{SID}", token)
    with pytest.raises(tokens.InvalidToken):
        tokens.read_resume(SID, token, Signatures([NEW]))
    with pytest.raises(AssertionError):
        resume_of("acme")


def test_keys_are_exchanged_one_after_the_other() -> None:
    """The first signs, all verify: a new one is added behind, then put in front, then left alone."""
    lists = [Signatures(keys) for keys in ([OLD], [OLD, NEW], [NEW, OLD], [NEW])]

    for before, after in pairwise(lists):
        for writer, reader in ((before, after), (after, before)):
            assert tokens.read_resume(f"acme/{SID}", resume_of("acme", writer), reader) == HEAD
    with pytest.raises(tokens.InvalidToken):
        tokens.read_resume(f"acme/{SID}", resume_of("acme", lists[0]), lists[3])


def test_a_place_in_a_list_is_the_tenants_own() -> None:
    """Named as its sessions are inside."""
    signatures, wanted, fields = Signatures([NEW]), Filter(), Fields()
    position = Position(1_767_225_600_123, f"acme/{SID}")
    token = tokens.write_position(position, wanted, signatures)

    read = tokens.read_position(fields, token, wanted, signatures, "acme")
    foreign = tokens.read_position(fields, token, wanted, signatures, "default")

    assert (read, foreign) == (position, None)
    assert [violation.path for violation in fields.violations] == ["page_token"]


@pytest.mark.parametrize("text", ["", "x", "été", "A" * 4, "A" * 21, "A" * 22, "A" * 4_000])
def test_what_is_too_short_or_no_token_is_refused(text: str) -> None:
    """Whatever it is, it is only no token."""
    assert SIGNATURE_BYTES == 16
    with pytest.raises(ValueError, match=r".*"):
        Signatures([NEW]).raw("default", text)
