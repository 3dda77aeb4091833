"""Migration files and what is made of them, without a database."""

from pathlib import Path

import pytest

from synckairos.adapters.postgres.schema.files import MigrationError, create_migration, read_migrations
from synckairos.adapters.postgres.schema.history import Applied, Entry, State, compare, latest, pending, problems
from synckairos.cli.migration import migrations_folder

GOOD = "-- why\n-- migrate:up\nCREATE TABLE one (id int);\n-- migrate:down\nDROP TABLE one;\n"


def test_a_file_has_two_ways(tmp_path: Path) -> None:
    """Each with the line it begins in, and in a transaction unless it says otherwise."""
    (tmp_path / "012_one.sql").write_text(GOOD.replace("migrate:up", "migrate:up transaction:false"))

    (found,) = read_migrations(tmp_path)

    assert (found.version, found.name) == ("012", "012_one")
    assert (found.up.sql.strip(), found.up.line, found.up.in_transaction) == ("CREATE TABLE one (id int);", 2, False)
    assert (found.down.sql.strip(), found.down.line, found.down.in_transaction) == ("DROP TABLE one;", 4, True)


def test_line_ends_do_not_count_as_edits(tmp_path: Path) -> None:
    """A checkout on another system writes other ones."""
    (tmp_path / "001_one.sql").write_bytes(GOOD.encode())
    (tmp_path / "002_one.sql").write_bytes(GOOD.replace("\n", "\r\n").encode())

    unix, windows = read_migrations(tmp_path)

    assert unix.checksum == windows.checksum


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("one.sql", GOOD, "must be named"),
        ("01_one.sql", GOOD, "must be named"),
        ("001_One.sql", GOOD, "must be named"),
        ("001_one.sql", "CREATE TABLE one ();", "must have one line"),
        ("001_one.sql", "-- migrate:up\nSELECT 1;", "must have one line"),
        ("001_one.sql", "-- migrate:down\n-- migrate:up\nSELECT 1;", "must have one line"),
        ("001_one.sql", GOOD + GOOD, "must have one line"),
        ("001_one.sql", "SELECT 1;\n" + GOOD, "would never run"),
        ("001_one.sql", "-- migrate:up\n-- later\n/* or\nnever */\n-- migrate:down\n", "way up is empty"),
        ("001_one.sql", GOOD.replace("migrate:up", "migrate:up transaction:no"), "only `transaction:false`"),
        ("001_one.sql", GOOD.replace("DROP", "commit ;\nDROP"), "`commit` would end the transaction"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    """Nothing is guessed at, and the file is named."""
    (tmp_path / name).write_text(text)

    with pytest.raises(MigrationError, match=rf"{name}: .*{complaint}"):
        read_migrations(tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """With the place of the first byte that is none."""
    (tmp_path / "001_one.sql").write_bytes(b"-- \xff")

    with pytest.raises(MigrationError, match=r"001_one\.sql: is not UTF-8, at byte 3"):
        read_migrations(tmp_path)


def test_two_files_of_one_number_are_refused(tmp_path: Path) -> None:
    """However many zeros they write."""
    (tmp_path / "001_one.sql").write_text(GOOD)
    (tmp_path / "0001_other.sql").write_text(GOOD)

    with pytest.raises(MigrationError, match="have the same number"):
        read_migrations(tmp_path)


def test_create_takes_the_next_number(tmp_path: Path) -> None:
    """The new file is not accepted before it has a way up."""
    (tmp_path / "009_one.sql").write_text(GOOD)

    path = create_migration(tmp_path, "Add labels, quickly!")

    assert path.name == "010_add_labels_quickly.sql"
    with pytest.raises(MigrationError, match="way up is empty"):
        read_migrations(tmp_path)


@pytest.mark.parametrize(("folder", "what"), [("", "!?"), ("absent", "add labels")])
def test_create_refuses_what_it_cannot_do(tmp_path: Path, folder: str, what: str) -> None:
    """A name without letters, and a folder that is not there."""
    with pytest.raises(MigrationError):
        create_migration(tmp_path / folder, what)


def test_the_project_s_own_files_can_be_read() -> None:
    """All of them, and every one can be undone."""
    found = read_migrations(migrations_folder())

    assert found
    assert not [file.name for file in found if file.down.is_empty]


def applied(version: str, checksum: str | None) -> Applied:
    """Return a row of the book."""
    return Applied(version, None, checksum, None, None)


def entries(tmp_path: Path, *rows: Applied) -> list[Entry]:
    """Compare three files with rows of the book."""
    for number in (1, 2, 3):
        (tmp_path / f"00{number}_f.sql").write_text(GOOD)
    return compare(read_migrations(tmp_path), rows)


def test_files_and_book_are_compared(tmp_path: Path) -> None:
    """Every state there is, by number; a row without checksum is taken as it is."""
    found = entries(tmp_path, applied("1", "other"), applied("002", None), applied("004", "gone"))

    assert [(entry.name, entry.state) for entry in found] == [
        ("001_f", State.EDITED),
        ("002_f", State.APPLIED),
        ("003_f", State.OUT_OF_ORDER),
        ("004", State.MISSING),
    ]
    assert len(problems(found)) == 3
    with pytest.raises(MigrationError, match=r"(?s)001_f was edited.*003_f is not applied, though.*004 is applied"):
        pending(found)


def test_what_is_left_to_apply_follows_what_is_applied(tmp_path: Path) -> None:
    """With one applied, two are left, and one can be undone however many are asked for."""
    found = entries(tmp_path, applied("001", None))

    assert [file.name for file in pending(found)] == ["002_f", "003_f"]
    assert [file.name for file in latest(found, 5)] == ["001_f"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (applied("005", None), "005 is applied, but there is no such file"),
        (applied("two", None), "not a number"),
        (applied("003", "other"), "003_f is edited"),
    ],
)
def test_what_cannot_be_undone_is_refused(tmp_path: Path, row: Applied, problem: str) -> None:
    """A file that is gone, a version that is no number, and a file that was edited after it had been applied."""
    with pytest.raises(MigrationError, match=problem):
        latest(entries(tmp_path, row), 1)


def test_a_file_without_a_way_back_cannot_be_undone(tmp_path: Path) -> None:
    """A way down that holds only a comment counts as missing."""
    found = entries(tmp_path, applied("003", None))
    (tmp_path / "003_f.sql").write_text(GOOD.replace("DROP TABLE one;", "-- cannot be undone"))

    with pytest.raises(MigrationError, match="003_f has no way down"):
        latest(compare(read_migrations(tmp_path), [applied("003", None)]), 1)
    assert latest(found, 1)
