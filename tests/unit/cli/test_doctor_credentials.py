"""What `synckairos doctor` says of the files of credentials, and of where traces go."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synckairos.cli.doctor.credentials import look_at_credentials
from synckairos.cli.doctor.findings import Finding, Level
from synckairos.cli.doctor.traces import look_at_traces
from testing.harness.certificates import Certificates
from testing.harness.processes.in_process import settings_for
from testing.harness.processes.server_process import free_port
from testing.harness.tokens import AUDIENCE, ISSUER, Signer, key_set, write_key

REDIS = "redis://127.0.0.1:1/0"


async def looked(**settings: str) -> Finding:
    """Return the only finding about credentials."""
    (found,) = await look_at_credentials(settings_for(REDIS, **settings))
    return found


def after(days: float) -> datetime:
    """Return the instant so many days from now."""
    return datetime.now(UTC) + timedelta(days=days)


@pytest.mark.parametrize(
    ("ends", "level", "named"),
    [
        ([None, None], Level.FINE, "2 keys"),
        ([None, 3], Level.ADVICE, "within 14 days expire key:k1"),
        ([None, -3], Level.ADVICE, "expired are key:k1"),
        ([-3], Level.WRONG, "all keys in it have expired"),
        ([], Level.WRONG, "it has no key"),
    ],
)
async def test_keys_that_expire_are_seen_coming(
    tmp_path: Path, ends: list[float | None], level: Level, named: str
) -> None:
    """By their ids, never by themselves."""
    path = tmp_path / "keys.jsonl"
    path.touch()
    keys = [
        write_key(path, f"k{place}", expires_at=None if end is None else after(end)) for place, end in enumerate(ends)
    ]

    found = await looked(auth_api_keys=str(path))

    assert (found.name, found.level) == ("auth.api_keys", level)
    assert named in found.what
    assert not any(key in str(found) for key in keys)


async def test_a_file_that_a_server_would_refuse_is_wrong_and_one_that_is_away_unseen(tmp_path: Path) -> None:
    """The line is named."""
    path = tmp_path / "keys.jsonl"
    path.write_text("{}\n")

    broken, away = await looked(auth_api_keys=str(path)), await looked(auth_api_keys=str(tmp_path / "none"))

    assert (broken.level, away.level) == (Level.WRONG, Level.UNSEEN)
    assert "line 1" in broken.what


async def test_keys_of_tokens_are_read_from_files_and_addresses(tmp_path: Path) -> None:
    """A set without a key that counts is wrong; an address where nothing answers is unseen."""
    good, empty = tmp_path / "good.json", tmp_path / "empty.json"
    good.write_bytes(key_set(Signer("one")))
    empty.write_bytes(key_set())
    rules = {"auth_issuer": ISSUER, "auth_audience": AUDIENCE}

    found = [
        await looked(auth_jwks=where, **rules)
        for where in (str(good), str(empty), f"http://127.0.0.1:{free_port()}/jwks.json")
    ]

    assert [one.level for one in found] == [Level.FINE, Level.WRONG, Level.UNSEEN]


async def test_names_of_certificates_are_read(tmp_path: Path) -> None:
    """A file without a line lets nobody in, and one with a line that is wrong no server starts."""
    tls, path = Certificates(tmp_path / "pem").mutual, tmp_path / "names"
    contents = ('{"name": "DNS:gateway.example", "scopes": ["forward"]}', "", '{"name": "DNS:x"}')

    found = []
    for content in contents:
        path.write_text(content)
        found.append(await looked(auth_certificates=str(path), **tls))

    assert [one.level for one in found] == [Level.FINE, Level.WRONG, Level.WRONG]
    assert {one.name for one in found} == {"auth.certificates"}


async def test_traces_that_nobody_takes_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where traces are asked for at all."""
    assert await look_at_traces() == []

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    began = time.monotonic()
    (found,) = await look_at_traces()

    assert found.level is Level.WRONG
    assert "refused" in found.what
    assert time.monotonic() - began < 10
