"""Every setting, read once from the environment; all problems are reported together."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from pydantic import (
    AliasChoices,
    Field,
    RedisDsn,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from synckairos.domain.timing import Lifetimes

DAY_S = 86_400
WAIVERS = frozenset({"plaintext", "anonymous"})
INSECURE = r"^(true|plaintext|anonymous|plaintext,anonymous|anonymous,plaintext)?$"
MAX_DATABASE_DIGITS = 9
_HOST = r"([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?"
HOSTS = rf"^({_HOST}(,{_HOST})*)?$"
ORIGINS = rf"^(https?://{_HOST}(,https?://{_HOST})*)?$"


class SettingsError(Exception):
    """Settings are wrong; the text names every one of them."""


class Settings(BaseSettings):
    """What a process is told from outside: `SYNCKAIROS_*` variables, else a `.env` file, else the defaults here.

    URLs may carry passwords and never reach a log.
    """

    model_config = SettingsConfigDict(
        env_prefix="SYNCKAIROS_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="The primary truth.")
    broker_url: SecretStr | None = Field(
        None, description="Dramatiq's own Redis database or instance; default: that of REDIS_URL, the next database."
    )
    database_host: str = Field(
        "", description="Host of PostgreSQL, or the folder of its socket, in the place of DATABASE_URL."
    )
    database_port: Annotated[int, Field(ge=1, le=65_535)] = Field(5_432, description="Port at DATABASE_HOST.")
    database_user: str = Field("", description="User at DATABASE_HOST.")
    database_password: SecretStr | None = Field(None, description="Password at DATABASE_HOST; empty for none.")
    database_name: str = Field("", description="Database at DATABASE_HOST; empty: named as the user.")
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL, for the audit trail; without it there is none.", validate_default=True
    )
    database_ssh: Annotated[str, Field(pattern=r"^(\w[\w.-]*@\w[\w.-]*(:\d{1,5})?)?$")] = Field(
        "", description="user@host, or user@host:port, that reaches the database: the system's ssh opens a tunnel."
    )
    database_tls: Literal["auto", "disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        "auto", description="As libpq's sslmode; auto: verify-full, but no TLS to this machine itself."
    )
    database_tls_ca: str = Field("", description="File of the authorities to trust; empty: the system's.")
    database_schema: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = Field(
        "public", description="Schema of the tables."
    )
    database_pool_min: Annotated[int, Field(ge=0, le=1_000)] = Field(2, description="Connections kept open.")
    database_pool_max: Annotated[int, Field(ge=1, le=1_000)] = Field(20, description="Connections at most.")
    database_connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        5.0, description="Time limit for connecting."
    )
    database_statement_timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        30.0, description="Time limit for a statement."
    )
    database_idle_timeout_s: Annotated[float, Field(gt=0, le=3_600)] = Field(
        30.0, description="Time after which an idle connection is closed."
    )
    database_slow_query_ms: Annotated[int, Field(ge=0, le=600_000)] = Field(
        500, description="Statements slower than this are logged; 0 logs none."
    )
    worker_processes: Annotated[int, Field(ge=1, le=64)] = Field(1, description="Processes of `synckairos worker`.")
    worker_threads: Annotated[int, Field(ge=1, le=64)] = Field(
        4, description="Messages that a process works on at once."
    )
    worker_metrics_listen: str = Field(
        "", description="host:port for the Prometheus metrics of a worker, all its processes together; empty for none."
    )
    gateway_metrics_listen: str = Field(
        "", description="host:port for the Prometheus metrics of `synckairos gateway`; empty for none."
    )
    audit_batch: Annotated[int, Field(ge=1, le=10_000)] = Field(500, description="Events in one database transaction.")
    sentry_dsn: SecretStr | None = Field(
        None, description="Sentry project that gets alerts besides the log; needs the extra `sentry`."
    )
    listen: str = Field("127.0.0.1:50051", description="host:port that the server listens on; port 0 takes a free one.")
    tls_cert: str = Field("", description="Certificate (with its chain) of the ports, a PEM file; empty: no TLS.")
    tls_key: str = Field("", description="Key of TLS_CERT, a PEM file without a password.", validate_default=True)
    tls_client_ca: str = Field(
        "", description="Authorities of clients' certificates, a PEM file; empty: none is asked."
    )
    tls_client_auth: Literal["required", "optional"] = Field(
        "required", description="Whether a client must bring a certificate of TLS_CLIENT_CA."
    )
    tls_ca: str = Field(
        "", description="What commands and the gateway trust as callers: a PEM file or `system`; empty: no TLS."
    )
    tls_client_cert: str = Field("", description="Certificate that they show as callers, a PEM file; empty: none.")
    tls_client_key: str = Field("", description="Key of TLS_CLIENT_CERT, a PEM file.", validate_default=True)
    insecure: Annotated[str, Field(pattern=INSECURE)] = Field(
        "",
        description="What an address open to other machines may lack: plaintext, anonymous, both by a comma, or true.",
    )
    http_listen: str = Field(
        "",
        description="host:port for browsers (Connect, gRPC-Web, console); empty: none, or in `dev` 127.0.0.1:8080.",
    )
    gateway_hosts: Annotated[str, Field(pattern=HOSTS)] = Field(
        "",
        description="Names that the HTTP port answers to, as name or name:port, by commas; empty: this machine's own.",
    )
    gateway_origins: Annotated[str, Field(pattern=ORIGINS)] = Field(
        "", description="Origins whose pages may call besides the console's, as https://name, by commas."
    )
    gateway_connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        500, description="Connections to the HTTP port at once; each takes a file descriptor."
    )
    metrics_listen: str = Field("", description="host:port for Prometheus metrics over HTTP; empty for none.")
    auth_api_keys: str = Field("", description="File of API keys' hashes; `synckairos keys create` adds to it.")
    auth_issuer: str = Field("", description="Issuer (`iss`) of the tokens that are accepted.")
    auth_audience: str = Field("", description="Audience (`aud`) that tokens must name.")
    auth_tenant_claim: Annotated[str, Field(min_length=1)] = Field(
        "tenant", description="Claim that names a token's tenant."
    )
    auth_default_tenant: Annotated[str, Field(pattern=r"^([a-z0-9_-]{1,64})?$")] = Field(
        "", description="Tenant of tokens without that claim; empty: they are refused."
    )
    auth_jwks: str = Field(
        "",
        description="Keys (JWKS) of tokens, a file or an https URL; takes AUTH_ISSUER and AUTH_AUDIENCE.",
    )
    reflection: Literal["", "open", "authenticated", "off"] = Field(
        "", description="open, authenticated or off; empty: authenticated where callers are, else open."
    )
    grpc_lean: bool = Field(
        True, description="Whether unary calls may take the lean way past grpc.aio's own loop, if grpcio allows it."
    )
    store_init: Literal["auto", "never"] = Field(
        "auto",
        description="Whether a starting server may give an empty store its name; `never` is safer in production.",
    )
    redis_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = Field(
        "sk", description="Prefix of every key."
    )
    redis_max_connections: Annotated[int, Field(ge=2, le=10_000)] = Field(64, description="Connections for commands.")
    redis_timeout_s: Annotated[float, Field(gt=0, le=30)] = Field(
        1.0, description="Time limit for connecting, and for an exchange."
    )
    event_window: Annotated[int, Field(ge=1, le=1_000)] = Field(
        16, description="Events retained per session, for resuming streams."
    )
    request_ttl_s: Annotated[int, Field(ge=1, le=DAY_S)] = Field(
        3_600, description="How long a request_id is remembered."
    )
    session_ttl_s: Annotated[int, Field(ge=1, le=28 * DAY_S)] = Field(
        3_600, description="How long an ended session stays readable."
    )
    idle_ttl_s: Annotated[int, Field(ge=1, le=366 * DAY_S)] = Field(
        7 * DAY_S,
        validation_alias=AliasChoices("SYNCKAIROS_IDLE_TTL_S", "SYNCKAIROS_SESSION_IDLE_TTL_S"),
        description="Time without a call after which a pending or paused session is cancelled.",
    )
    running_idle_ttl_s: Annotated[int, Field(ge=1, le=366 * DAY_S)] = Field(
        28 * DAY_S,
        description="Time without a call after which a running session is cancelled that no clock of its own ends.",
    )
    stream_stall_s: Annotated[float, Field(gt=0, le=600)] = Field(
        10.0, description="How long a stream may wait for its reader to take a message."
    )
    drain_delay_s: Annotated[float, Field(ge=0, le=600)] = Field(
        0.2, description="How long calls are still taken after health turns NOT_SERVING and streams end."
    )
    drain_grace_s: Annotated[float, Field(ge=0, le=600)] = Field(
        10.0, description="Time for calls in progress at shutdown."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, else json."
    )

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _is_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            if not value.get_secret_value().startswith("unix://"):
                TypeAdapter(RedisDsn).validate_python(value.get_secret_value())
            _redis_database(value.get_secret_value())
        return value

    @field_validator("broker_url")
    @classmethod
    def _is_no_store(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        store = info.data.get("redis_url")
        if value is not None and store is not None:
            one, other = value.get_secret_value(), store.get_secret_value()
            if (_redis_server(one), _redis_database(one)) == (_redis_server(other), _redis_database(other)):
                raise ValueError("must not be the database of SYNCKAIROS_REDIS_URL: Dramatiq runs KEYS on its own")
        return value

    @field_validator("database_url")
    @classmethod
    def _from_parts(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Return the URL, put together where its parts are given instead."""
        if info.data.get("database_host"):
            if value is not None:
                raise ValueError("must not be set beside SYNCKAIROS_DATABASE_HOST")
            return SecretStr(_database_url(info.data))
        if any(info.data.get(f"database_{name}") for name in ("user", "password", "name")):
            raise ValueError("its parts are set without SYNCKAIROS_DATABASE_HOST")
        return value

    @field_validator("listen", "http_listen", "metrics_listen", "worker_metrics_listen", "gateway_metrics_listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value:
            split_address(value)
        return value

    @field_validator("tls_key", "tls_client_key")
    @classmethod
    def _is_of_certificate(cls, value: str, info: ValidationInfo) -> str:
        certificate = str(info.field_name).replace("key", "cert")
        if bool(value) != bool(info.data.get(certificate)):
            raise ValueError(f"must be set together with SYNCKAIROS_{certificate.upper()}")
        return value

    @field_validator("tls_client_ca")
    @classmethod
    def _has_tls(cls, value: str, info: ValidationInfo) -> str:
        if value and not info.data.get("tls_cert"):
            raise ValueError("needs SYNCKAIROS_TLS_CERT: certificates of clients are asked for over TLS")
        return value

    @property
    def waived(self) -> frozenset[str]:
        """What an open address may lack: words of WAIVERS."""
        return WAIVERS if self.insecure == "true" else WAIVERS & set(self.insecure.split(","))

    @field_validator("auth_jwks")
    @classmethod
    def _is_for_tokens(cls, value: str, info: ValidationInfo) -> str:
        lacking = [name for name in ("auth_issuer", "auth_audience") if not info.data.get(name)]
        if value and lacking:
            raise ValueError(f"needs {' and '.join(f'SYNCKAIROS_{name.upper()}' for name in lacking)}")
        parts = urlsplit(value)
        if "://" in value and not (parts.scheme == "https" or (parts.scheme == "http" and _is_own(parts.hostname))):
            raise ValueError("must be a file, an https URL, or an http URL of this machine")
        return value

    @property
    def broker(self) -> SecretStr:
        """Where Dramatiq keeps its messages: broker_url, else the store's Redis, the database after the store's."""
        if self.broker_url is not None:
            return self.broker_url
        store = self.redis_url.get_secret_value()
        return SecretStr(_with_redis_database(store, _redis_database(store) + 1))

    @property
    def served_hosts(self) -> list[str]:
        """The names of gateway_hosts."""
        return self.gateway_hosts.split(",") if self.gateway_hosts else []

    @property
    def sharing_origins(self) -> list[str]:
        """The origins of gateway_origins."""
        return self.gateway_origins.split(",") if self.gateway_origins else []

    @property
    def lifetimes(self) -> Lifetimes:
        """How long sessions may live without an end of their own."""
        return Lifetimes(
            idle_ms=self.idle_ttl_s * 1_000,
            running_idle_ms=self.running_idle_ttl_s * 1_000,
            terminal_ms=self.session_ttl_s * 1_000,
        )


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port` (`[::1]:50051` for IPv6); raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("must be host:port")
    return host.strip("[]"), int(port)


def _database_url(parts: Mapping[str, Any]) -> str:
    """Return the URL of the settings that name its parts; each may hold any character."""
    # A part that is wrong itself is missing here, and the settings are refused for it.
    host, port = parts["database_host"], parts.get("database_port")
    password: SecretStr | None = parts.get("database_password")
    user, path = (quote(parts.get(name) or "", safe="") for name in ("database_user", "database_name"))
    secret = f":{quote(password.get_secret_value(), safe='')}" if password else ""
    login = f"{user}{secret}@" if user or secret else ""
    if host.startswith("/"):
        return f"postgresql://{login}/{path}?{urlencode({'host': host, 'port': port})}"
    return f"postgresql://{login}{f'[{host}]' if ':' in host else host}:{port}/{path}"


def _is_own(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _redis_database(url: str) -> int:
    """Return the number of the logical database a Redis URL names; raises ValueError."""
    parts = urlsplit(url)
    path = "" if parts.scheme == "unix" else parts.path.strip("/")
    asked = parse_qs(parts.query, keep_blank_values=True).get("db", [path])[-1]
    if asked and not (asked.isascii() and asked.isdecimal() and len(asked) <= MAX_DATABASE_DIGITS):
        raise ValueError("must name its database by a number")
    return int(asked or 0)


def _redis_server(url: str) -> tuple[str, int, str]:
    """Return what tells one Redis server from another: host, port and socket."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname in {None, "localhost", "::1"} else str(parts.hostname)
    return host, parts.port or 6379, parts.path if parts.scheme == "unix" else ""


def _with_redis_database(url: str, database: int) -> str:
    """Return the URL of another database of the same server."""
    parts = urlsplit(url)
    query = {name: values for name, values in parse_qs(parts.query).items() if name != "db"}
    if parts.scheme == "unix":
        query["db"] = [str(database)]
        return f"unix://{parts.netloc}{parts.path}?{urlencode(query, doseq=True)}"
    return parts._replace(path=f"/{database}", query=urlencode(query, doseq=True)).geturl()


def load_settings(**given: object) -> Settings:
    """Return the settings, those `given` before the environment's; raises SettingsError naming every wrong one."""
    try:
        return Settings(**given)  # type: ignore[arg-type] # validated by pydantic itself
    except ValidationError as error:
        problems = [
            f"SYNCKAIROS_{'_'.join(map(str, problem['loc'])).upper().removeprefix('SYNCKAIROS_')}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("\n".join(problems)) from None
