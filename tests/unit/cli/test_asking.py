"""What the commands that ask a server make of arguments, keys and times, without a server."""

import asyncio

import grpc
import pytest
import typer

from synckairos.cli.entry import only_asks
from synckairos.cli.live.keys import PATIENCE_S, Keys
from synckairos.cli.sessions.exit_codes import ExitCode, exit_code
from synckairos.cli.sessions.values import duration, groups, participant
from synckairos.cli.views.digits import big
from synckairos.cli.views.readings import face

UUID = "10000000-0000-4000-8000-0000000000aa"


@pytest.mark.parametrize(
    ("text", "ms"), [("90", 90_000), ("1.5m", 90_000), ("2h", 7_200_000), ("0.25", 250), ("-30", -30_000)]
)
def test_durations_are_in_seconds_or_have_a_unit(text: str, ms: int) -> None:
    """As in the notation of time controls."""
    assert duration(text) == ms


def test_a_wrong_duration_ends_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """With the code of wrong usage, and an example of a right one."""
    with pytest.raises(typer.Exit) as ended:
        duration("soon")

    assert ended.value.exit_code == ExitCode.USAGE
    assert "1.5m" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "name", "given"),
    [
        pytest.param("ann", "ann", "", id="a name"),
        pytest.param(UUID, "", UUID, id="an id"),
        pytest.param(f"ann={UUID}", "ann", UUID, id="both"),
        pytest.param(f"a=b={UUID}", "a=b", UUID, id="a name with a sign in it"),
        pytest.param("a=b", "a=b", "", id="no id behind the sign"),
    ],
)
def test_participants_have_names_or_ids(text: str, name: str, given: str) -> None:
    """A name is kept in the metadata; who has no id gets one."""
    spec = participant(text)

    assert dict(spec.metadata) == ({"name": name} if name else {})
    assert spec.participant_id == given if given else len(spec.participant_id) == 36


def test_groups_have_members() -> None:
    """Each member belongs to its group."""
    found, members = groups(["red:ann,bob", f"blue={UUID}:carl"])

    assert [one.metadata["name"] for one in members] == ["ann", "bob", "carl"]
    assert [one.group_id for one in members] == [found[0].group_id, found[0].group_id, UUID]


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0:00.0"),
        (9_950, "0:09.9"),
        (19_999, "0:19.9"),
        (20_000, "0:20"),
        (61_000, "1:01"),
        (3_600_000, "1:00:00"),
        (-1_500, "-0:01.5"),
        (172_800_000, "2d 0h"),
    ],
)
def test_a_clock_shows_tenths_only_when_little_is_left(ms: int, shown: str) -> None:
    """Never more than is left."""
    assert face(ms) == shown


def test_large_digits_are_three_lines_of_one_width() -> None:
    """Whatever cannot be drawn large stays as it is."""
    lines = big("-12:34:56.789 0")

    assert len(lines) == 3
    assert len(set(map(len, lines))) == 1
    assert big("2d 0h") == ["2d 0h"]


async def next_keys(*received: str) -> list[str]:
    """Return the keys that were pressed when a terminal sends this."""
    keys = Keys()
    for text in received:
        keys.take(text)
    pressed = []
    while (key := await keys.next(4 * PATIENCE_S)) is not None:
        pressed.append(key)
    return pressed


@pytest.mark.parametrize(
    ("received", "pressed"),
    [
        pytest.param(("q",), ["q"], id="a letter"),
        pytest.param(("\x1b[A", "j\x1bOB"), ["up", "j", "down"], id="arrows of both kinds"),
        pytest.param(("\x1b", "[B\r"), ["down", "enter"], id="an arrow in two parts"),
        pytest.param(("\x1b",), ["escape"], id="Escape alone"),
        pytest.param(("\x1b[5~ q",), ["page up", "space", "q"], id="several at once"),
    ],
)
async def test_keys_are_told_apart(received: tuple[str, ...], pressed: list[str]) -> None:
    """What an arrow sends begins with what Escape sends, and may come in parts."""
    async with asyncio.timeout(5):
        assert await next_keys(*received) == pressed


def test_every_code_of_grpc_ends_a_command_with_an_error() -> None:
    """None is taken for success, and those that a caller can act on are told apart."""
    codes = {code: exit_code(code) for code in grpc.StatusCode if code is not grpc.StatusCode.OK}

    assert all(code > 0 for code in codes.values())
    assert set(codes.values()) == set(ExitCode)
    assert codes[grpc.StatusCode.INTERNAL] is ExitCode.FAILED


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (("session", "list"), {}, True),
        (("serve",), {}, False),
        ((), {}, False),
        ((), {"COMP_WORDS": "synckairos session get "}, True),
        ((), {"_TYPER_COMPLETE_ARGS": "synckairos watch x"}, True),
        ((), {"COMP_WORDS": "synckairos se"}, False),
        ((), {"COMP_WORDS": "synckairos"}, False),
    ],
)
def test_only_what_is_needed_is_loaded(arguments: tuple[str, ...], environment: dict[str, str], expected: bool) -> None:
    """Commands that only ask a server, run or completed, load nothing of what runs one."""
    assert only_asks(arguments, environment) is expected
