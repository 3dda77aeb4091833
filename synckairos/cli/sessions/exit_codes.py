"""What the exit code of a command that asks a server says; docs/command-line.md has the table."""

from enum import IntEnum
from typing import Final

import grpc


class ExitCode(IntEnum):
    """How a command ended; 0 is success, and 130 and 143 are Ctrl-C and SIGTERM."""

    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    STATE = 5
    UNAVAILABLE = 6
    DENIED = 7


_CODES: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: ExitCode.USAGE,
    grpc.StatusCode.OUT_OF_RANGE: ExitCode.USAGE,
    grpc.StatusCode.NOT_FOUND: ExitCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: ExitCode.CONFLICT,
    grpc.StatusCode.ABORTED: ExitCode.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: ExitCode.STATE,
    grpc.StatusCode.UNAVAILABLE: ExitCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.PERMISSION_DENIED: ExitCode.DENIED,
    grpc.StatusCode.UNAUTHENTICATED: ExitCode.DENIED,
}


def exit_code(code: grpc.StatusCode) -> ExitCode:
    """Return the exit code for an error of a call."""
    return _CODES.get(code, ExitCode.FAILED)
