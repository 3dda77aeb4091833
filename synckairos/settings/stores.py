"""Settings of the stores: Redis, the broker on it, and PostgreSQL."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from pydantic import Field, RedisDsn, SecretStr, TypeAdapter, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from synckairos import redis_urls
from synckairos.domain.model import Durability, DurabilityLevel


class StoreSettings(BaseSettings):
    """Where everything is kept."""

    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="The primary truth.")
    broker_url: SecretStr | None = Field(
        None,
        description="Dramatiq's own Redis database or instance, no cluster; default: the database after REDIS_URL's.",
        validate_default=True,
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
    database_worker_role: Annotated[str, Field(max_length=63)] = Field(
        "synckairos_worker", description="Role of the workers; if it exists, `migrate up` gives it what it needs."
    )
    database_server_role: Annotated[str, Field(max_length=63)] = Field(
        "synckairos_server", description="Role of the servers; if it exists, `migrate up` lets it read."
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
    store_init: Literal["auto", "never"] = Field(
        "auto",
        description="Whether a starting server may give an empty store its name; `never` is safer in production.",
    )
    redis_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = Field(
        "sk", description="Prefix of every key."
    )
    redis_max_connections: Annotated[int, Field(ge=2, le=10_000)] = Field(64, description="Connections for commands.")
    durability: Annotated[str, Field(pattern=r"^(memory|fsync|replicas:([1-9]|1[0-6]))$")] = Field(
        "memory", description="What a change is safe from once it is answered: memory, fsync, or replicas:N (1 to 16)."
    )
    durability_timeout_ms: Annotated[int, Field(ge=2_500, le=60_000)] = Field(
        3_000, description="How long a change may wait for that; then its outcome is unknown to its caller."
    )
    redis_timeout_s: Annotated[float, Field(gt=0, le=30)] = Field(
        1.0, description="Time limit for connecting, and for an exchange."
    )

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _is_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            url = value.get_secret_value()
            one = not url.startswith("unix://") and redis_urls.sentinel_url(url) is None
            if one and redis_urls.cluster_url(url) is None:
                TypeAdapter(RedisDsn).validate_python(redis_urls.plain(url))
            redis_urls.database_of(url)
        return value

    @field_validator("broker_url")
    @classmethod
    def _is_no_store(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        store = info.data.get("redis_url")
        if value is not None and redis_urls.cluster_url(value.get_secret_value()) is not None:
            raise ValueError("must not be a cluster: Dramatiq speaks to one server, or to Sentinels")
        if value is None and store is not None and redis_urls.cluster_url(store.get_secret_value()) is not None:
            raise ValueError("must be set beside a cluster, which Dramatiq cannot use: one server, or Sentinels")
        if value is not None and store is not None:
            one, other = value.get_secret_value(), store.get_secret_value()
            if _place_of(one) == _place_of(other):
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

    @property
    def least_durability(self) -> Durability:
        """What every change must reach."""
        level, _, replicas = self.durability.partition(":")
        return Durability(DurabilityLevel[level.upper()], int(replicas or 0))

    @property
    def broker(self) -> SecretStr:
        """Where Dramatiq keeps its messages: broker_url, else the store's Redis, the database after the store's."""
        if self.broker_url is not None:
            return self.broker_url
        store = self.redis_url.get_secret_value()
        return SecretStr(redis_urls.with_database(store, redis_urls.database_of(store) + 1))


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


def _place_of(redis_url: str) -> tuple[tuple[object, ...], int]:
    return redis_urls.server_of(redis_url), redis_urls.database_of(redis_url)
