"""A ledger copied to another place or kind of database: all of a tenant or nothing, proven equal, with no run on."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ninjasync.config.tenant import tenant_of
from ninjasync.state.database import Statement
from ninjasync.state.sqlite import SqliteDatabase
from ninjasync.state.store import store_of
from tests.support.command import Ran
from tests.support.company import staff, user
from tests.support.office import Office, Saved
from tests.support.postgres import TestDatabase

TABLES = ("tenants", "resources", "runs", "operations", "baselines", "contested", "pauses", "used_plans", "meta")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved, Path]]:
    """A tenant with a past: a leaver whose days are counted, a used plan, a pause, and a run that was cut short."""
    with Office(tmp_path_factory.mktemp("stage"), staff(4, 1)) as made:
        made.configure("deprovision", users="deactivate", delete_after_days=30)
        made.configure("safety", max_removals=5)
        file = made.folder / "used.plan"
        made.plan("--out", file)
        assert made.run("apply", file).code == 0
        made.disable(0)
        assert made.apply().code == 0
        made.run("pause", "--reason", "moving house", "--until", "2099-01-01")
        made.ask_ledger(
            "INSERT INTO runs (id, tenant, actor, command, started_at) SELECT 'zz-killed', id, 'root@old', 'apply', "
            "'2026-01-01T00:00:00.000+00:00' FROM tenants"
        )
        made.ask_ledger(
            "INSERT INTO operations (run, resource, action, key, external_id, diff, intended_at, status) "
            "VALUES ('zz-killed', 'user', 'update', ?, 'DUX', '{}', '2026-01-01T00:00:00.000+00:00', 'pending')",
            "\u00e4\u4e2d %s ? '; DROP TABLE runs; --",
        )
        yield made, made.save(), file


@pytest.fixture
def office(stage: tuple[Office, Saved, Path], tmp_path: Path) -> Office:
    office, saved, plan = stage
    shutil.copy(plan, tmp_path)
    return office.restore(saved, tmp_path)


@pytest.fixture
def file(office: Office) -> Path:
    return office.folder / "elsewhere" / "copy.sqlite3"


def use(office: Office, place: Path | str) -> None:
    """Let the configuration name another ledger."""
    where: dict[str, Any] = {"path": str(place), "url": None}
    if isinstance(place, str):
        where = {"path": None, "url": place}
    office.configure("state", **where)


def whole(office: Office) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the ledger that the configuration names, without the numbers of operations and what is a file's."""
    database = store_of(office.load_config()).open_to_read()
    assert database is not None
    with closing(database):
        rows = {table: sorted(map(tuple, database.read(f"SELECT * FROM {table}")), key=repr) for table in TABLES}
    rows["operations"] = [row[1:] for row in sorted(rows["operations"])]
    rows["meta"] = [row for row in rows["meta"] if row[0] != "checked_at"]
    return rows


def copied(office: Office, place: Path | str, *options: str) -> Ran:
    done = office.run("ledger", "copy", str(place), *options)
    assert done.code == 0, done.printed
    return done


def test_from_file_to_server_to_server_to_file_nothing_differs(
    office: Office, file: Path, database: TestDatabase
) -> None:
    database.ask("CREATE SCHEMA other")
    other = f"{database.url}&options=-csearch_path%3Dother"
    before = whole(office)
    assert all(before.values()) or not before["contested"]
    for place in (database.url, other, file):
        done = copied(office, place)
        assert "counts and digests are equal" in done.out
        use(office, place)
        assert whole(office) == before, place


def test_a_moved_ledger_goes_on_where_it_was(office: Office, database: TestDatabase) -> None:
    plans = office.plan().json["changes"]
    copied(office, database.url)
    use(office, database.url)
    assert office.apply().code == 3, "the pause moved along"
    office.run("resume")
    assert office.run("apply", office.folder / "used.plan").code == 3, "a used plan is used there as well"
    assert office.plan().json["changes"] == plans
    office.days_pass(31)
    assert office.plan().actions() == {user(0): "delete"}, "the leaver's days were counted"


def test_a_plan_that_was_sealed_before_can_be_applied_after(office: Office, database: TestDatabase) -> None:
    office.run("resume")
    sealed = office.folder / "sealed.plan"
    office.people.users[office.duo(user(1))]["lastname"] = "Changed"
    office.plan("--out", sealed)
    copied(office, database.url)
    use(office, database.url)
    done = office.run("apply", sealed, "--format", "json")
    assert done.code == 0, done.printed
    assert "seal" not in done.text


def test_a_destination_that_knows_the_tenant_is_refused_and_left_as_it_was(office: Office, file: Path) -> None:
    copied(office, file)
    source = office.config["state"]["path"]
    use(office, file)
    there = whole(office)
    office.configure("state", path=source)
    again = office.run("ledger", "copy", str(file))
    assert again.code == 3
    assert "already" in again.err
    use(office, file)
    assert whole(office) == there


def test_a_copy_onto_itself_is_told_also_where_the_ledger_is_new_or_has_another_name(
    office: Office, database: TestDatabase
) -> None:
    link = office.folder / "link.sqlite3"
    link.symlink_to(office.ledger)
    there = whole(office)
    told = [office.run("ledger", "copy", str(place)) for place in (office.ledger, link)]
    assert whole(office) == there
    use(office, database.url)
    assert office.run("ledger", "upgrade").code == 0
    told.append(office.run("ledger", "copy", f"{database.url}&application_name=another"))
    assert [one.code for one in told] == [3, 3, 3]
    assert all("DESTINATION is the ledger that this configuration names" in one.err for one in told), told
    assert all("former ledger" in one.err for one in told)


def test_one_tenant_moves_alone_and_all_move_together(office: Office, file: Path, database: TestDatabase) -> None:
    office.configure("state", tenant="second")
    assert office.plan().code in (0, 3)
    office.configure("state", tenant="")
    copied(office, file)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM tenants").fetchone() == (1,)
        (ours,) = connection.execute("SELECT id FROM tenants").fetchone()
        keys = [key for (key,) in connection.execute("SELECT key FROM meta WHERE key LIKE '% %'")]
        assert keys
        assert all(ours in key for key in keys)
    before = whole(office)
    done = copied(office, database.url, "--all")
    assert "Copied 2 tenants" in done.out
    use(office, database.url)
    assert whole(office) == before


@pytest.mark.parametrize("end", ["source", "destination"])
def test_while_a_run_is_on_at_either_end_it_is_exit_5_and_nothing_is_copied(
    office: Office, file: Path, database: TestDatabase, end: str
) -> None:
    config = office.load_config()
    if end == "destination":
        use(office, database.url)
        config = office.load_config()
        office.configure("state", path="ledger.sqlite3", url=None)
    with store_of(config).holding(tenant_of(config), 0, datetime.now(UTC)):
        done = office.run_forked("ledger", "copy", database.url)
    assert done.code == 5, done.printed
    assert database.ask("SELECT to_regclass('tenants')") == [(None,)] or not database.ask("SELECT 1 FROM tenants")


def test_killed_in_the_middle_the_destination_has_nothing_of_the_tenant(
    office: Office, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = SqliteDatabase.write

    def die(database: SqliteDatabase, statements: Sequence[Statement]) -> list[list[Any]]:
        if len(statements) < 5:
            return write(database, statements)
        return write(database, [*statements, Statement("INSERT INTO no_such_table (a) VALUES (?)", [(1,)])])

    monkeypatch.setattr(SqliteDatabase, "write", die)
    failed = office.run("ledger", "copy", str(file))
    assert failed.code == 1, failed.printed
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM tenants").fetchone() == (0,)
    monkeypatch.undo()
    copied(office, file)


def test_a_copy_that_is_not_equal_is_told(office: Office, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = SqliteDatabase.write

    def lose_a_row(database: SqliteDatabase, statements: Sequence[Statement]) -> list[list[Any]]:
        if str(database.path) != str(file):
            return write(database, statements)
        return write(
            database, [Statement(one.sql, one.rows[:-1] if len(one.rows) > 3 else one.rows) for one in statements]
        )

    monkeypatch.setattr(SqliteDatabase, "write", lose_a_row)
    failed = office.run("ledger", "copy", str(file))
    assert failed.code == 1
    assert re.search(r"is not equal: its table \w+ differs", failed.err)


@pytest.mark.parametrize(
    ("destination", "says"),
    [
        ("postgresql://me:pass-word-1@db.example.com/x", "list of processes"),
        ("postgresql:///x?user=me&password=pass-word-1", "list of processes"),
        ("postgresql://[pass-word-1", "no URL"),
        ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE"),
        ("env:", "is not set"),
        ("env:SECRET_PLACE", "no URL"),
        ("mysql+driver://me:pass-word-1@db.example.com/x", "another kind"),
        (" ", "empty"),
    ],
)
def test_a_destination_that_is_no_use_is_a_sentence_without_the_password(
    office: Office, monkeypatch: pytest.MonkeyPatch, destination: str, says: str
) -> None:
    monkeypatch.setenv("SECRET_PLACE", "mysql://me:pass-word-1@host/x")
    done = office.run("ledger", "copy", destination)
    assert done.code == 64, done.printed
    assert says in done.err
    assert "pass-word" not in done.text


def test_the_url_may_be_kept_in_an_environment_variable_and_is_shown_nowhere(
    office: Office, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW_LEDGER", f"{database.url}&password=pass-word-1")
    done = office.run("ledger", "copy", "env:NEW_LEDGER", "--log-level", "debug")
    assert done.code == 0, done.printed
    monkeypatch.setenv("NEW_LEDGER", "postgresql://me:pass-word-1@127.0.0.1:1/x")
    failed = office.run("ledger", "copy", "env:NEW_LEDGER", "--log-level", "debug")
    assert failed.code == 1
    assert "pass-word" not in done.text + failed.text


def test_a_ledger_that_is_not_there_or_knows_nothing_of_the_tenant_is_told(office: Office, file: Path) -> None:
    office.configure("state", tenant="another")
    done = office.run("ledger", "copy", str(file))
    assert (done.code, "has nothing of the tenant another" in done.err) == (64, True)
    use(office, office.folder / "none.sqlite3")
    done = office.run("ledger", "copy", str(file))
    assert (done.code, "no ledger at" in done.err) == (64, True)
    assert not file.exists()
