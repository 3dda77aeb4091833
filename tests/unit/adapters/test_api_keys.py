"""The file of API keys: what it may hold, and who is recognised by it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synckairos.adapters.credentials.api_keys import ApiKeys, new_key, read_keys
from synckairos.application.errors import CredentialsExpired, CredentialsInvalid
from synckairos.application.identity import Presented, Scope
from synckairos.cli.app import app

READ = [Scope.SESSIONS_READ]
HASH = "ab" * 32


async def test_a_key_is_recognised_by_either_header() -> None:
    """By its subject, its scopes and its id; the line holds no more of it than the hash."""
    made = new_key("board", "default", READ, "club", None)
    keys = ApiKeys(lambda: read_keys(made.line))

    by_header = await keys.identify(Presented(api_key=made.key))
    by_bearer = await keys.identify(Presented(bearer=made.key))

    assert by_header == by_bearer
    assert (by_header.subject, by_header.scopes, by_header.credential_id) == (
        "club",
        {Scope.SESSIONS_READ},
        "key:board",
    )
    assert made.key.encode() not in made.line
    assert made.key.removeprefix("sk_").encode() not in made.line


async def test_a_key_that_is_unknown_or_over_is_refused() -> None:
    """Each by its own reason."""
    made = new_key("board", "default", READ, "", datetime.now(UTC) + timedelta(hours=1))
    late = (datetime.now(UTC) + timedelta(hours=2)).timestamp()

    with pytest.raises(CredentialsExpired):
        await ApiKeys(lambda: read_keys(made.line), lambda: late).identify(Presented(api_key=made.key))
    with pytest.raises(CredentialsInvalid):
        await ApiKeys(lambda: read_keys(made.line)).identify(Presented(api_key=made.key + "x"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nonsense", "line 2"),
        (f'{{"id":"b","sha256":"{HASH}","tenant":"default","scopes":["all"]}}', "scopes"),
        (f'{{"id":"b","sha256":"{HASH}","tenant":"default","scopes":[],"key":"sk_"}}', "key"),
        ('{"id":"b","sha256":"abc","tenant":"default","scopes":[]}', "sha256"),
        (f'{{"id":"b","sha256":"{HASH}","tenant":"Acme","scopes":[]}}', "none of"),
        (f'{{"id":"b","sha256":"{HASH}","tenant":"*","scopes":["sessions:read"]}}', "operations alone"),
        (f'{{"id":"b","sha256":"{HASH}","tenant":"default","scopes":["operations"]}}', "takes tenant"),
        (f'{{"id":"b","sha256":"{HASH}","tenant":"default","scopes":[],"subject":" System "}}', "reserved"),
        (f'{{"id":"a","sha256":"{HASH}","tenant":"default","scopes":[]}}', "earlier line"),
    ],
)
def test_a_line_that_cannot_be_meant_refuses_the_file(line: str, problem: str) -> None:
    """The refusal names the line and what is wrong with it."""
    first = new_key("a", "default", READ, "", None).line.decode()

    with pytest.raises(ValueError, match="line 2") as refusal:
        read_keys(f"{first}\n{line}\n".encode())

    assert problem in str(refusal.value)


def test_the_command_shows_a_key_once_and_adds_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is its owner's alone; what it already has stays."""
    # Its log would go to where the runner catches the output, for all tests that follow.
    monkeypatch.setattr("synckairos.cli.running.configure_logging", lambda *_: None)
    path = str(tmp_path / "keys.jsonl")
    run = CliRunner().invoke
    first = run(app, ["keys", "create", "--file", path, "--scope", "sessions:read", "--scope", "sessions:write"])
    operator = run(app, ["keys", "create", "--file", path, "--tenant", "*", "--scope", "operations", "--id", "op"])

    again = run(app, ["keys", "create", "--file", path, "--scope", "sessions:read", "--id", "op"])
    foreign = run(app, ["keys", "create", "--file", path, "--scope", "sessions:read", "--tenant", "a/b"])

    assert (first.exit_code, operator.exit_code, again.exit_code, foreign.exit_code) == (0, 0, 1, 1)
    assert "earlier line" in again.stderr
    content = Path(path).read_bytes()
    assert Path(path).stat().st_mode & 0o077 == 0
    assert len(read_keys(content)) == 2
    assert first.stdout.strip().startswith("sk_")
    assert first.stdout.strip().encode() not in content


def test_the_command_offers_the_scopes_that_keys_may_have(tmp_path: Path) -> None:
    """`forward` is of certificates alone: not in the help, and refused by what it is for; no file is made."""
    path = tmp_path / "keys"

    told = CliRunner().invoke(app, ["keys", "create", "--help"], env={"COLUMNS": "300"})
    refused = {
        name: CliRunner().invoke(
            app, ["keys", "create", "--file", str(path), "--scope", name, "--tenant", "*"], env={"COLUMNS": "300"}
        )
        for name in ("forward", "everything")
    }

    assert "sessions:read|sessions:write|sessions:admin|audit:read|operations" in told.output
    assert "forward" not in told.output
    assert [result.exit_code for result in refused.values()] == [2, 2]
    assert "is for client certificates" in refused["forward"].output
    assert "is none of sessions:read, sessions:write" in refused["everything"].output
    assert not path.exists()
