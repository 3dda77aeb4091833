"""The probes of the metrics port where the process itself is in trouble."""

import asyncio
import threading
import urllib.error
import urllib.request

import pytest

from synckairos.composition import metrics as served
from synckairos.telemetry import Metrics
from testing.harness.processes.server_process import free_port


async def test_a_process_whose_loop_is_stuck_does_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port has a thread of its own, which would answer whatever happens: so it asks the loop."""
    monkeypatch.setattr(served, "ANSWER_S", 0.05)
    port, codes, answered = free_port(), [], threading.Event()

    def ask() -> None:
        for path in ("/healthz", "/readyz"):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
                    codes.append(reply.status)
            except urllib.error.HTTPError as error:
                with error:
                    codes.append(error.code)
        answered.set()

    with served.metrics_served(Metrics().registry, f"127.0.0.1:{port}", lambda: True):
        await asyncio.to_thread(ask)
        answered.clear()
        asking = threading.Thread(target=ask)
        asking.start()
        answered.wait(10)  # as a loop waits that is stuck
        asking.join()

    assert codes == [200, 200, 503, 503]
