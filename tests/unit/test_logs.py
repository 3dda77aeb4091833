"""What a log shows of an error that nobody foresaw."""

import logging
import sys
from collections.abc import Iterator
from io import StringIO
from uuid import uuid4

import pytest
import structlog

from synckairos.telemetry import configure_logging


@pytest.fixture(params=["console", "json"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What a process writes, for people or for machines."""
    config, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", StringIO())
    configure_logging("info", request.param)
    yield sys.stderr  # type: ignore[misc] # it has been replaced
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("logger", [structlog.get_logger, logging.getLogger])
def test_a_traceback_shows_lines_and_no_variables(logger: type, log: StringIO) -> None:
    """Frames hold what callers presented."""
    token = uuid4().hex
    try:
        token.index("none of it")
    except ValueError:
        logger("named").exception("went wrong")

    assert "went wrong" in log.getvalue()
    assert "token.index(" in log.getvalue()
    assert token not in log.getvalue()
