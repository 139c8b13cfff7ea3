"""Ledgers that an older version made: they open, lose nothing that counts, and the next plan is empty."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ninjasync.state import schema
from tests.support.company import staff
from tests.support.office import Office

# The schema of version 1, as it was made; version 2 differs by rows alone, and version 3 adds to it.
VERSION_1 = (Path(__file__).parent / "ledger_version_1.sql").read_text("utf-8")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path, staff(3, 1)).start()
    yield made
    made.stop()


def make_older(path: Path) -> None:
    """Put what the ledger at ``path`` holds into one of version 1, with the rows that version kept for explain."""
    new = path.with_suffix(".now")
    path.rename(new)
    with closing(sqlite3.connect(path)) as ledger:
        ledger.executescript(VERSION_1)
        ledger.execute("ATTACH ? AS now", (str(new),))
        for (table,) in ledger.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            ledger.execute(f"DELETE FROM main.{table}")
            columns = ", ".join(row[1] for row in ledger.execute(f"PRAGMA main.table_info({table})"))
            ledger.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table}")
        (tenant,) = ledger.execute("SELECT id FROM tenants").fetchone()
        ledger.execute("UPDATE main.meta SET value = '1' WHERE key = 'schema_version'")
        plan = (f"last_plan {tenant}", '{"at": "2026-01-01T00:00:00.000+00:00", "refused": false, "guards": []}')
        names = (f"last_names {tenant}", "ann.smith@example.com\nasmith")
        ledger.executemany("INSERT INTO main.meta VALUES (?, ?)", [plan, names])
        ledger.commit()
    for file in path.parent.glob(f"{new.name}*"):
        file.unlink()


def meta(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as ledger:
        return dict(ledger.execute("SELECT key, value FROM meta").fetchall())


def close_ledger(world: Office) -> Path:
    """Return the ledger's path, with all of it in that one file."""
    path = world.folder / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("PRAGMA journal_mode=DELETE")
    return path


def test_a_ledger_of_version_1_opens_and_the_next_plan_is_empty(world: Office) -> None:
    world.settle()
    path = close_ledger(world)
    make_older(path)

    planned = world.plan("--detailed-exitcode")

    assert (planned.code, planned.json["changes"], planned.json["warnings"]) == (0, [], [])
    kept = meta(path)
    assert kept["schema_version"] == str(schema.SCHEMA_VERSION)
    assert not [key for key in kept if key.startswith(("last_plan", "last_names"))]
    assert [key for key in kept if key == "redaction_key"]
    assert len(world.run("history", "--format", "json").json["runs"]) == 1


def test_a_ledger_of_version_1_is_read_as_it_stands_by_commands_that_do_not_write(world: Office) -> None:
    world.settle()
    path = close_ledger(world)
    make_older(path)

    explained = world.run("explain", "user0.two@example.com", "--format", "json")
    runs = world.run("history", "--format", "json")

    assert (explained.code, explained.json["outcome"]) == (0, "unchanged"), explained.text
    assert (runs.code, len(runs.json["runs"])) == (0, 1)
    assert meta(path)["schema_version"] == "1"


def shape(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table's columns, and every index."""
    with closing(sqlite3.connect(path)) as ledger:
        names = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()]
        return {name: ledger.execute(f"PRAGMA table_info({name})").fetchall() for name in names}


def test_a_ledger_brought_up_to_date_has_the_tables_of_a_new_one(world: Office) -> None:
    world.settle()
    path = close_ledger(world)
    new = shape(path)
    assert {name: [column[1] for column in new[name]] for name in schema.TABLES} == {
        name: list(schema.columns_of(name)) for name in schema.TABLES
    }
    make_older(path)
    assert shape(path) != new

    world.settle()

    assert shape(path) == new
    assert meta(path)["schema_version"] == str(schema.SCHEMA_VERSION)


@pytest.mark.parametrize(("oldest", "code"), [(schema.SCHEMA_VERSION, 0), (schema.SCHEMA_VERSION + 1, 1)])
def test_a_newer_ledger_is_shared_where_it_only_adds_and_refused_where_it_means_something_else(
    world: Office, oldest: int, code: int
) -> None:
    world.settle()
    world.ask_ledger("UPDATE meta SET value = ? WHERE key = 'schema_version'", str(schema.SCHEMA_VERSION + 1))
    world.ask_ledger("INSERT INTO meta VALUES ('oldest_writer', ?)", str(oldest))
    world.ask_ledger("ALTER TABLE runs ADD COLUMN of_tomorrow TEXT")

    done = world.apply()

    assert done.code == code, done.printed
    assert ("Upgrade ninjasync on this machine." in done.printed) == bool(code)
    path = world.folder / "ledger.sqlite3"
    assert meta(path)["schema_version"] == str(schema.SCHEMA_VERSION + 1), "an older one takes nothing back"
