"""Calls of AuditService that must succeed, or must fail."""

from typing import Any

import grpc

from testing.harness.client import Problem
from tests.unit.rpc.grpc_testing_adapter import TestServer


def ok(server: TestServer, name: str, request: Any) -> Any:
    """Make a call that must succeed and return its reply."""
    finished = server.call(name, request)
    assert finished.code is grpc.StatusCode.OK, finished.problem
    return finished.response


def refusal(server: TestServer, name: str, request: Any, **more: Any) -> Problem:
    """Make a call that must fail and return its error."""
    problem = server.call(name, request, **more).problem
    assert problem is not None
    return problem
