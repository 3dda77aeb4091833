"""The things that can be on, each against the server that has it off."""

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from testing.harness.tokens import AUDIENCE, ISSUER, Signer, key_set, write_key

Metadata = tuple[tuple[str, str], ...]
TOKEN_KEY: Final = base64.b64encode(bytes(32)).decode()
QUIET: Final = ("bench.cost.quiet",)
SHIPPED: Final = "as it ships, with metrics"
SAMPLED: Final = "OTEL_TRACES_SAMPLER_ARG"
FROM_ELSEWHERE: Final = (("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),)


class Prepared(NamedTuple):
    """How a server is started, and what its callers send."""

    settings: dict[str, str] = {}  # noqa: RUF012 - never changed
    environment: dict[str, str] = {}  # noqa: RUF012 - never changed
    metadata: Metadata = ()
    module: Sequence[str] = QUIET


class Variant(NamedTuple):
    """One of them; `against` names what it is compared with, `bound` the most that it may add to that (a share)."""

    name: str
    against: str
    bound: float | None
    prepare: Callable[[Path, str], Prepared]
    """Takes a folder for files, and the URL of a receiver of traces."""


def _plain(_folder: Path, _receiver: str) -> Prepared:
    return Prepared()


def _without_counting(_folder: Path, _receiver: str) -> Prepared:
    return Prepared(module=(*QUIET, "--uncounted"))


def _token(tenant: str) -> Callable[[Path, str], Prepared]:
    def prepare(folder: Path, _receiver: str) -> Prepared:
        signer, keys = Signer("bench"), folder / "jwks.json"
        keys.write_bytes(key_set(signer))
        settings = {"auth_jwks": str(keys), "auth_issuer": ISSUER, "auth_audience": AUDIENCE, "token_key": TOKEN_KEY}
        return Prepared(settings, metadata=(("authorization", f"Bearer {signer.token(tenant=tenant)}"),))

    return prepare


def _api_key(folder: Path, _receiver: str) -> Prepared:
    keys = folder / "keys.jsonl"
    keys.touch()
    return Prepared(
        {"auth_api_keys": str(keys), "token_key": TOKEN_KEY}, metadata=(("x-api-key", write_key(keys, "bench")),)
    )


def _limited(folder: Path, _receiver: str) -> Prepared:
    limits = {
        "calls_per_second": 1e5,
        "switches_per_second": 1e5,
        "sessions": 10**6,
        "watchers": 10**6,
        "streams": 10**6,
    }
    (folder / "limits.json").write_text(json.dumps({"*": limits}))
    return Prepared({"limits": str(folder / "limits.json")})


def _traced(share: float, metadata: Metadata = ()) -> Callable[[Path, str], Prepared]:
    def prepare(_folder: Path, receiver: str) -> Prepared:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
        # By time they would leave one by one, for under valgrind seconds pass between two recorded calls.
        told["OTEL_BSP_SCHEDULE_DELAY"] = "3600000"
        return Prepared(environment={**told, SAMPLED: str(share)}, metadata=metadata)

    return prepare


VARIANTS: Final = (
    Variant("nothing counted", "", None, _without_counting),
    Variant(SHIPPED, "nothing counted", 0.03, _plain),
    Variant("JWT", SHIPPED, 0.03, _token("default")),
    Variant("API key", SHIPPED, None, _api_key),
    Variant("a tenant of its own", "JWT", 0.02, _token("acme")),
    Variant("limits of every kind", SHIPPED, 0.03, _limited),
    Variant("traces, 1 %", SHIPPED, 0.03, _traced(0.01)),
    Variant("traces, the caller's, not recorded", SHIPPED, None, _traced(0.01, FROM_ELSEWHERE)),
    Variant("traces, all", SHIPPED, None, _traced(1.0)),
)
