"""The worker beside `synckairos dev` that dies again and again."""

import re
import sys
import threading
from pathlib import Path

import pytest

from synckairos.cli.dev import worker
from synckairos.cli.dev.worker import DevWorker
from synckairos.devstack import Ward
from synckairos.settings import Settings


def test_pauses_grow_up_to_a_bound_and_every_process_is_guarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that cannot run is no busy loop, and the end of `dev` does not wait for a pause."""
    monkeypatch.setattr(worker, "supervisor", lambda _: [sys.executable, "-c", "raise SystemExit(3)"])
    monkeypatch.setattr(worker, "BACKOFF_S", (0.01, 0.04))
    wards: list[Ward] = []
    enough = threading.Event()

    def guard(ward: Ward) -> None:
        wards.append(ward)
        if len(wards) == 5:
            enough.set()

    with DevWorker(Settings(_env_file=None), {}, tmp_path, guard):  # type: ignore[call-arg] # pydantic-settings takes it
        assert enough.wait(30)

    pauses = re.findall(r"the worker ended with 3; it is started again in (\S+) s", capsys.readouterr().out)
    assert pauses[:4] == ["0.01", "0.02", "0.04", "0.04"]
    assert len({ward.pid for ward in wards}) == 5
    assert {ward.lock for ward in wards} == {tmp_path / "worker.lock"}
