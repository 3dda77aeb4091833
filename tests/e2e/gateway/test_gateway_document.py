"""docs/gateway.md shows calls that work as they stand there."""

import shlex

from testing.harness.documents import blocks
from testing.harness.http_calls import Answer, answered
from tests.e2e.gateway.conftest import Ports

SHOWN = "http://127.0.0.1:8080"


async def run_curl(command: str, address: str) -> Answer:
    """Do what a curl command of the document does, at another address."""
    arguments = shlex.split(command)[1:]
    values = {option: [] for option in ("-H", "-d")}  # type: dict[str, list[str]]
    for option, value in zip(arguments[:-1:2], arguments[1::2], strict=True):
        values[option].append(value)
    (body,) = values["-d"]
    headers = dict(line.split(": ", 1) for line in values["-H"])
    assert arguments[-1].startswith(SHOWN)
    path = arguments[-1].removeprefix(SHOWN)
    return await answered(
        address, path, body.encode(), **{name.replace("-", "_"): text for name, text in headers.items()}
    )


async def test_every_curl_of_the_document_is_answered(ports: Ports) -> None:
    """In order: a session is created, started and read."""
    commands = [
        line for block in blocks("docs/gateway.md", "sh") for line in block.splitlines() if line.startswith("curl")
    ]

    answers = [await run_curl(command, ports.in_process) for command in commands]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert answers[-1].json()["session"]["status"] == "STATUS_RUNNING"
