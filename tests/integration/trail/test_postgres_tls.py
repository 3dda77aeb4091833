"""TLS with the database: which certificates are trusted, and what happens without TLS."""

from pathlib import Path

import pytest
import trustme

from synckairos.adapters.postgres.database import Database, Statement
from synckairos.adapters.postgres.errors import ConnectionFailed, DatabaseUnavailable, TlsRefused
from synckairos.adapters.postgres.options import DatabaseOptions, tls_of
from synckairos.devstack import PostgresServer
from testing.harness.processes.tls_front import TlsFront, tls_front

ONE = Statement("one", "SELECT 1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The authority that signs the server's certificate."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """The file that says to trust that authority."""
    return in_file(authority, tmp_path / "trusted.pem")


@pytest.fixture
def stranger(tmp_path: Path) -> str:
    """The file of an authority that signed nothing here."""
    return in_file(trustme.CA(), tmp_path / "stranger.pem")


def in_file(authority: trustme.CA, path: Path) -> str:
    """Write an authority's certificate."""
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def through(front: TlsFront, mode: str, authorities: str = "") -> Database:
    """Return the database behind a front, by a name that is checked."""
    url = f"postgresql://synckairos@localhost:{front.port}/synckairos"
    return Database(DatabaseOptions(url, tls=tls_of(url, mode, authorities), pool_min=0, connect_timeout_s=5.0))


async def problem(database: Database) -> str:
    """Return why it does not answer, and close it."""
    found = await database.problem()
    await database.close()
    return found


async def failure(database: Database) -> DatabaseUnavailable:
    """Return why nothing can be asked, and close it."""
    with pytest.raises(DatabaseUnavailable) as raised:
        await database.fetch(ONE)
    await database.close()
    return raised.value


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full", "prefer"])
async def test_the_right_certificate_is_believed(
    postgres_server: PostgresServer, authority: trustme.CA, trusted: str, mode: str
) -> None:
    """In every mode, and the connection is a secured one."""
    async with tls_front(postgres_server.port, authority) as front:
        found = await problem(through(front, mode, trusted))

        assert found == ""
        assert front.secured == 1


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_another_authority_is_not_believed(
    postgres_server: PostgresServer, authority: trustme.CA, stranger: str, mode: str
) -> None:
    """Once a file names the trusted authorities, no other may have signed the certificate."""
    async with tls_front(postgres_server.port, authority) as front:
        error = await failure(through(front, mode, stranger))

        assert isinstance(error, TlsRefused)
        assert "certificate" in str(error)
        assert front.secured == 0


async def test_the_system_does_not_know_our_authority(postgres_server: PostgresServer, authority: trustme.CA) -> None:
    """Without a file, the system's authorities count."""
    async with tls_front(postgres_server.port, authority) as front:
        assert isinstance(await failure(through(front, "verify-full")), TlsRefused)


@pytest.mark.parametrize(("mode", "is_believed"), [("verify-full", False), ("verify-ca", True), ("require", True)])
async def test_a_certificate_for_another_host(
    postgres_server: PostgresServer, authority: trustme.CA, trusted: str, mode: str, *, is_believed: bool
) -> None:
    """Only verify-full asks whether it is the host we meant."""
    async with tls_front(postgres_server.port, authority, "db.example") as front:
        found = await problem(through(front, mode, trusted))

        assert (not found) is is_believed
        assert ("certificate" in found) is not is_believed


async def test_require_without_a_file_encrypts_and_believes(
    postgres_server: PostgresServer, authority: trustme.CA
) -> None:
    """As libpq does."""
    async with tls_front(postgres_server.port, authority) as front:
        assert not await problem(through(front, "require"))
        assert front.secured == 1


@pytest.mark.parametrize("mode", ["require", "verify-full"])
async def test_a_server_without_tls_is_not_spoken_to(postgres_server: PostgresServer, mode: str) -> None:
    """Nothing goes over the wire in the clear."""
    async with tls_front(postgres_server.port, None) as front:
        error = await failure(through(front, mode))

        assert isinstance(error, TlsRefused)
        assert "no TLS" in str(error)


async def test_prefer_does_without(postgres_server: PostgresServer) -> None:
    """It asks, and takes a no."""
    async with tls_front(postgres_server.port, None) as front:
        assert not await problem(through(front, "prefer"))


async def test_a_server_that_insists_is_not_reached_in_the_clear(
    postgres_server: PostgresServer, authority: trustme.CA
) -> None:
    """`disable` does not even ask."""
    async with tls_front(postgres_server.port, authority) as front:
        assert isinstance(await failure(through(front, "disable")), ConnectionFailed)
        assert front.secured == 0
