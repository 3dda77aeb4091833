"""`synckairos session`: every verb, its JSON, its errors and their exit codes."""

import json
from typing import Any

import pytest

from testing.harness.client import new_id
from testing.harness.processes.server_process import free_port
from tests.e2e.commands.asking import Asked

ANN, BOB = "10000000-0000-4000-8000-0000000000aa", "10000000-0000-4000-8000-0000000000bb"
TWO = ("-p", f"ann={ANN}", "-p", f"bob={BOB}")


@pytest.mark.timeout(300)  # a dozen processes, one after another, on a machine that may have other work
async def test_a_session_is_driven_by_its_verbs(asked: Asked) -> None:
    """Every verb makes its call and prints the reply on one line; the session ends up as the calls left it."""
    created = await asked.told("session", "create", "--bank", "10m", *TWO, "--name", "Board 1", "--label", "round=1")
    session = created["session"]["session_id"]
    steps: list[tuple[tuple[str, ...], str, int]] = [
        (("start",), "STATUS_RUNNING", 2),
        (("switch", "--if-active", ANN, "--reason", "e4"), "STATUS_RUNNING", 3),
        (("switch", "--to", BOB), "STATUS_RUNNING", 4),
        (("pause", "--reason", "rain"), "STATUS_PAUSED", 5),
        (("adjust", "--participant", ANN, "--add", "1.5m", "--reason", "late"), "STATUS_PAUSED", 6),
        (("adjust", "--participant", BOB, "--to", "5m", "--reason", "late"), "STATUS_PAUSED", 7),
        (("add", "carl", "--time", "60"), "STATUS_PAUSED", 8),
        (("resume", "--if-version", "8"), "STATUS_RUNNING", 9),
        (("remove", BOB), "STATUS_RUNNING", 10),
        (("update", "--label", "round=2", "--metadata", '{"hall": 3}'), "STATUS_RUNNING", 11),
        (("complete", "--winner", ANN), "STATUS_COMPLETED", 12),
    ]

    replies: dict[str, Any] = {}
    seen = []
    for (verb, *options), _, _ in steps:
        done = await asked.run("session", verb, session, *options)
        assert (done.returncode, done.stderr) == (0, ""), done
        replies[verb] = json.loads(done.stdout)
        seen.append((replies[verb]["session"]["status"], int(replies[verb]["session"]["version"])))
    deleted = await asked.told("session", "delete", session)
    again = await asked.run("session", "delete", session, "--allow-missing")

    assert seen == [(status, version) for _, status, version in steps]
    assert created["session"]["metadata"] == {"name": "Board 1"}
    assert [one["metadata"]["name"] for one in created["session"]["participants"]] == ["ann", "bob"]
    assert replies["adjust"]["session"]["participants"][1]["time_remaining_ms"] == "300000"
    assert int(replies["adjust"]["session"]["participants"][0]["time_remaining_ms"]) > 600_000
    assert replies["add"]["session"]["participants"][2]["total_time_ms"] == "60000"
    assert replies["update"]["session"]["labels"] == {"round": "2"}
    assert replies["update"]["session"]["metadata"] == {"hall": 3}
    assert replies["complete"]["session"]["winner_participant_id"] == ANN
    assert deleted["session"]["version"] == "13"
    assert (again.returncode, "session" in json.loads(again.stdout)) == (0, False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            ("-c", "600|5x30", *TWO), {"mode": "MODE_PER_PARTICIPANT", "status": "STATUS_PENDING"}, id="a control"
        ),
        pytest.param(
            ("-g", "red:ann,bob", "-g", "blue:carl", "--bank", "10m", "--increment", "5", "--at-zero", "eliminate"),
            {"mode": "MODE_PER_GROUP", "on_expire": "ON_EXPIRE_ELIMINATE", "increment_ms": "5000"},
            id="groups",
        ),
        pytest.param(
            ("--cycle", "30", "--max-cycles", "8", *TWO),
            {"mode": "MODE_PER_CYCLE", "time_per_cycle_ms": "30000", "max_cycles": "8"},
            id="cycles",
        ),
        pytest.param(
            ("--total", "2h", "--warn", "10m", "--warn", "60", "--soft-close", "10+15", "--start"),
            {"mode": "MODE_GLOBAL", "total_time_ms": "7200000", "warning_thresholds_ms": ["600000", "60000"],
             "soft_close": {"window_ms": "10000", "extend_ms": "15000", "policy": "SOFT_CLOSE_POLICY_ADD"},
             "status": "STATUS_RUNNING"},
            id="a countdown",
        ),
        pytest.param(
            ("--mode", "count-up", "--max-time", "1h", "--idle", "2h", "--metadata", '{"lane": 4}'),
            {"mode": "MODE_COUNT_UP", "max_time_ms": "3600000", "idle_ttl_ms": "7200000", "metadata": {"lane": 4.0}},
            id="a stopwatch",
        ),
        pytest.param(
            ("--cycle", "30", "--limit", "1h", "--manual-clock", "--id", "30000000-0000-4000-8000-000000000003"),
            {"session_limit_ms": "3600000", "manual_clock": True,
             "session_id": "30000000-0000-4000-8000-000000000003"},
            id="a manual clock",
        ),
    ],
)  # fmt: skip
async def test_every_option_reaches_the_session(asked: Asked, options: tuple[str, ...], expected: Any) -> None:
    """The mode follows from what is given; durations are in seconds or have their unit."""
    created = (await asked.told("session", "create", *options))["session"]

    assert {name: created.get(name) for name in expected} == expected


async def test_a_session_is_created_from_a_file(asked: Asked) -> None:
    """The contract's own request as JSON, with options on top of it."""
    request = {"mode": "MODE_GLOBAL", "total_time_ms": "60000", "labels": {"a": "b"}}
    (asked.folder / "exam.json").write_text(json.dumps(request))

    file = str(asked.folder / "exam.json")
    created = (await asked.told("session", "create", "--file", file, "--label", "c=d"))["session"]

    assert (created["total_time_ms"], created["labels"]) == ("60000", {"a": "b", "c": "d"})


async def test_a_manual_clock_is_advanced(asked: Asked) -> None:
    """What falls due on the way has happened when the command returns."""
    session = await asked.created("--total", "10m", "--manual-clock", "--start")

    halfway = await asked.told("session", "advance", session, "4m")
    over = await asked.told("session", "advance", session, "6m")

    assert halfway["session"]["remaining_ms"] == "360000"
    assert over["session"]["status"] == "STATUS_EXPIRED"


async def test_sessions_are_listed_one_a_line(asked: Asked) -> None:
    """Newest first, filtered by status, mode and label, no more than asked."""
    label = f"event={new_id()}"
    first, second, third = [await asked.created("--total", "1h", "--label", label) for _ in range(3)]
    await asked.told("session", "start", second)

    async def listed(*options: str) -> list[str]:
        done = await asked.invoke("session", "list", "--label", label, *options)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["session_id"] for line in done.stdout.splitlines()]

    assert await listed() == [third, second, first]
    assert await listed("-n", "2") == [third, second]
    assert await listed("-n", "0", "--status", "running", "--mode", "global") == [second]
    assert await listed("--mode", "count-up") == []
    assert (await asked.told("session", "get", first))["session"]["status"] == "STATUS_PENDING"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(("get", "nonsense"), 2, "INVALID_ARGUMENT / INVALID_FIELD", id="a wrong field"),
        pytest.param(("create", "--total", "soon"), 2, "soon is no duration", id="a wrong duration"),
        pytest.param(("create", "--bogus"), 2, "No such option", id="a wrong option"),
        pytest.param(("create",), 2, "whose clock runs?", id="nothing said"),
        pytest.param(("create", "-g", "red"), 2, "red is no group with its members", id="a wrong group"),
        pytest.param(("create", "--total", "60", "--label", "x"), 2, "x is no label", id="a wrong label"),
        pytest.param(("create", "--total", "60", "--metadata", "{"), 2, "{ is no JSON object", id="wrong metadata"),
        pytest.param(("create", "--total", "60", "--soft-close", "9"), 2, "9 is no soft close", id="a wrong close"),
        pytest.param(("create", "--file", "missing.json"), 2, "missing.json is no CreateSession", id="no file"),
        pytest.param(("adjust", "SESSION", "--reason", "x"), 2, "one of --add, --to", id="no amount"),
        pytest.param(("update", "SESSION"), 2, "--metadata, --label", id="nothing to update"),
        pytest.param(("get", "00000000-0000-4000-8000-000000000000"), 3, "NOT_FOUND / SESSION_NOT_FOUND", id="unknown"),
        pytest.param(("remove", "SESSION", ANN), 3, "NOT_FOUND / PARTICIPANT_NOT_FOUND", id="nobody"),
        pytest.param(("create", "--total", "60", "--id", "SESSION"), 4, "ALREADY_EXISTS / ", id="taken"),
        pytest.param(("start", "SESSION", "--if-version", "7"), 4, "ABORTED / VERSION_CONFLICT", id="a stale version"),
        pytest.param(("resume", "SESSION"), 5, "FAILED_PRECONDITION / INVALID_STATE_TRANSITION", id="a wrong state"),
    ],
)  # fmt: skip
async def test_every_kind_of_error_has_its_exit_code(
    asked: Asked, arguments: tuple[str, ...], code: int, told: str
) -> None:
    """The code says what kind it is, the message what exactly; nothing is printed as a result."""
    session = await asked.created("--total", "1h")

    done = await asked.invoke("session", *[session if one == "SESSION" else one for one in arguments])

    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


async def test_the_details_of_an_error_are_told(asked: Asked) -> None:
    """The wrong fields by name, or what the error knows besides."""
    session = await asked.created("--total", "1h")

    field = await asked.invoke("session", "create", "--total", "0.5")
    conflict = await asked.invoke("session", "start", session, "--if-version", "7")

    assert "  total_time_ms: " in field.stderr
    assert "  actual = 1\n" in conflict.stderr


async def test_a_server_that_is_away_is_unavailable(asked: Asked) -> None:
    """Exit code 6, and where it was looked for."""
    nowhere = f"127.0.0.1:{free_port()}"

    done = await asked.run("session", "list", "--address", nowhere, "--timeout", "5")

    assert done.returncode == 6
    assert f"is a server running at {nowhere}?" in done.stderr


async def test_a_retry_is_harmless(asked: Asked) -> None:
    """The same request id changes a session once."""
    session, twice = await asked.created("--total", "1h", "--start"), new_id()

    first, again = [await asked.told("session", "switch", session, "--request-id", twice) for _ in range(2)]

    assert (first.get("replayed"), again["replayed"]) == (None, True)
    assert first["session"]["version"] == again["session"]["version"] == "3"


@pytest.mark.parametrize(
    "holders", [("-p", "ann", "-p", "bob"), ("-g", "red:ann", "-g", "blue:bob")], ids=["participants", "groups"]
)
async def test_a_retry_that_makes_ids_is_harmless(asked: Asked, holders: tuple[str, ...]) -> None:
    """Who comes with a name alone gets the same id; a session that was started with its creation stays so."""
    create, add = new_id(), new_id()

    command = ("session", "create", "--bank", "10m", *holders, "--start", "--request-id", create)
    first, again = [(await asked.told(*command))["session"] for _ in range(2)]
    blue = [one["group_id"] for one in first.get("groups", ())][-1:]
    joining = ("session", "add", first["session_id"], "carl", *(("--group", *blue) if blue else ("--time", "60")))
    joined = [(await asked.told(*joining, "--request-id", add))["session"] for _ in range(2)]

    assert again["session_id"] == first["session_id"]
    assert again["participants"] == first["participants"]
    assert len({one["participant_id"] for one in joined[1]["participants"]}) == 3
    assert joined[0]["version"] == joined[1]["version"] == "3"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("session", "create", "--bogus"), 2, id="usage"),
        pytest.param(("session", "get", "00000000-0000-4000-8000-000000000000"), 3, id="not found"),
        pytest.param(("session", "start", "SESSION", "--if-version", "7"), 4, id="conflict"),
        pytest.param(("session", "resume", "SESSION"), 5, id="state"),
        pytest.param(("watch", "00000000-0000-4000-8000-000000000000"), 3, id="not found by a stream"),
    ],
)
async def test_the_process_ends_with_the_code(asked: Asked, arguments: tuple[str, ...], code: int) -> None:
    """As a shell sees it."""
    session = await asked.created("--total", "1h")

    done = await asked.run(*[session if one == "SESSION" else one for one in arguments])

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr
