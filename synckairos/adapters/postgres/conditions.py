"""What PostgreSQL's refusals mean to whoever runs a command, and what to do; passwords never show."""

import socket
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg

URL: Final = "SYNCKAIROS_DATABASE_URL"
TLS: Final = "SYNCKAIROS_DATABASE_TLS"

# What a command on the database may raise besides errors of its own. An internal error of asyncpg comes where the
# server ends a connection between two messages.
DATABASE_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

_EXISTS: Final = (
    "something that these migrations did not make is there already: look at it, then drop or rename it, "
    "or choose another schema with --schema"
)
_ADVICE: Final[Mapping[str, str]] = {
    "08P01": f"is that PostgreSQL, and not a pooler or another service? Check {URL}",
    "25001": "a section with `transaction:false` may hold one statement only; one without it, none that stands alone",
    "25006": "this is a read-only server, perhaps a standby: use the primary",
    "28000": f"the server does not let this user in from here: check {URL} and the server's pg_hba.conf",
    "28P01": f"wrong user or password: check {URL}",
    "3D000": f"there is no such database: create it (`createdb NAME`), or correct the name in {URL}",
    "3F000": "there is no such schema: create it, or choose another one with --schema",
    "42501": "this user has not the privilege: run the command as the owner of the tables, or have the owner grant it "
    "(`GRANT CREATE, USAGE ON SCHEMA … TO …`; a new schema needs `GRANT CREATE ON DATABASE … TO …`)",
    "42701": _EXISTS,
    "42710": _EXISTS,
    "42723": _EXISTS,
    "42P04": "choose another name, or drop the database that has it",
    "42P06": _EXISTS,
    "42P07": _EXISTS,
    "53300": "the server has no connection left: end some, or raise its max_connections",
    "55P03": "something else uses the table: try again when it is done, or wait longer with --lock-timeout",
    "57014": "it took longer than allowed: allow more with --statement-timeout",
    "57P01": "the server ended the connection: try again",
    "57P03": "the server is starting or stopping: try again in a moment",
}


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
        advice = _ADVICE.get(error.sqlstate)
        return f"{place}: {error} (SQLSTATE {error.sqlstate}){f': {advice}' if advice else ''}"
    if isinstance(error, asyncpg.PostgresError):
        return f"the connection to {place} broke: {error}; try again"
    if isinstance(error, asyncpg.ClientConfigurationError):
        # Its text may quote parts of the URL.
        return f"{URL} is not a URL of PostgreSQL: it looks like postgresql://user:password@host:5432/database"
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return f"the connection to {place} broke: {error}; try again"
    return f"cannot connect to {place}: {_network(error)}"


def _network(error: BaseException) -> str:
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
