"""Ledgers of many tenants, read one after the other: one connection for all in one database, and whatever is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ninjasync.config.fleet import TenantFile
from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import NinjasyncError
from ninjasync.fleet.ledgers import Read, open_ledgers
from ninjasync.fleet.status import read_status
from ninjasync.fleet.tenants import sort_longest_first
from ninjasync.model.fleet import FleetRow
from ninjasync.model.history import Run
from ninjasync.model.pause import Pause
from ninjasync.state.ledger import Ledger
from ninjasync.state.run_log import Intent
from ninjasync.state.schema import SCHEMA_VERSION
from ninjasync.state.store import store_of
from tests.support.postgres import TestDatabase
from tests.support.queued_fleet import until

AT = datetime(2026, 11, 2, 3, 4, tzinfo=UTC)
NAMES = ("alpha", "bravo", "charlie")


def write_tenant(folder: Path, name: str, state: str) -> TenantFile:
    path = folder / f"{name}.toml"
    path.write_text(
        f'[duo]\napi_hostname = "api-{name}.duosecurity.com"\nintegration_key = "DI{name:0>18}"\n'
        f'secret_key = "{name:0>40}"\n[ninjaone]\nendpoint_url = "https://{name}.example.com/scim"\n'
        f'secret_token = "{name:0>40}"\n[scope]\ngroups = ["Staff"]\n[state]\n{state}\n',
        "utf-8",
    )
    path.chmod(0o600)
    return TenantFile(name, path, load(path))


def remember(tenant: TenantFile, seconds: int = 9) -> None:
    """Put one apply that went well into a tenant's ledger."""
    config = tenant.config
    assert config is not None
    with closing(Ledger.open(store_of(config), tenant_of(config), AT)) as ledger:
        run = ledger.run_log.begin("kim@office", "apply", AT)
        ledger.run_log.finish(run, 0, {"applied": 3, "held": 1}, AT + timedelta(seconds=seconds))


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was connected to, in this order."""
    made: list[str] = []
    connect = psycopg.connect

    def counting(conninfo: str, **more: Any) -> psycopg.Connection[Any]:
        if "ninjasync" in conninfo:  # and not the test's own
            made.append(conninfo)
        return connect(conninfo, **more)

    monkeypatch.setattr("ninjasync.state.postgres.psycopg.connect", counting)
    return made


def shared(folder: Path, url: str) -> list[TenantFile]:
    return [write_tenant(folder, name, f'url = "{url}"') for name in NAMES]


def test_tenants_in_one_database_are_read_over_one_connection(
    database: TestDatabase, tmp_path: Path, connects: list[str]
) -> None:
    tenants = shared(tmp_path, database.url)
    for seconds, tenant in enumerate(tenants[:2]):
        remember(tenant, seconds)
    connects.clear()
    rows = {row.tenant: row for row in read_status(tenants, AT).rows}
    assert {name: row.outcome for name, row in rows.items()} == {
        "alpha": "done", "bravo": "done", "charlie": "not begun"
    }  # fmt: skip
    assert (rows["bravo"].applied, rows["bravo"].held, rows["bravo"].seconds) == (3, 1, 1)
    assert len(connects) == 1
    assert [tenant.name for tenant in sort_longest_first(tenants)] == ["bravo", "alpha", "charlie"]
    assert len(connects) == 2
    until(lambda: database.count_connections() == 0)


def find_last(read: Read, config: Config) -> Run | None:
    with read(config) as ledger:
        assert ledger is not None
        return ledger.run_log.last_apply()


def test_a_connection_that_is_lost_costs_one_tenant_alone(
    database: TestDatabase, tmp_path: Path, connects: list[str]
) -> None:
    tenants = shared(tmp_path, database.url)
    for tenant in tenants:
        remember(tenant)
    connects.clear()
    configs = [tenant.config for tenant in tenants if tenant.config]
    with open_ledgers() as read:
        assert find_last(read, configs[0])
        database.end_connections()
        with pytest.raises(NinjasyncError):
            find_last(read, configs[1])
        assert find_last(read, configs[2])
    assert len(connects) == 2


def test_tenants_in_folders_of_their_own_share_the_connection_of_one_database(
    database: TestDatabase, tmp_path: Path, connects: list[str]
) -> None:
    (tmp_path / "url.secret").write_text(database.url)
    (tmp_path / "url.secret").chmod(0o600)
    for state in (f'url = "{database.url}"', 'url = { file = "../url.secret" }'):
        for name in NAMES:
            (tmp_path / name).mkdir(exist_ok=True)
        tenants = [write_tenant(tmp_path / name, name, state) for name in NAMES]
        remember(tenants[0])
        connects.clear()
        assert [row.outcome for row in read_status(tenants, AT).rows] == ["not begun", "not begun", "done"]
        assert len(connects) == 1


def test_of_tenants_with_a_database_each_one_connection_alone_is_open(database: TestDatabase, tmp_path: Path) -> None:
    tenants = [
        write_tenant(tmp_path, name, f'url = "{database.url}&connect_timeout={number}"')
        for number, name in enumerate(NAMES, 5)
    ]
    with open_ledgers() as read:
        for tenant in tenants:
            remember(tenant)
            assert tenant.config is not None
            assert find_last(read, tenant.config)
        until(lambda: database.count_connections() == 1)


def test_a_server_that_is_out_of_reach_is_asked_once_and_told_of_each_tenant(
    tmp_path: Path, connects: list[str]
) -> None:
    result = read_status(shared(tmp_path, f"postgresql:///gone?host={tmp_path}&user=kim"), AT)
    assert [row.outcome for row in result.rows] == ["failed"] * 3
    assert all("cannot be reached" in row.error for row in result.rows)
    assert result.exit_code == 1
    assert len(connects) == 1


def of_file(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as ledger:
        for one in statements:
            ledger.execute(one)
        ledger.commit()


def become_older(path: Path) -> None:
    of_file(path, "UPDATE meta SET value = '2' WHERE key = 'schema_version'", "ALTER TABLE runs DROP COLUMN seen_at")


def become_newer(path: Path) -> None:
    newer = SCHEMA_VERSION + 1
    of_file(
        path,
        f"UPDATE meta SET value = '{newer}' WHERE key = 'schema_version'",
        f"INSERT INTO meta VALUES ('oldest_writer', '{newer}')",
    )


def become_unreadable_in_part(path: Path) -> None:
    of_file(path, "UPDATE runs SET started_at = 'yesterday'")


def lose_a_table(path: Path) -> None:
    of_file(path, "DROP TABLE operations")


def become_empty(path: Path) -> None:
    path.write_bytes(b"")


def become_something_else(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


@pytest.mark.parametrize(
    ("harm", "outcome", "said"),
    [
        (Path.unlink, "not begun", "There is no ledger yet."),
        (become_older, "done", ""),
        (become_newer, "failed", "is of a newer ninjasync"),
        (become_unreadable_in_part, "failed", "is damaged"),
        (lose_a_table, "failed", "is damaged"),
        (become_empty, "failed", "is damaged: it is empty"),
        (become_something_else, "failed", "is damaged"),
    ],
)
def test_whatever_a_ledger_is_like_it_is_told_in_its_row(
    tmp_path: Path, harm: Callable[[Path], object], outcome: str, said: str
) -> None:
    tenants = [write_tenant(tmp_path, name, f'path = "{name}.sqlite"') for name in NAMES]
    for tenant in tenants:
        remember(tenant)
    harm(tmp_path / "bravo.sqlite")
    rows = {row.tenant: row for row in read_status(tenants, AT).rows}
    assert (rows["bravo"].outcome, rows["alpha"].outcome, rows["charlie"].outcome) == (outcome, "done", "done")
    assert said in rows["bravo"].error


def read_one(tenant: TenantFile) -> FleetRow:
    [row] = read_status([tenant], AT).rows
    return row


def test_a_url_that_cannot_be_had_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    row = read_one(write_tenant(tmp_path, "alpha", 'url = { env = "NOT_SET_ANYWHERE" }'))
    assert (row.outcome, row.exit_code) == ("configuration", 78)
    assert "NOT_SET_ANYWHERE" in row.error


def test_a_tenant_that_was_renamed_is_told_whose_entries_there_are(tmp_path: Path) -> None:
    before = write_tenant(tmp_path, "alpha", 'path = "alpha.sqlite"')
    remember(before)
    assert before.config is not None
    row = f"'{tenant_of(before.config).id}', 'user', 'DU1', '1', 'kim@example.com', '{AT.isoformat()}'"
    of_file(
        tmp_path / "alpha.sqlite",
        f"INSERT INTO resources (tenant, resource, external_id, id, name, since) VALUES ({row})",
    )
    renamed = write_tenant(tmp_path, "alpha", 'path = "alpha.sqlite"\ntenant = "alpha-ltd"')
    after = read_one(renamed)
    assert after.outcome == "not begun"
    assert f'ninjasync ledger rename-tenant "" --config {renamed.path}' in after.error


def test_of_many_tenants_in_one_ledger_those_are_looked_at_that_it_may_have_been(tmp_path: Path) -> None:
    """A look at each for each took a minute of 1,000."""
    tenants = [write_tenant(tmp_path, name, 'path = "shared.sqlite"') for name in NAMES]
    for tenant in tenants:
        remember(tenant)
    assert tenants[0].config is not None
    with open_ledgers() as read, read(tenants[0].config) as ledger:
        assert ledger is not None
        assert len(ledger.tenants()) == 3
        assert [one.tenant for one in ledger.neighbours()] == [tenant_of(tenants[0].config)]


def test_what_was_left_unknown_is_counted_and_a_pause_told(tmp_path: Path) -> None:
    tenant = write_tenant(tmp_path, "alpha", 'path = "alpha.sqlite"')
    remember(tenant)
    assert tenant.config is not None
    with closing(Ledger.open(store_of(tenant.config), tenant_of(tenant.config), AT)) as ledger:
        run = ledger.run_log.begin("kim@office", "apply", AT + timedelta(hours=1))
        for number in range(2):
            ledger.run_log.intend(Intent(run, "user", "create", f"user{number}", f"DU{number}", None, "{}", AT))
        ledger.memory.set_pause(Pause(AT, None, "kim@office", "they move"))
    row = read_one(tenant)
    assert (row.outcome, row.pending, row.paused) == ("killed", 2, True)
    assert "they move" in row.error
