"""How the settings of the database are understood before anything connects."""

import ssl
from pathlib import Path

import pytest

from synckairos.adapters.postgres.options import DatabaseOptionsError, database_options, is_local, tls_of
from synckairos.settings import load_settings

FAR = "postgresql://anna:secret@db.example/audit"
NEAR = "postgresql://127.0.0.1/audit"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("anna:secret@localhost:5432", True),
        ("127.0.0.1", True),
        ("127.9.9.9:1", True),
        ("[::1]:5432", True),
        ("%2Fvar%2Frun%2Fpostgresql", True),
        ("", True),
        ("db.example", False),
        ("10.0.0.1:5432", False),
        ("[2001:db8::1]:5432", False),
        ("localhost.example", False),
        ("localhost:1,db.example:2", False),
        ("localhost:1,127.0.0.1:2", True),
    ],
)
def test_this_machine_is_known_by_its_names(host: str, expected: bool) -> None:
    """Loopback and sockets; every host of a list has to be one."""
    assert is_local(f"postgresql://{host}/audit") is expected


@pytest.mark.parametrize(("host", "expected"), [("/run/postgresql", True), ("db.example", False)])
def test_a_host_may_stand_in_the_query(host: str, expected: bool) -> None:
    """As libpq allows."""
    assert is_local(f"postgresql:///audit?host={host}") is expected


def verification(url: str, mode: str) -> tuple[bool, bool]:
    """Return whether the certificate, and whether the host is checked."""
    context = tls_of(url, mode, "")
    assert isinstance(context, ssl.SSLContext)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    return context.verify_mode is ssl.CERT_REQUIRED, context.check_hostname


@pytest.mark.parametrize(
    ("url", "mode", "expected"),
    [
        (FAR, "auto", (True, True)),
        (FAR, "verify-full", (True, True)),
        (FAR, "verify-ca", (True, False)),
        (FAR, "require", (False, False)),
        (NEAR, "verify-full", (True, True)),
        (FAR + "?sslmode=verify-ca", "auto", (True, False)),
        (FAR + "?sslmode=disable", "verify-full", (True, True)),
    ],
)
def test_what_is_checked(url: str, mode: str, expected: tuple[bool, bool]) -> None:
    """Everything, unless told otherwise; the setting counts before the URL."""
    assert verification(url, mode) == expected


@pytest.mark.parametrize(
    ("url", "mode", "expected"),
    [
        (NEAR, "auto", False),
        (FAR, "disable", False),
        (FAR + "?sslmode=disable", "auto", False),
        (FAR, "prefer", "prefer"),
    ],
)
def test_when_nothing_is_checked(url: str, mode: str, expected: object) -> None:
    """On this machine, or because the settings say so."""
    assert tls_of(url, mode, "") == expected


@pytest.mark.parametrize(
    ("url", "authorities"),
    [
        ("mysql://anna:secret@db.example/audit", ""),
        ("db.example", ""),
        (FAR + "?sslmode=maybe", ""),
        (FAR, "no-such-file.pem"),
        (FAR + "?sslrootcert=no-such-file.pem", ""),
        (FAR + "?sslcert=no-such-file.pem", ""),
    ],
)
def test_what_cannot_work_is_said_at_once(url: str, authorities: str) -> None:
    """Without the URL, which has the password in it."""
    with pytest.raises(DatabaseOptionsError) as raised:
        tls_of(url, "auto", authorities)

    assert "secret" not in str(raised.value)


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    """By its name, not by where it lies."""
    (tmp_path / "empty.pem").write_text("nothing")

    with pytest.raises(DatabaseOptionsError, match=r"read: empty\.pem"):
        tls_of(FAR, "auto", str(tmp_path / "empty.pem"))


def test_options_are_the_settings() -> None:
    """All of them; a pool is never smaller than what it keeps."""
    settings = load_settings(
        _env_file=None,
        database_url=NEAR,
        database_schema="trail",
        database_pool_min=9,
        database_pool_max=3,
        database_connect_timeout_s=1,
        database_statement_timeout_s=2,
        database_idle_timeout_s=3,
        database_slow_query_ms=4,
        database_ssh="me@bastion",
    )

    options = database_options(settings, "worker")

    assert options[2:] == ("trail", 3, 3, 1.0, 2.0, 3.0, 4, "worker", "me@bastion")
    assert (options.url, options.tls) == (NEAR, False)


def test_without_a_url_there_is_no_database() -> None:
    """Which is said by the name of the setting."""
    with pytest.raises(DatabaseOptionsError, match="SYNCKAIROS_DATABASE_URL"):
        database_options(load_settings(_env_file=None))
