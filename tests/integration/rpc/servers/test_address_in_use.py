"""An address that cannot be listened on: the reason is the right one."""

import socket
from collections.abc import Iterator

import pytest

from synckairos.composition.listeners.listening import AddressInUseError, problem_of
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.settings import load_settings


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listens on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def address_of(one: socket.socket) -> str:
    """Return where a socket is bound."""
    host, port = one.getsockname()
    return f"{host}:{port}"


async def refused(redis: RedisServer, address: str) -> str:
    """Return what a server says that cannot listen."""
    with pytest.raises(AddressInUseError) as raised:
        await Server(load_settings(redis_url=redis.url, listen=address, insecure="true")).start()
    return str(raised.value)


async def test_a_listener_on_the_port_may_be_another_server(redis_server: RedisServer, listener: socket.socket) -> None:
    """It answers a connection."""
    assert "is another server running?" in await refused(redis_server, address_of(listener))


async def test_an_outgoing_connection_is_no_server(redis_server: RedisServer, listener: socket.socket) -> None:
    """The system gave the port to a connection to elsewhere."""
    with socket.create_connection(listener.getsockname()) as caller:
        said = await refused(redis_server, address_of(caller))

    assert "another server" not in said
    assert "ip_local_port_range" in said


@pytest.mark.parametrize("address", ["192.0.2.1:50051", "nobody.invalid:50051"])
async def test_an_address_of_another_machine_is_named_as_such(redis_server: RedisServer, address: str) -> None:
    """Neither has anything to do with other servers."""
    said = await refused(redis_server, address)

    assert address in said
    assert "another" not in said


def test_a_port_that_is_free_again_is_worth_another_try() -> None:
    """Nothing is wrong any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = address_of(listener)

    assert "try again" in problem_of(address)
