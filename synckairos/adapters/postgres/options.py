"""How to reach the database: address, timeouts and TLS, worked out from the settings before anything connects."""

import ssl
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias, cast
from urllib.parse import parse_qs, unquote, urlsplit

from synckairos.settings import Settings
from synckairos.settings.callers import is_own_host

Tls: TypeAlias = "ssl.SSLContext | Literal['prefer', False]"

MODES: Final = ("disable", "prefer", "require", "verify-ca", "verify-full")


class DatabaseOptionsError(Exception):
    """The settings of the database cannot work; the text names what is wrong, never the URL."""


class DatabaseOptions(NamedTuple):
    """Everything a pool needs; times in seconds, `slow_ms` 0 logs nothing, `ssh` is the `user@host` of a tunnel."""

    url: str
    tls: Tls = False
    schema: str = "public"
    pool_min: int = 2
    pool_max: int = 20
    connect_timeout_s: float = 5.0
    statement_timeout_s: float = 30.0
    idle_timeout_s: float = 30.0
    slow_ms: int = 500
    application_name: str = "synckairos"
    ssh: str = ""


def database_options(settings: Settings, application_name: str = "synckairos") -> DatabaseOptions:
    """Return the options; raises DatabaseOptionsError, also if there is no database in the settings."""
    if settings.database_url is None:
        raise DatabaseOptionsError("SYNCKAIROS_DATABASE_URL is not set: there is no audit trail")
    url = settings.database_url.get_secret_value()
    return DatabaseOptions(
        url=url,
        tls=_tls(settings, url),
        schema=settings.database_schema,
        pool_min=min(settings.database_pool_min, settings.database_pool_max),
        pool_max=settings.database_pool_max,
        connect_timeout_s=settings.database_connect_timeout_s,
        statement_timeout_s=settings.database_statement_timeout_s,
        idle_timeout_s=settings.database_idle_timeout_s,
        slow_ms=settings.database_slow_query_ms,
        application_name=application_name,
        ssh=settings.database_ssh,
    )


class _NamedContext(ssl.SSLContext):
    """Checks certificates for `name`, whatever address the connection was made to."""

    name: str | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Wrap as the base class does."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name or server_hostname, session)


def _tls(settings: Settings, url: str) -> Tls:
    """Return what asyncpg takes as `ssl`; through a tunnel the certificate is still the database's own."""
    tls = tls_of(url, settings.database_tls, settings.database_tls_ca)
    if settings.database_ssh and isinstance(tls, ssl.SSLContext):
        tls.__class__ = _NamedContext
        cast("_NamedContext", tls).name = urlsplit(url).hostname
    return tls


def tls_of(url: str, mode: str, authorities: str) -> Tls:
    """Return what asyncpg takes as `ssl`: a context, "prefer", or False for none; raises DatabaseOptionsError.

    `auto` takes the URL's sslmode if it has one, else verifies everything, but does without TLS on this machine.
    """
    if urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise DatabaseOptionsError("SYNCKAIROS_DATABASE_URL must begin with postgresql://")
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    if mode == "auto":
        mode = query.get("sslmode") or ("disable" if is_local(url) else "verify-full")
    if mode not in MODES:
        raise DatabaseOptionsError(f"sslmode must be one of {', '.join(MODES)}")
    if mode == "disable":
        return False
    if mode == "prefer":
        return "prefer"
    return _context(mode, authorities or query.get("sslrootcert", ""), query.get("sslcert", ""), query.get("sslkey"))


def _context(mode: str, authorities: str, certificate: str, key: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=authorities or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = mode == "verify-full"
        if mode == "require" and not authorities:
            # As libpq does: encrypted, but any server is trusted.
            context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        what = Path(authorities or certificate).name or "the system's authorities"
        raise DatabaseOptionsError(f"the certificates for the database cannot be read: {what}") from error
    return context


def is_local(url: str) -> bool:
    """Whether every host of the URL is this machine: loopback, a Unix socket, or none at all."""
    return all(not host or host.startswith("/") or is_own_host(host) for host in _hosts(url))


def _hosts(url: str) -> list[str]:
    parts = urlsplit(url)
    authority = parts.netloc.rpartition("@")[2] or ",".join(parse_qs(parts.query).get("host", []))
    return [_without_port(unquote(host)) for host in authority.split(",") if host]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.startswith("/") else host.partition(":")[0]
