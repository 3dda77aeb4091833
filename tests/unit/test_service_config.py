"""The retry policy shipped for clients says something about every method, and nothing that is unsafe."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from synckairos.rpc.server import AUDIT_SERVICE, SESSION_SERVICE, TIME_CONTROL_SERVICE, TIME_SERVICE

FILE: Final = Path(__file__).parents[2] / "protos" / "synckairos" / "v1" / "service_config.json"
CONFIG: Final[dict[str, Any]] = json.loads(FILE.read_text())
MOST_ATTEMPTS: Final = 5
"""gRPC takes no more, and says nothing of it."""


def methods(*services: ServiceDescriptor) -> list[MethodDescriptor]:
    """Return the methods of services."""
    return [method for service in services for method in service.methods]


def name_of(method: MethodDescriptor) -> tuple[str, str]:
    """Return how a configuration names a method."""
    return method.containing_service.full_name, method.name


def config_of(method: MethodDescriptor) -> dict[str, Any]:
    """Return the file's entry for a method."""
    return next(
        part
        for part in CONFIG["methodConfig"]
        if name_of(method) in {(name["service"], name["method"]) for name in part["name"]}
    )


METHODS: Final = methods(SESSION_SERVICE, TIME_SERVICE, TIME_CONTROL_SERVICE, AUDIT_SERVICE)


def test_every_method_is_named_once() -> None:
    """None of the contract is forgotten, none that does not exist is named."""
    named = Counter((name["service"], name["method"]) for part in CONFIG["methodConfig"] for name in part["name"])

    assert named == Counter(map(name_of, METHODS))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_only_repeatable_methods_are_retried(method: MethodDescriptor) -> None:
    """Reads, server streams and calls with a request_id are repeatable; streams have no deadline."""
    takes_request_id = "request_id" in method.input_type.fields_by_name
    is_read = method.GetOptions().idempotency_level != 0
    config = config_of(method)

    policy = config.get("retryPolicy")
    assert bool(policy) is (takes_request_id or is_read or method.name == "SyncTime")
    assert ("timeout" in config) is (bool(policy) and not method.server_streaming)
    assert config["waitForReady"] is True
    if policy:
        assert policy["retryableStatusCodes"] == ["UNAVAILABLE", "CANCELLED"]
        assert policy["maxAttempts"] <= MOST_ATTEMPTS


def test_calls_are_spread_over_servers_that_serve() -> None:
    """Round robin alone heeds health checks, which turn clients away from a server that is about to go."""
    assert CONFIG["loadBalancingConfig"] == [{"round_robin": {}}]
    assert CONFIG["healthCheckConfig"] == {"serviceName": SESSION_SERVICE.full_name}
