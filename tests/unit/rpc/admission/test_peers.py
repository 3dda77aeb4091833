"""Where callers are, by the word of whoever passes their calls on."""

import pytest

from synckairos.rpc.admission.peers import forwarded_peer


@pytest.mark.parametrize(
    ("said", "peer"),
    [
        ("203.0.113.9", "ipv4:203.0.113.9"),
        ("203.0.113.9:77", "ipv4:203.0.113.9:77"),
        ("198.51.100.1, 203.0.113.9", "ipv4:203.0.113.9"),
        ("2001:db8::1", "ipv6:[2001:db8::1]"),
        ("[2001:db8::1]", "ipv6:[2001:db8::1]"),
        ("[2001:db8::1]:77", "ipv6:[2001:db8::1]:77"),
        (b"203.0.113.9", "ipv4:203.0.113.9"),
        ("203.0.113.9:x", "ipv4:203.0.113.9"),
        ("", ""),
        ("203.0.113.9, unknown", ""),
        (b"\xff", ""),
        ("ann\n:77", ""),
    ],
)
def test_the_last_address_counts(said: str | bytes, peer: str) -> None:
    """It is the one that the connection's own end has seen; what is no address is nothing."""
    assert forwarded_peer(said) == peer
