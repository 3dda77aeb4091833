"""Every setting, read once from the environment; all problems are reported together."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from synckairos.domain.timing import Lifetimes
from synckairos.settings.callers import CallerSettings
from synckairos.settings.listeners import PortSettings, join_address, split_address
from synckairos.settings.stores import StoreSettings

__all__ = ["Settings", "SettingsError", "join_address", "load_settings", "split_address"]

DAY_S = 86_400


class SettingsError(Exception):
    """Settings are wrong; the text names every one of them."""


class Settings(CallerSettings, PortSettings, StoreSettings):
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
    worker_processes: Annotated[int, Field(ge=1, le=64)] = Field(1, description="Processes of `synckairos worker`.")
    worker_threads: Annotated[int, Field(ge=1, le=64)] = Field(
        4, description="Messages that a process works on at once."
    )
    audit_batch: Annotated[int, Field(ge=1, le=10_000)] = Field(500, description="Events in one database transaction.")
    sentry_dsn: SecretStr | None = Field(
        None, description="Sentry project that gets alerts besides the log; needs the extra `sentry`."
    )
    grpc_lean: bool = Field(
        True, description="Whether unary calls may take the lean way past grpc.aio's own loop, if grpcio allows it."
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

    @property
    def lifetimes(self) -> Lifetimes:
        """How long sessions may live without an end of their own."""
        return Lifetimes(
            idle_ms=self.idle_ttl_s * 1_000,
            running_idle_ms=self.running_idle_ttl_s * 1_000,
            terminal_ms=self.session_ttl_s * 1_000,
        )


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
