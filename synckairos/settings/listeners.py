"""Settings of the ports: where processes listen, and how they are protected."""

import os
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

WAIVERS = frozenset({"plaintext", "anonymous"})
INSECURE = r"^(true|plaintext|anonymous|plaintext,anonymous|anonymous,plaintext)?$"
_HOST = r"([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?"
HOSTS = rf"^({_HOST}(,{_HOST})*)?$"
ORIGINS = rf"^(https?://{_HOST}(,https?://{_HOST})*)?$"


class PortSettings(BaseSettings):
    """Who can reach what."""

    worker_metrics_listen: str = Field(
        "", description="host:port for the Prometheus metrics of a worker, all its processes together; empty for none."
    )
    gateway_metrics_listen: str = Field(
        "", description="host:port for the Prometheus metrics of `synckairos gateway`; empty for none."
    )
    listen: str = Field("127.0.0.1:50051", description="host:port that the server listens on; port 0 takes a free one.")
    processes: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        1, description="Server processes of `synckairos serve`; auto: as many as there are cores."
    )
    ports: Literal["shared", "each"] = Field(
        "shared", description="Whether they share LISTEN's port, or have one each, from LISTEN's on."
    )
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

    @property
    def process_count(self) -> int:
        """How many server processes run."""
        if self.processes != "auto":
            return self.processes
        # Only Linux says how many of them a container may use.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @property
    def served_hosts(self) -> list[str]:
        """The names of gateway_hosts."""
        return self.gateway_hosts.split(",") if self.gateway_hosts else []

    @property
    def sharing_origins(self) -> list[str]:
        """The origins of gateway_origins."""
        return self.gateway_origins.split(",") if self.gateway_origins else []


def join_address(host: str, port: int) -> str:
    """Return `host:port`, with IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port` (`[::1]:50051` for IPv6); raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("must be host:port")
    return host.strip("[]"), int(port)
