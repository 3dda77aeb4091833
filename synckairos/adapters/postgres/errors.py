"""What PostgreSQL, or the way to it, can answer: one named error for each kind, found by SQLSTATE.

Bad moments are AuditUnavailable and worth another try; bad data are AuditRefused and never will be taken. What is not
known counts as a bad moment: an event too many tries is better than an event thrown away. No text holds a value, a
connection's URL or a password; PostgreSQL's own words are quoted only where they name objects, not data.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from synckairos.application.errors import AuditRefused, AuditUnavailable


class DatabaseUnavailable(AuditUnavailable):
    """The database cannot do it now; `sqlstate` is empty if it was not the database that said so."""

    def __init__(self, text: str, sqlstate: str = "") -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


class ConnectionFailed(DatabaseUnavailable):
    """No connection, or one that broke: nobody listens, the network fails, the server goes down or comes up."""


class NoAnswer(ConnectionFailed):
    """The database is silent: what it did with what it was asked is not known."""


class LoginRefused(DatabaseUnavailable):
    """The user, the password or the server's access rules do not fit."""


class DatabaseMissing(DatabaseUnavailable):
    """The server has no database of this name."""


class TlsRefused(DatabaseUnavailable):
    """Encryption could not be agreed on, or the certificate is not to be trusted."""


class StatementTimedOut(DatabaseUnavailable):
    """A statement took longer than it may, or somebody cancelled it."""


class Conflicted(DatabaseUnavailable):
    """The transaction lost against another one, or did not get a lock: it can be repeated."""


class OutOfResources(DatabaseUnavailable):
    """The server has no connection, memory or disk left."""


class ReadOnlyDatabase(DatabaseUnavailable):
    """The server takes no writes: a standby, or one switched to read-only."""


class SchemaMismatch(DatabaseUnavailable):
    """Tables, columns or schema are missing or different: migrations have not been applied here."""


class PrivilegeMissing(DatabaseUnavailable):
    """The user may not do this."""


class DatabaseRefused(AuditRefused):
    """The data can never be stored; `sqlstate` is empty if they could not even be sent."""

    def __init__(self, text: str, sqlstate: str = "") -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


class DataInvalid(DatabaseRefused):
    """A value does not fit its type."""


class ConstraintViolated(DatabaseRefused):
    """A value breaks a rule of the schema."""


_BY_SQLSTATE: Final[dict[str, tuple[type[DatabaseUnavailable | DatabaseRefused], str]]] = {
    "08": (ConnectionFailed, "the connection to the database broke"),
    "22": (DataInvalid, "a value does not fit its column"),
    "23": (ConstraintViolated, "a value breaks a rule of the schema"),
    "23502": (SchemaMismatch, "the database wants a column that this version does not fill"),
    "25006": (ReadOnlyDatabase, "the database is read-only: is it a standby?"),
    "28": (LoginRefused, "the database refused the login: check user, password and pg_hba.conf"),
    "3D": (DatabaseMissing, "there is no such database: create it, then run `synckairos migrate up`"),
    "3F": (SchemaMismatch, "there is no such schema: run `synckairos migrate up`"),
    "40": (Conflicted, "the transaction lost against another one"),
    "42": (SchemaMismatch, "the database has another schema than expected: run `synckairos migrate up`"),
    "42501": (PrivilegeMissing, "the database user lacks a privilege"),
    "53": (OutOfResources, "the database is out of resources"),
    "53100": (OutOfResources, "the database's disk is full"),
    "53200": (OutOfResources, "the database is out of memory"),
    "53300": (OutOfResources, "the database has no connection left: raise max_connections, or lower the pools"),
    "55": (Conflicted, "the database could not get a lock"),
    "57": (ConnectionFailed, "the database ended the connection"),
    "57014": (StatementTimedOut, "the database cancelled the statement: it took too long"),
    "57P03": (ConnectionFailed, "the database is starting up or going down"),
}
"""By the whole SQLSTATE, else by its class."""

LOST: Final = (ConnectionFailed, TlsRefused)


def named_error(error: BaseException, statement: str = "") -> DatabaseUnavailable | DatabaseRefused | None:
    """Return the named error for what asyncpg raised, None for what has nothing to do with the database."""
    where = f" ({statement})" if statement else ""
    match error:
        case asyncpg.PostgresError():
            return _of_server(error, where)
        case ssl.SSLError():
            # SSLError says which check failed; it knows nothing secret.
            return TlsRefused(f"no TLS with the database: {_failed_check(error)}{where}")
        case asyncpg.DataError() | UnicodeError() | OverflowError():
            return DataInvalid(f"a value cannot be sent to the database{where}")
        case TimeoutError():
            return NoAnswer(f"the database did not answer in time{where}")
        case ConnectionError() if "SSL" in str(error):
            # All that asyncpg says when the server answers a request for TLS with no.
            return TlsRefused(f"the database offers no TLS{where}")
        case asyncpg.InterfaceError() | asyncpg.InternalClientError() | OSError():
            return ConnectionFailed(f"the database cannot be reached: {type(error).__name__}{where}")
    return None


def _of_server(error: asyncpg.PostgresError, where: str) -> DatabaseUnavailable | DatabaseRefused:
    sqlstate = str(getattr(error, "sqlstate", "") or "")
    if sqlstate == "23514" and not getattr(error, "constraint_name", None):
        # No rule of a table, but of its partitioning: every event would be refused.
        return SchemaMismatch(f"no partition takes the event: is the DEFAULT one gone? [{sqlstate}]{where}", sqlstate)
    kind, text = _BY_SQLSTATE.get(sqlstate) or _BY_SQLSTATE.get(sqlstate[:2]) or (DatabaseUnavailable, "")
    named = ": ".join(part for part in (text or "the database failed", _object(error)) if part)
    return kind(f"{named} [{sqlstate}]{where}", sqlstate)


def _object(error: asyncpg.PostgresError) -> str:
    """Return the constraint, or the column, that the error is about, if it says so."""
    name = getattr(error, "constraint_name", None) or getattr(error, "column_name", None)
    return str(name) if name else ""


def _failed_check(error: ssl.SSLError) -> str:
    told = (getattr(error, "reason", ""), getattr(error, "verify_message", ""))
    return ", ".join(text for text in told if text) or "the handshake failed"


@contextmanager
def naming_errors(statement: str = "") -> Iterator[None]:
    """Turn what asyncpg raises into a named error; everything else passes as it is."""
    try:
        yield
    except Exception as error:
        named = named_error(error, statement)
        if named is None:
            raise
        raise named from error
