"""What PostgreSQL, or the network on the way to it, can answer: one named error for each kind, found by SQLSTATE.

Bad moments are AuditUnavailable and worth another try; bad data are AuditRefused and never will be taken. An unknown
error counts as a bad moment: an event tried too often is better than an event thrown away. No text holds a value, a
connection's URL or a password; PostgreSQL's own words are quoted only where they name objects, not data.

`explain` tells people who run a command on the schema more: it quotes the server and adds advice.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import asyncpg

from synckairos.application.errors import AuditRefused, AuditUnavailable

URL: Final = "SYNCKAIROS_DATABASE_URL"
TLS: Final = "SYNCKAIROS_DATABASE_TLS"

# asyncpg raises an internal error of its own where the server ends a connection between two messages.
DATABASE_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


class DatabaseUnavailable(AuditUnavailable):
    """The database cannot do it now; `sqlstate` is empty if it was not the database that said so."""

    def __init__(self, text: str, sqlstate: str = "") -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


class ConnectionFailed(DatabaseUnavailable):
    """No connection, or one that broke: nothing listens, the network fails, the server goes down or comes up."""


class NoAnswer(ConnectionFailed):
    """The database is silent: what it did with what it was asked is not known."""


class TunnelFailed(OSError):
    """The way to the database could not be opened; the text says why, and no secret."""


class LoginRefused(DatabaseUnavailable):
    """The user, the password or the server's access rules do not fit."""


class DatabaseMissing(DatabaseUnavailable):
    """The server has no database of this name."""


class TlsRefused(DatabaseUnavailable):
    """Encryption could not be agreed on, or the certificate is not to be trusted."""


class StatementTimedOut(DatabaseUnavailable):
    """A statement took longer than it may, or was cancelled."""


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


class _Condition(NamedTuple):
    """What an SQLSTATE means: its error (None: as that of its class), a text for logs, advice for people at a shell."""

    kind: type[DatabaseUnavailable | DatabaseRefused] | None = None
    text: str = ""
    advice: str = ""


_EXISTS: Final = _Condition(
    advice="something that these migrations did not make is there already: look at it, then drop or rename it, "
    "or choose another schema with --schema"
)
_NO_ADVICE: Final = _Condition()
_CONDITIONS: Final[Mapping[str, _Condition]] = {
    "08": _Condition(ConnectionFailed, "the connection to the database broke"),
    "08P01": _Condition(advice=f"is that PostgreSQL, and not a pooler or another service? Check {URL}"),
    "22": _Condition(DataInvalid, "a value does not fit its column"),
    "23": _Condition(ConstraintViolated, "a value breaks a rule of the schema"),
    "23502": _Condition(SchemaMismatch, "the database wants a column that this version does not fill"),
    "25001": _Condition(
        advice="a section with `transaction:false` may hold one statement only; one without it, none that stands alone"
    ),
    "25006": _Condition(
        ReadOnlyDatabase,
        "the database is read-only: is it a standby?",
        "this is a read-only server, perhaps a standby: use the primary",
    ),
    "28": _Condition(LoginRefused, "the database refused the login: check user, password and pg_hba.conf"),
    "28000": _Condition(
        advice=f"the server does not let this user in from here: check {URL} and the server's pg_hba.conf"
    ),
    "28P01": _Condition(advice=f"wrong user or password: check {URL}"),
    "3D": _Condition(DatabaseMissing, "there is no such database: create it, then run `synckairos migrate up`"),
    "3D000": _Condition(advice=f"there is no such database: create it (`createdb NAME`), or correct the name in {URL}"),
    "3F": _Condition(SchemaMismatch, "there is no such schema: run `synckairos migrate up`"),
    "3F000": _Condition(advice="there is no such schema: create it, or choose another one with --schema"),
    "40": _Condition(Conflicted, "the transaction lost against another one"),
    "42": _Condition(SchemaMismatch, "the database has another schema than expected: run `synckairos migrate up`"),
    "42501": _Condition(
        PrivilegeMissing,
        "the database user lacks a privilege",
        "this user has not the privilege: run the command as the owner of the tables, or have the owner grant it "
        "(`GRANT CREATE, USAGE ON SCHEMA … TO …`; a new schema needs `GRANT CREATE ON DATABASE … TO …`)",
    ),
    "42701": _EXISTS,
    "42710": _EXISTS,
    "42723": _EXISTS,
    "42P04": _Condition(advice="choose another name, or drop the database that has it"),
    "42P06": _EXISTS,
    "42P07": _EXISTS,
    "53": _Condition(OutOfResources, "the database is out of resources"),
    "53100": _Condition(OutOfResources, "the database's disk is full"),
    "53200": _Condition(OutOfResources, "the database is out of memory"),
    "53300": _Condition(
        OutOfResources,
        "the database has no connection left: raise max_connections, or lower the pools",
        "the server has no connection left: end some, or raise its max_connections",
    ),
    "55": _Condition(Conflicted, "the database could not get a lock"),
    "55P03": _Condition(
        advice="something else uses the table: try again when it is done, or wait longer with --lock-timeout"
    ),
    "57": _Condition(ConnectionFailed, "the database ended the connection"),
    "57014": _Condition(
        StatementTimedOut,
        "the database cancelled the statement: it took too long",
        "it took longer than allowed: allow more with --statement-timeout",
    ),
    "57P01": _Condition(advice="the server ended the connection: try again"),
    "57P03": _Condition(
        ConnectionFailed,
        "the database is starting up or going down",
        "the server is starting or stopping: try again in a moment",
    ),
}
"""By the whole SQLSTATE, and by its class, its first two characters."""

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
        case TunnelFailed():
            return ConnectionFailed(f"{error}{where}")
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
    known = (_CONDITIONS.get(key, _NO_ADVICE) for key in (sqlstate, sqlstate[:2]))
    kind, text = next(((one.kind, one.text) for one in known if one.kind), (DatabaseUnavailable, ""))
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


def place_of(database_url: str) -> str:
    """Return host, port and database of a URL as `host:port/database`, without user and password."""
    try:
        parts = urlsplit(database_url)
        host, port = parts.hostname or "the local socket", parts.port or 5432
    except ValueError:
        return "the database"
    return f"{host}:{port}/{unquote(parts.path.lstrip('/'))}"


def explain(error: BaseException, database_url: str) -> str:
    """Return one text that names the condition and says what to do about it."""
    place = place_of(database_url)
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate is not None:
        advice = _CONDITIONS.get(error.sqlstate, _NO_ADVICE).advice
        return f"{place}: {error} (SQLSTATE {error.sqlstate}){f': {advice}' if advice else ''}"
    if isinstance(error, asyncpg.ClientConfigurationError):
        # Its text may quote parts of the URL.
        return f"{URL} is not a URL of PostgreSQL: it looks like postgresql://user:password@host:5432/database"
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return f"the connection to {place} broke: {error}; try again"
    return f"cannot connect to {place}: {_network(error)}"


def _network(error: BaseException) -> str:
    if isinstance(error, TunnelFailed):
        return f"{error}: check SYNCKAIROS_DATABASE_SSH, and that `ssh` gets there without asking"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted ({error.verify_message}): name the authority that signed it in {TLS}_CA, "
            f"and the host in {URL} as the certificate does"
        )
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error}): check {TLS}"
    if isinstance(error, TimeoutError):
        return f"no answer in time: check the host in {URL}, firewalls and the VPN"
    if isinstance(error, socket.gaierror):
        return f"no such host: check the name in {URL}"
    if "SSL upgrade" in str(error):
        return f"the server does not speak TLS: switch it on there, or, on a network you trust, set {TLS}=disable"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens there: start PostgreSQL, or correct host and port in {URL}"
    return f"{error}: check that PostgreSQL runs, and {URL}"
