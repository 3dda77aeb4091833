"""Errors of asyncpg, by name: which are worth another try, and which data will never be accepted."""

import re
import socket
import ssl

import asyncpg
import pytest

from synckairos.adapters.postgres import errors
from synckairos.adapters.postgres.errors import explain, named_error, naming_errors, place_of
from synckairos.application.errors import AuditRefused, AuditUnavailable

URL = "postgresql://keeper:s3cret%21@db.example:6432/audit"
REFUSED = {errors.DataInvalid, errors.ConstraintViolated}


def refused_with(sqlstate: str, **fields: str) -> asyncpg.PostgresError:
    """Return the server's error with this SQLSTATE."""
    return asyncpg.PostgresError.new({"C": sqlstate, "M": "anna's secret", **fields})


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("08006", errors.ConnectionFailed),
        ("22021", errors.DataInvalid),
        ("22P05", errors.DataInvalid),
        ("23505", errors.ConstraintViolated),
        ("23502", errors.SchemaMismatch),
        ("23514", errors.SchemaMismatch),
        ("23503", errors.ConstraintViolated),
        ("25006", errors.ReadOnlyDatabase),
        ("28P01", errors.LoginRefused),
        ("28000", errors.LoginRefused),
        ("3D000", errors.DatabaseMissing),
        ("3F000", errors.SchemaMismatch),
        ("40001", errors.Conflicted),
        ("40P01", errors.Conflicted),
        ("42P01", errors.SchemaMismatch),
        ("42703", errors.SchemaMismatch),
        ("42501", errors.PrivilegeMissing),
        ("53100", errors.OutOfResources),
        ("53300", errors.OutOfResources),
        ("55P03", errors.Conflicted),
        ("57014", errors.StatementTimedOut),
        ("57P01", errors.ConnectionFailed),
        ("57P03", errors.ConnectionFailed),
        ("54000", errors.DatabaseUnavailable),
        ("58030", errors.DatabaseUnavailable),
        ("XX000", errors.DatabaseUnavailable),
        ("ZZ999", errors.DatabaseUnavailable),
    ],
)
def test_what_the_server_says_has_a_name(sqlstate: str, kind: type[Exception]) -> None:
    """By SQLSTATE alone; of classes 22 and 23, what no data can be blamed for is not."""
    named = named_error(refused_with(sqlstate), "audit: add events")

    assert type(named) is kind
    assert named.sqlstate == sqlstate
    assert isinstance(named, AuditRefused if kind in REFUSED else AuditUnavailable)
    assert f"[{sqlstate}] (audit: add events)" in str(named)
    assert "secret" not in str(named)


def test_a_broken_rule_is_named() -> None:
    """The rule is the schema's own; the row, which PostgreSQL tells as well, is not."""
    named = named_error(refused_with("23514", n="sync_events_clock", D="Failing row contains (anna)"))

    assert type(named) is errors.ConstraintViolated
    assert "sync_events_clock" in str(named)
    assert "anna" not in str(named)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.DataError("invalid input for query argument $1: 'secret'"), errors.DataInvalid),
        (UnicodeEncodeError("utf-8", "secret", 0, 1, "no"), errors.DataInvalid),
        (OverflowError("secret"), errors.DataInvalid),
        (TimeoutError(), errors.NoAnswer),
        (ConnectionRefusedError("secret"), errors.ConnectionFailed),
        (asyncpg.InterfaceError("connection is closed: secret"), errors.ConnectionFailed),
        (asyncpg.InternalClientError("secret"), errors.ConnectionFailed),
        (ConnectionError("PostgreSQL server at secret rejected SSL upgrade"), errors.TlsRefused),
        (ssl.SSLCertVerificationError(1, "secret"), errors.TlsRefused),
    ],
)
def test_what_happens_on_the_way_has_a_name(error: Exception, kind: type[Exception]) -> None:
    """Without the values and addresses that the texts of others may hold."""
    named = named_error(error)

    assert type(named) is kind
    assert "secret" not in str(named)


def test_what_has_nothing_to_do_with_the_database_passes() -> None:
    """A mistake of ours stays one."""
    assert named_error(KeyError("ours")) is None
    with pytest.raises(KeyError), naming_errors("anything"):
        raise KeyError("ours")


def test_the_cause_is_kept() -> None:
    """For a closer look."""
    with pytest.raises(errors.ConnectionFailed) as raised, naming_errors("one"):
        raise ConnectionResetError

    assert isinstance(raised.value.__cause__, ConnectionResetError)


def certificate_error() -> ssl.SSLCertVerificationError:
    """Return an error as a handshake raises it."""
    error = ssl.SSLCertVerificationError("[SSL] certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (asyncpg.InvalidCatalogNameError('database "audit" does not exist'), "3D000.*createdb"),
        (asyncpg.InvalidPasswordError("password authentication failed"), "28P01.*wrong user or password"),
        (asyncpg.InvalidAuthorizationSpecificationError("no entry"), "28000.*pg_hba"),
        (asyncpg.InsufficientPrivilegeError("permission denied for schema x"), "42501.*GRANT"),
        (asyncpg.DuplicateTableError('relation "x" already exists'), "42P07.*another schema"),
        (asyncpg.DuplicateDatabaseError("exists"), "42P04.*another name"),
        (asyncpg.CannotConnectNowError("starting up"), "57P03.*in a moment"),
        (asyncpg.TooManyConnectionsError("too many"), "53300.*max_connections"),
        (asyncpg.ReadOnlySQLTransactionError("read-only"), "25006.*primary"),
        (asyncpg.QueryCanceledError("timeout"), "57014.*--statement-timeout"),
        (asyncpg.UndefinedColumnError("no column x"), r"no column x \(SQLSTATE 42703\)$"),
        (asyncpg.PostgresError("gone"), "the connection to .* broke: gone"),
        (asyncpg.ClientConfigurationError(f"invalid DSN {URL}"), "SYNCKAIROS_DATABASE_URL is not a URL"),
        (asyncpg.InterfaceError("connection is closed"), "broke: connection is closed"),
        (asyncpg.InternalClientError("cannot switch to state 11"), "the connection to .* broke"),
        (ConnectionRefusedError(111, "refused"), "cannot connect to .*nothing listens there"),
        (socket.gaierror(-2, "Name or service not known"), "no such host"),
        (TimeoutError(), "no answer in time"),
        (certificate_error(), r"certificate is not accepted \(self-signed certificate\).*DATABASE_TLS_CA"),
        (ssl.SSLError(1, "wrong version number"), "TLS failed"),
        (ConnectionError('PostgreSQL server at "x" rejected SSL upgrade'), "does not speak TLS.*DATABASE_TLS=disable"),
        (OSError("no route to host"), "no route to host: check that PostgreSQL runs"),
    ],
)
def test_every_condition_is_named_with_what_to_do(error: Exception, expected: str) -> None:
    """The text says what PostgreSQL said and what helps; the password is in none of them."""
    text = explain(error, URL)

    assert "s3cret" not in text
    assert re.search(expected, text), text


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (URL, "db.example:6432/audit"),
        ("postgresql:///audit", "the local socket:5432/audit"),
        ("postgresql://keeper:s3cret@host:port/audit", "the database"),
    ],
)
def test_a_place_has_no_user_and_no_password(url: str, place: str) -> None:
    """Host, port and database are enough to know which one is meant."""
    assert place_of(url) == place
