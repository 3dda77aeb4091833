"""A token leaves the machine encrypted, or not at all."""

import grpc
import pytest

from synckairos.client.connection import Connection
from synckairos.client.credentials import authorization, is_loopback


@pytest.mark.parametrize(
    "address",
    ["localhost:50051", "127.0.0.1:1", "127.8.9.1:1", "[::1]:50051", "ipv4:127.0.0.1:1,127.0.0.2:2", "ipv6:[::1]:1",
     "dns:///localhost:1", "unix:/tmp/socket", "localhost"],
)  # fmt: skip
def test_this_machine(address: str) -> None:
    """In every form that gRPC takes."""
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    ["example.org:50051", "10.0.0.1:1", "[2001:db8::1]:1", "ipv4:127.0.0.1:1,10.0.0.2:2", "localhost.example.org:1",
     "dns:///127.0.0.1.example.org:1", "0.0.0.0:1", ""],
)  # fmt: skip
async def test_a_token_does_not_leave_it_in_the_clear(address: str) -> None:
    """Refused before anything is connected; the token is not in the text."""
    with pytest.raises(ValueError, match="in the clear") as refused:
        Connection.open(address, None, "secret", allow_insecure=False)

    assert "secret" not in str(refused.value)


async def test_it_leaves_encrypted_or_by_permission() -> None:
    """Nothing is sent yet: these only must not be refused. It is not shown either."""
    encrypted = Connection.open("example.org:1", grpc.ssl_channel_credentials(), "secret", allow_insecure=False)
    permitted = Connection.open("example.org:1", None, "secret", allow_insecure=True)

    assert "secret" not in repr(encrypted)
    for connection in (encrypted, permitted):
        await connection.channel.close()


async def test_a_token_is_a_bearers_unless_it_names_another_scheme() -> None:
    """A coroutine function is asked every time."""
    tokens = iter(["first", "second"])

    async def token() -> str:
        return next(tokens)

    assert await authorization(None) == ()
    assert await authorization("a.b.c") == (("authorization", "Bearer a.b.c"),)
    assert await authorization("Basic YTpi") == (("authorization", "Basic YTpi"),)
    assert [await authorization(token) for _ in range(2)] == [
        (("authorization", "Bearer first"),),
        (("authorization", "Bearer second"),),
    ]
