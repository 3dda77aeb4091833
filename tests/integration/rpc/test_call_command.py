"""`synckairos call` makes any call of the contract, and says clearly what is wrong with one."""

import json
import re
from collections.abc import Iterator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from synckairos.cli.app import app
from synckairos.devstack import RedisServer
from testing.harness.client import new_id
from testing.harness.processes.server_process import ServerProcess


@pytest.fixture(scope="module")
def server(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server."""
    server = ServerProcess(redis_server.url, tmp_path_factory.mktemp("server") / "server.log")
    server.spawn()
    server.await_answer("SERVING")
    yield server
    server.kill()


def called(*arguments: str, entered: str = "", **environment: str) -> Result:
    """Run the command."""
    return CliRunner(env=environment).invoke(app, ["call", *arguments], input=entered)


def game(session_id: str) -> str:
    """Describe a countdown."""
    return json.dumps({"session_id": session_id, "mode": "MODE_GLOBAL", "total_time_ms": 60_000})


def test_the_environment_leads_to_the_server(server: ServerProcess) -> None:
    """By the variables of the other commands that ask one."""
    assert called("SyncTime", SYNCKAIROS_ADDRESS=server.address).exit_code == 0


def test_a_session_is_made_started_and_read(server: ServerProcess) -> None:
    """The request as an argument or on standard input; the method with its service or without."""
    session_id = new_id()
    of = json.dumps({"session_id": session_id})
    service = "synckairos.v1.SessionService"

    made = called("CreateSession", game(session_id), "--address", server.address, "--actor", "umpire")
    started = called("SessionService/StartSession", "-", "--address", server.address, entered=of)
    read = called(f"{service}/GetSession", of, "--address", server.address)

    assert [done.exit_code for done in (made, started, read)] == [0, 0, 0], (made, started, read)
    assert json.loads(read.stdout)["session"]["status"] == "STATUS_RUNNING"
    assert json.loads(read.stdout)["session"]["version"] == "2"


def test_a_stream_of_requests_is_answered_one_by_one(server: ServerProcess) -> None:
    """Requests stand one after another; the stream ends when all are answered."""
    session_id = new_id()
    commands = "\n".join(
        json.dumps({"command_id": str(number), **command})
        for number, command in enumerate(
            [{"create_session": json.loads(game(session_id))}, {"start_session": {"session_id": session_id}}]
        )
    )

    done = called("ExecuteCommands", "-", "--address", server.address, entered=commands)

    assert done.exit_code == 0, done.stderr
    assert re.findall(r'"command_id": "(\d)"', done.stdout) == ["0", "1"]


def test_a_stream_ends_with_the_time_given(server: ServerProcess) -> None:
    """What came until then is printed."""
    session_id = new_id()
    called("CreateSession", game(session_id), "--address", server.address)

    done = called("WatchSession", json.dumps({"session_id": session_id}), "--timeout", "1", "--address", server.address)

    assert "snapshot" in done.stdout
    assert done.stderr.startswith("synckairos: DEADLINE_EXCEEDED")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["CreateSesion"], r"no method 'CreateSesion'; did you mean CreateSession.*there are .*SwitchCycle"),
        (["TimeService/CreateSession"], r"no method 'TimeService/CreateSession'"),
        (["GetSession", "{"], r"no synckairos\.v1\.GetSessionRequest: "),
        (["GetSession", "[]"], r"an object is needed"),
        (["GetSession", '{"sesion_id": ""}'], r"no field named \"sesion_id\""),
        (["GetSession", "{}{}"], r"takes one request, not 2"),
        (["GetSession", '{"session_id": "x"}'], r"^synckairos: INVALID_ARGUMENT / INVALID_FIELD: .*session_id"),
        (
            ["GetSession", '{"session_id": "00000000-0000-4000-8000-000000000001"}'],
            r"^synckairos: NOT_FOUND / SESSION_NOT_FOUND: ",
        ),
    ],
)
def test_what_is_wrong_is_said(server: ServerProcess, arguments: list[str], says: str) -> None:
    """On standard error, without a traceback, and the exit status is 1."""
    done = called(*arguments, "--address", server.address)

    assert re.search(says, done.stderr, re.DOTALL)
    assert isinstance(done.exception, SystemExit), "nothing that a traceback would be shown of"
    assert (done.exit_code, done.stdout) == (1, "")


def test_a_server_that_is_not_there_is_said() -> None:
    """With what to do."""
    done = called("SyncTime", "--address", "127.0.0.1:1")

    assert done.stderr.startswith("synckairos: UNAVAILABLE: ")
    assert "is a server running at 127.0.0.1:1?" in done.stderr
    assert done.exit_code == 1
