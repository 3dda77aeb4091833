"""`synckairos watch`, `events`, `top` and `demo` without a terminal: lines, JSON, signals, closed pipes."""

import json
import signal
import sys
from pathlib import Path

import pytest

from testing.harness.client import new_id
from testing.harness.processes.commands import run_command
from testing.harness.processes.warm_commands import program
from tests.e2e.commands.asking import Asked


async def test_a_stream_is_json_a_line(asked: Asked) -> None:
    """Each message is one object, as the contract names its fields; the command ends with the session."""
    session = await asked.created("--total", "1h", "--start")

    async with asked.running("watch", session) as watch:
        first = json.loads(await watch.line())
        await asked.told("session", "switch", session, "--reason", "bid")
        second = json.loads(await watch.line())
        await asked.told("session", "complete", session)
        done = await watch.ended()

    assert first["snapshot"]["status"] == "STATUS_RUNNING"
    assert (second["event"]["type"], second["event"]["reason"]) == ("EVENT_TYPE_CYCLE_SWITCHED", "bid")
    assert [next(iter({"event", "end"} & set(json.loads(line)))) for line in done.stdout.splitlines()] == [
        "event",
        "end",
    ]
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_stream_can_be_read_as_lines(asked: Asked) -> None:
    """The clocks at each tick, and what happens, in words."""
    session = await asked.created("--bank", "10m", "-p", "ann", "-p", "bob", "--start")

    async with asked.running("watch", session, "--lines", "--tick", "0.2") as watch:
        clocks = await watch.line()
        await asked.told("session", "switch", session, "--reason", "e4")
        switched = (await watch.until("cycle switched"))[-1]

    assert "running" in clocks
    assert "▶ ann 9:5" in clocks or "▶ ann 10:00" in clocks
    assert "bob 10:00" in clocks
    assert "ann" in switched
    assert "“e4”" in switched


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, id="Ctrl-C"), pytest.param(signal.SIGTERM, 143, id="TERM")]
)
async def test_a_signal_ends_a_stream_without_a_word(asked: Asked, number: signal.Signals, code: int) -> None:
    """No traceback, and the code that shells give it."""
    session = await asked.created("--total", "1h", "--start")

    async with asked.running("watch", session) as watch:
        await watch.line()
        done = await watch.stopped(number)

    assert done == (code, "", "")


async def test_a_closed_pipe_ends_a_stream_without_a_word(asked: Asked) -> None:
    """Whoever reads may leave at any time."""
    session = await asked.created("--total", "1h", "--start")
    script = f"{program()} watch {session} --tick 0.1 | head -n 2"

    done = await run_command("bash", "-c", script, cwd=asked.folder, **asked.environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


async def test_events_that_the_trail_does_not_have_yet_are_not_left_out(asked: Asked) -> None:
    """Without a worker it stays behind: that is said, with the code to try again, and nothing is shown."""
    session = await asked.created("--total", "1h", "--start")

    done = await asked.run("events", session)

    assert (done.returncode, done.stdout) == (6, "")
    assert "UNAVAILABLE / AUDIT_UNAVAILABLE: the audit trail is behind: it has version 0 of 2" in done.stderr


@pytest.mark.usefixtures("trail")
async def test_events_are_those_of_the_trail(asked: Asked) -> None:
    """Oldest first, the latest so many, those of a type."""
    session = await asked.created("--total", "1h", "--start")
    for reason in ("one", "two"):
        await asked.told("session", "switch", session, "--reason", reason)

    everything = await asked.run("events", session)
    latest = await asked.run("events", session, "-n", "1")
    bids = await asked.run("events", session, "--type", "cycle-switched")
    wrong = await asked.run("events", session, "--type", "bid")

    told = [json.loads(line) for line in everything.stdout.splitlines()]
    assert [one["version"] for one in told] == ["1", "2", "3", "4"]
    assert [one["type"].removeprefix("EVENT_TYPE_") for one in told[:2]] == ["SESSION_CREATED", "SESSION_STARTED"]
    assert [json.loads(line)["reason"] for line in latest.stdout.splitlines()] == ["two"]
    assert [json.loads(line)["reason"] for line in bids.stdout.splitlines()] == ["one", "two"]
    assert wrong.returncode == 2
    assert "cycle-switched" in wrong.stderr


@pytest.mark.usefixtures("trail")
async def test_events_go_on_where_the_trail_ends(asked: Asked) -> None:
    """With --follow nothing is missing or doubled between what was and what comes; the latest are those of the type."""
    session = await asked.created("--total", "1h", "--start")

    async with (
        asked.running("events", session, "--follow", "-n", "1", "--type", "session-created") as latest,
        asked.running("events", session, "--follow") as events,
    ):
        created = json.loads(await latest.line())
        past = [json.loads(await events.line()) for _ in range(2)]
        await asked.told("session", "switch", session, "--reason", "bid")
        await asked.told("session", "complete", session)
        done = await events.ended()

    assert created["type"] == "EVENT_TYPE_SESSION_CREATED"
    told = past + [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["version"] for one in told] == ["1", "2", "3", "4"]
    assert {"event_id", "session_id", "epoch", "type", "occurred_at", "session"} <= set.intersection(*map(set, told))
    assert told[2]["reason"] == "bid"
    assert (done.returncode, done.stderr) == (0, "")


async def test_the_table_is_printed_once_without_a_terminal(asked: Asked) -> None:
    """One object with the sessions in the order asked for."""
    label = f"event={new_id()}"
    long, short = [await asked.created("--total", total, "--label", label, "--start") for total in ("2h", "1h")]

    by_time = json.loads((await asked.run("top", "--label", label)).stdout)
    newest = json.loads((await asked.run("top", "--label", label, "--sort", "newest", "--once")).stdout)

    assert [one["session_id"] for one in by_time["sessions"]] == [short, long]
    assert 3_500_000 < by_time["sessions"][0]["shown_ms"] <= 3_600_000
    assert by_time["counts"] == {"running": 2}
    assert [one["session_id"] for one in newest["sessions"]] == [short, long]


async def test_the_table_goes_on_as_json(asked: Asked) -> None:
    """With --json an object each time the sessions are read, until somebody ends it."""
    label = f"event={new_id()}"
    session = await asked.created("--total", "1h", "--label", label, "--start")

    async with asked.running("top", "--label", label, "--json", "--every", "0.2") as top:
        versions = [json.loads(await top.line())["sessions"][0]["version"]]
        await asked.told("session", "switch", session)
        while versions[-1] == 2:
            versions.append(json.loads(await top.line())["sessions"][0]["version"])
        done = await top.stopped(signal.SIGINT)

    assert versions[-1] == 3
    assert (done.returncode, done.stderr) == (130, "")


async def test_the_demo_plays_each_game_once(asked: Asked) -> None:
    """A bank lost on time by byo-yomi, a lot sold after late bids, an exam over after its pause: as fast as it goes."""
    done = await asked.run("demo", "--once", "--speed", "20", "--seed", "1")

    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    ends = {one["game"]: one for one in told}
    assert ends["go"]["said"] == "Black has lost on time"
    assert ends["exam"]["said"] == "pens down"
    assert ends["auction"]["said"].startswith("sold for ") or "hammer" in ends["auction"]["said"]
    for one in ends.values():
        session = (await asked.told("session", "get", one["session_id"]))["session"]
        assert session["status"] == "STATUS_EXPIRED"
    assert (await asked.told("session", "get", ends["go"]["session_id"]))["session"]["winner_participant_id"]


async def test_a_demo_that_is_stopped_leaves_nothing_running(asked: Asked) -> None:
    """Its sessions are cancelled, with a reason, before it ends."""
    async with asked.running("demo", "exam", "auction") as demo:
        begun = [json.loads(await demo.line()) for _ in range(2)]
        done = await demo.stopped(signal.SIGINT)

    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    statuses = [
        (await asked.told("session", "get", one["session_id"]))["session"]["status"]
        for one in begun
        if one["said"].startswith("begins")
    ]
    assert statuses == ["STATUS_CANCELLED", "STATUS_CANCELLED"]


async def test_ids_are_completed_from_the_server(asked: Asked) -> None:
    """A shell asks the program, and the program asks the server; where none answers, there is nothing to offer."""
    session = await asked.created("--total", "1h", "--name", "Board 1")
    line = f"synckairos session get {session[:30]}"
    words = {"_SYNCKAIROS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "3"}

    async def offered(**environment: str) -> list[str]:
        installed = Path(sys.executable).with_name("synckairos")
        done = await run_command(str(installed), cwd=asked.folder, **{**asked.environment, **words, **environment})
        return done.stdout.split()

    assert session in await offered()
    assert session not in await offered(SYNCKAIROS_ADDRESS="127.0.0.1:1")
    assert "session" in await offered(COMP_WORDS="synckairos se", COMP_CWORD="1")
