"""The golden vectors of what clocks show, and the library held to them."""

import json
from typing import Any

import pytest
from google.protobuf import json_format

from synckairos.client.session_clock import SessionClock
from synckairos.v1 import session_service_pb2
from testing.clock_vectors.document import FILE, text
from tests.unit.client.view_figures import figures

CASES = json.loads(FILE.read_text())["cases"]


def test_the_vectors_are_those_that_the_rules_give() -> None:
    """Stale vectors would hold clients to rules of yesterday: make vectors."""
    assert FILE.read_text() == text()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_clocks_show_what_the_vectors_say(case: dict[str, Any]) -> None:
    """Every figure of every holder, at every instant."""
    update = json_format.ParseDict(case["update"], session_service_pb2.GetSessionResponse())

    clock = SessionClock(update)

    for expected in case["views"]:
        assert figures(clock.at(expected["at_ms"])) == expected, expected["at_ms"]
