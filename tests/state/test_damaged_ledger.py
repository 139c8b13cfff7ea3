"""The file of the ledger: damaged, of another version, not writable; never taken for an empty one."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ninjasync.state import schema, sqlite
from ninjasync.state.ledger import Ledger
from ninjasync.state.sqlite import SqliteStore
from tests.support.company import END_USERS, staff, user
from tests.support.ledgers import changed, tenant
from tests.support.office import Office

# --- the file ----------------------------------------------------------------------------------


def test_the_ledger_is_an_sqlite_file_of_mode_0600_in_wal_that_says_its_version(office: Office) -> None:
    office.configure("state", path="a new folder/ledger.sqlite3")
    before = os.umask(0)
    try:
        office.settle()
        files = list(office.ledger.parent.iterdir())
        modes = {one.name: oct(stat.S_IMODE(one.stat().st_mode)) for one in files if one.name.startswith("ledger.sq")}
    finally:
        os.umask(before)

    assert modes["ledger.sqlite3"] == "0o600"
    assert {mode for name, mode in modes.items() if not name.endswith(".lock")} == {"0o600"}
    assert stat.S_IMODE(office.ledger.parent.stat().st_mode) == 0o700
    assert office.ask_ledger("PRAGMA journal_mode") == [("wal",)]
    assert office.ask_ledger("select value from meta where key = 'schema_version'") == [(str(schema.SCHEMA_VERSION),)]


def test_by_default_it_lies_in_the_platforms_state_folder(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(office.folder / "state"))
    monkeypatch.setenv("HOME", str(office.folder))
    office.configure("state", path=None)

    assert office.plan().code == 0

    assert [one for one in office.folder.rglob("*.sqlite3") if one.is_file()]


def garbage(path: Path) -> None:
    path.write_bytes(b"This is no database, though it is quite long. " * 500)


def truncated_to(size: int | float) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: size if isinstance(size, int) else int(len(data) * size)])

    return cut


def all_but_the_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"")


def scribbled_over(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update meta set value = '99' where key = 'schema_version'")


def without_version(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("delete from meta where key = 'schema_version'")


def without_a_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("drop table resources")


def foreign(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table bookmarks (url text)")
        connection.execute("insert into bookmarks values ('https://example.com')")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "garbage": (garbage, "damaged|not a ledger"),
    "zero bytes": (zero_bytes, "damaged"),
    "8 bytes": (truncated_to(8), "damaged"),
    "50 bytes": (truncated_to(50), "damaged|not a ledger"),
    "100 bytes": (truncated_to(100), "damaged"),
    "one page": (truncated_to(4096), "damaged"),
    "half": (truncated_to(0.5), "damaged"),
    "all but the end": (all_but_the_end, "damaged"),
    "scribbled over": (scribbled_over, "damaged"),
    "newer": (newer, "newer"),
    "without a version": (without_version, "damaged"),
    "with a version that is nothing": (changed("update meta set value = null"), "damaged"),
    "with a version that is no number": (changed("update meta set value = '\u00b2'"), "damaged"),
    "without a table": (without_a_table, "damaged"),
    "with members that are no list": (changed("update resources set members = '{bad'"), "damaged"),
    "with a date that is none": (changed("update resources set deactivated_at = 'yesterday'"), "damaged"),
    "foreign": (foreign, "not a ledger"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_newer_or_foreign_ledger_is_exit_1_and_never_a_fresh_start(office: Office, what: str) -> None:
    office.settle()
    damage, sentence = DAMAGES[what]
    for end in ("-wal", "-shm"):
        office.ledger.with_name(office.ledger.name + end).unlink(missing_ok=True)
    damage(office.ledger)
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    left = office.ledger.read_bytes()

    # History does not look into what is ours.
    unseen = what in ("without a table", "with members that are no list", "with a date that is none")
    commands = (["plan"], ["apply", "--yes"], ["history"])[: 2 if unseen else 3]
    for command in commands:
        ran = office.run(command[0], *command[1:])

        assert ran.code == 1, (command, ran.printed)
        assert re.search(sentence, ran.err), ran.err
        assert str(office.ledger) in ran.err
        assert "Traceback" not in ran.printed
        assert len(ran.err.strip().splitlines()) == 2  # what failed, and what to do next
    assert office.writes() == []
    assert unseen or office.ledger.read_bytes() == left  # it is not ours to mend, or it is evidence


def test_a_folder_in_the_ledgers_place_is_no_ledger(office: Office) -> None:
    office.ledger.mkdir()

    assert office.apply().code == 1
    assert office.plan().code == 0
    assert office.writes() == []


def test_where_no_ledger_can_be_made_plan_works_with_a_warning_and_apply_exits_1(office: Office) -> None:
    (office.folder / "file").touch()
    office.configure("state", path="file/ledger.sqlite3")
    expected = {user(number): "create" for number in range(5)}

    planned, done, told = office.plan(), office.apply(), office.run("history")

    assert (planned.code, planned.actions()) == (0, expected)
    assert any("ledger" in warning for warning in planned.json["warnings"])
    assert done.code == 1
    assert "[state] path" in done.printed
    assert office.writes() == []
    assert told.code in (0, 1)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that this process may read and, once it is closed, not write; root steps down for that."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folders are for their owner's eyes alone
    folder.chmod(0o777)
    stepped_down = os.geteuid() == 0
    if stepped_down:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if stepped_down:
            os.seteuid(0)
        folder.chmod(0o777)
        shutil.rmtree(folder)


def test_a_ledger_that_may_not_be_read_is_not_taken_for_none(as_nobody: Path) -> None:
    with Office(as_nobody, staff(5, 0)) as office:
        office.settle()
        office.ledger.chmod(0o000)
        told = [office.run(*words) for words in (("plan",), ("explain", user(1)), ("ledger", "show"), ("check",))]
        office.ledger.chmod(0o600)
    assert [one.code for one in told] == [0, 0, 1, 1], [one.printed for one in told]
    assert all("There is no ledger" not in one.text for one in told), told
    assert "this user may not read it" in told[2].err


def test_a_ledger_that_may_only_be_read_is_read_by_plan_which_warns_and_ends_apply(as_nobody: Path) -> None:
    with Office(as_nobody, staff(5, 0)) as office:
        office.settle()
        erased = office.duo(user(0))
        office.people.erase(erased)
        office.write_config()
        office.ledger.chmod(0o400)
        as_nobody.chmod(0o555)
        config = str(as_nobody / "config.toml")
        office.write_config = lambda name="": config  # type: ignore[method-assign]  # nothing may be written here
        try:
            planned, done = office.plan(), office.apply()
        finally:
            as_nobody.chmod(0o777)

        # What only the ledger knows is known: whose account it is that Duo has no user for.
        assert planned.code == 0, planned.printed
        assert planned.actions() == {user(0): "deactivate"}
        assert any("cannot be written" in warning for warning in planned.json["warnings"])
        assert done.code == 1
        assert office.writes() == []


# --- made whole --------------------------------------------------------------------------------


def test_runs_that_create_the_ledger_at_once_all_get_the_same_complete_one(tmp_path: Path) -> None:
    path, together = tmp_path / "ledger.sqlite3", threading.Barrier(8)

    def run(number: int) -> str:
        together.wait(timeout=30)
        with contextlib.closing(Ledger.open(SqliteStore(path), tenant(), datetime.now(UTC))) as ledger:
            return ledger.run_log.begin(f"run {number}", "plan", datetime.now(UTC), f"run {number}")

    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(run, range(8)))

    with contextlib.closing(Ledger.open(SqliteStore(path), tenant(), datetime.now(UTC))) as ledger:
        assert sorted(run.id for run in ledger.run_log.runs()) == sorted(begun)
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.sqlite3"]


def test_a_ledger_is_created_without_hard_links_and_replaces_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "ledger.sqlite3"
    Ledger.open(SqliteStore(path), tenant(), datetime.now(UTC)).close()
    made = path.read_bytes()
    sqlite.create(path)

    assert path.read_bytes() == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.sqlite3"]
