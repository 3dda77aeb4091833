"""The fixtures of `synckairos.client.testing`, which pytest finds by itself once `synckairos-client` is installed.

Nothing is started, and nothing of the client imported, before a test asks for it.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synckairos.client.embedded_stack import EmbeddedStack


@pytest.fixture(scope="session")
def synckairos_stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[EmbeddedStack]":
    """A real server with a Redis of its own, started at most once a run, also for all processes of pytest-xdist."""
    from synckairos.client.embedded_stack import EmbeddedStack, StackUnavailable  # noqa: PLC0415 - only on demand

    base = tmp_path_factory.getbasetemp()
    of_run = base.parent if hasattr(request.config, "workerinput") else base
    stack = EmbeddedStack(of_run / "synckairos-stack")
    try:
        stack.__enter__()
    except StackUnavailable as reason:
        pytest.fail(str(reason), pytrace=False)
    yield stack
    stack.__exit__()


@pytest.fixture(scope="session")
def synckairos_address(synckairos_stack: "EmbeddedStack") -> str:
    """Where that server listens, as `host:port`."""
    return synckairos_stack.address
