"""A ledger in PostgreSQL: who makes its tables, which versions share it, what a role needs, what a failure means."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import psycopg
import pytest
from pydantic import SecretStr

from ninjasync.errors import LedgerError, LedgerLostError, LedgerNotWritableError
from ninjasync.model.tenant import Tenant
from ninjasync.state import schema
from ninjasync.state.ledger import Ledger
from ninjasync.state.postgres import PostgresStore
from ninjasync.state.postgres_address import read_address
from ninjasync.state.run_log import Conclusion, Intent, OwnershipChange
from tests.support.postgres import TestDatabase, empty_database
from tests.support.private_server import PrivateServer

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
TENANT = Tenant("https://ninja.example/scim", "api-1.duosecurity.com", "")


@pytest.fixture
def ledger(database: TestDatabase) -> Iterator[Ledger]:
    with closing(Ledger.open(database.store, TENANT, AT)) as made:
        made.run_log.begin("me", "apply", AT, "run")
        yield made


def intend(ledger: Ledger, key: str = "k") -> int:
    return ledger.run_log.intend(Intent("run", "user", "update", key, "DU1", "n1", "{}", AT))


def shape(database: TestDatabase) -> list[tuple[object, ...]]:
    """Every column of every table."""
    return database.ask(
        "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name "
        "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position"
    )


# --- tables and versions ---------------------------------------------------------------------


def test_the_first_run_makes_the_tables_and_of_six_at_once_each_gets_on(database: TestDatabase) -> None:
    assert database.store.open_to_read() is None

    def open_once(number: int) -> int:
        tenant = Tenant("https://n.example/scim", "d.example", str(number))
        with closing(Ledger.open(database.store, tenant, AT)) as one:
            return len(one.tenants())

    with ThreadPoolExecutor(6) as pool:
        counts = list(pool.map(open_once, range(6)))

    assert max(counts) == 6
    assert dict(database.ask("SELECT key, value FROM meta")) == {"schema_version": str(schema.SCHEMA_VERSION)}
    text = [name for _, _, kind, _, _, name in shape(database) if kind == "text"]
    assert set(text) == {"C"}, "sorted by bytes, as in SQLite"


def make_older(database: TestDatabase) -> None:
    """Take away what version 3 added."""
    database.ask("ALTER TABLE runs DROP COLUMN seen_at")
    database.ask("DROP TABLE pauses")
    database.ask("UPDATE meta SET value = '2' WHERE key = 'schema_version'")


def test_an_older_ledger_is_brought_up_to_date_while_others_journal(database: TestDatabase, ledger: Ledger) -> None:
    new = shape(database)
    make_older(database)

    with ThreadPoolExecutor(3) as pool:
        journaled = [pool.submit(intend, ledger, f"k{number}") for number in range(200)]
        opened = pool.submit(database.store.open, AT).result()
        numbers = [one.result() for one in journaled]

    opened.close()
    assert len(set(numbers)) == 200
    assert shape(database) == new
    assert opened.version == schema.SCHEMA_VERSION


@pytest.mark.parametrize("oldest", [schema.SCHEMA_VERSION, schema.SCHEMA_VERSION + 1])
def test_a_newer_ledger_is_shared_where_it_only_adds_and_else_refused(
    database: TestDatabase, ledger: Ledger, oldest: int
) -> None:
    database.ask("UPDATE meta SET value = ? WHERE key = 'schema_version'", str(schema.SCHEMA_VERSION + 1))
    database.ask("INSERT INTO meta VALUES ('oldest_writer', ?)", str(oldest))
    database.ask("ALTER TABLE resources ADD COLUMN of_tomorrow text DEFAULT 'kept'")
    if oldest > schema.SCHEMA_VERSION:
        for opening in (lambda: database.store.open(AT), database.store.open_to_read):
            with pytest.raises(LedgerError, match="newer ninjasync") as caught:
                opening()
            assert caught.value.hint == "Upgrade ninjasync on this machine."
        return
    with closing(Ledger.open(database.store, TENANT, AT)) as one:
        one.record("user", [("DU1", "n1", "a@example.com")], AT)
    assert database.ask("SELECT of_tomorrow FROM resources") == [("kept",)]


def test_another_programs_table_is_no_ledger(database: TestDatabase) -> None:
    database.ask("CREATE TABLE meta (key text, value text)")
    with pytest.raises(LedgerError, match="not that of a ledger"):
        database.store.open(AT)
    database.ask("ALTER TABLE meta RENAME COLUMN value TO content")
    with pytest.raises(LedgerError, match="has not the tables"):
        database.store.open(AT)


def test_a_database_that_cannot_hold_every_name_is_refused(postgres: PrivateServer) -> None:
    with (
        empty_database(postgres, "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0") as made,
        pytest.raises(LedgerError, match="encoding LATIN1"),
    ):
        made.store.open(AT)


# --- roles -----------------------------------------------------------------------------------


def test_the_everyday_role_needs_what_upgrade_prints_and_may_do_no_more(database: TestDatabase) -> None:
    role = database.add_role("everyday")
    with pytest.raises(LedgerError, match="which this role may not make") as caught:
        database.store_as(role).open(AT)
    assert "ninjasync ledger upgrade" in caught.value.hint
    assert not isinstance(caught.value, LedgerNotWritableError), "a plan ends with it, too"

    with closing(database.store.open(AT)) as owned:
        lines = owned.grants()
    with pytest.raises(LedgerNotWritableError, match="permission denied") as without:
        database.store_as(role).open(AT)
    assert "ninjasync ledger upgrade" in str(without.value.hint)
    for line in lines:
        database.ask(line.replace("TO ninjasync;", f"TO {role};"))

    with Ledger.holding(database.store_as(role), TENANT, 0, AT) as ledger:
        ledger.run_log.begin("me", "apply", AT, "run")
        with ledger.database.watch("run", lambda error: pytest.fail(str(error))):
            number = intend(ledger)
            ledger.run_log.conclude(Conclusion(number, "applied", "", AT, OwnershipChange("user", "DU1", "n1", "a")))
        ledger.forget(["n1"])
        ledger.run_log.prune(0, AT)
    for denied in (
        "CREATE TABLE mine (a int)",
        "DROP TABLE runs",
        "TRUNCATE runs",
        "ALTER TABLE runs ADD COLUMN a int",
    ):
        with (
            closing(psycopg.connect(database.url_as(role), autocommit=True)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(denied.encode())


def test_a_role_that_may_not_upgrade_an_older_ledger_names_the_command(database: TestDatabase, ledger: Ledger) -> None:
    role = database.add_role("everyday")
    for line in ledger.database.grants():
        database.ask(line.replace("TO ninjasync;", f"TO {role};"))
    make_older(database)
    with pytest.raises(LedgerError) as caught:
        database.store_as(role).open(AT)
    assert "ninjasync ledger upgrade" in caught.value.hint


def test_a_right_that_is_missing_on_one_table_is_named_before_anything_is_written(
    database: TestDatabase, ledger: Ledger
) -> None:
    role = database.add_role("partial")
    database.ask(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    database.ask(f"REVOKE DELETE ON operations FROM {role}")
    with pytest.raises(LedgerNotWritableError, match=f"{role} may not .* not operations"):
        database.store_as(role).open(AT)


def test_a_server_that_takes_no_writes_is_read_and_not_written(database: TestDatabase, ledger: Ledger) -> None:
    ledger.record("user", [("DU1", "n1", "a@example.com")], AT)
    database.ask(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    with pytest.raises(LedgerNotWritableError, match="can only be read"):
        database.store.open(AT)
    read = Ledger.open_to_read(database.store, TENANT)
    assert read is not None
    with closing(read):
        assert list(read.owned("user")) == ["DU1"]
        with pytest.raises(LedgerNotWritableError):
            read.run_log.begin("me", "apply", AT, "another")


# --- what holds for our session --------------------------------------------------------------


def test_a_session_has_its_own_settings_whatever_the_server_says(database: TestDatabase) -> None:
    for setting in (
        "synchronous_commit = off",
        "idle_session_timeout = '50ms'",
        "statement_timeout = '60ms'",
        "lock_timeout = 0",
    ):
        database.ask(f"ALTER DATABASE {database.name} SET {setting}")
    with closing(database.store.open(AT)) as opened:
        names = ("synchronous_commit", "idle_session_timeout", "statement_timeout", "lock_timeout")
        assert [opened.read(f"SHOW {name}")[0][0] for name in names] == ["on", "0", "0", "30s"]
    database.ask(f"ALTER DATABASE {database.name} SET synchronous_commit = remote_apply")
    with closing(database.store.open(AT)) as opened:
        assert opened.read("SHOW synchronous_commit") == [("remote_apply",)], "what is stricter stays"


# --- failures --------------------------------------------------------------------------------


def test_a_name_beyond_an_indexs_limit_hurts_that_record_alone(ledger: Ledger) -> None:
    first, second = intend(ledger, "first"), intend(ledger, "second")
    name = "".join(chr(0x4E00 + number * 7 % 20_000) for number in range(4000))
    ledger.run_log.conclude(Conclusion(first, "failed", "taken", AT, None, ("user", name)))
    ledger.run_log.conclude(Conclusion(second, "failed", "taken", AT, None, ("user", "short")))
    ledger.flush()
    assert [(one.key, one.status) for one in ledger.run_log.operations("run")] == [
        ("first", "pending"),
        ("second", "failed"),
    ]
    assert ledger.memory.contested(AT) == {("user", "short")}


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", LedgerNotWritableError),  # disk full
        ("25006", LedgerNotWritableError),  # read-only
        ("42501", LedgerNotWritableError),  # no right
        ("55P03", LedgerNotWritableError),  # locked
        ("57P01", LedgerLostError),  # the server shuts down
        ("08006", LedgerLostError),
    ],
)
def test_a_failure_is_known_by_its_code_and_ends_the_run(
    database: TestDatabase, ledger: Ledger, state: str, kind: type[LedgerError]
) -> None:
    fail_with(database, state)
    with pytest.raises(LedgerError) as caught:
        intend(ledger)
    assert type(caught.value) is kind
    assert "so ist es" in caught.value.message
    assert database.name in caught.value.message


def fail_with(database: TestDatabase, state: str) -> None:
    """Let every new row of the journal fail with that code, in a language of the server's own."""
    database.ask(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'so ist es' USING ERRCODE = '{state}'; END $$"
    )
    database.ask("CREATE TRIGGER failing BEFORE INSERT ON operations EXECUTE FUNCTION fail()")


def test_of_a_batch_that_fails_nothing_is_kept_and_the_connection_stays_good(
    database: TestDatabase, ledger: Ledger
) -> None:
    fail_with(database, "22000")
    with pytest.raises(LedgerError, match="did not take a row"):
        intend(ledger)
    database.ask("DROP TRIGGER failing ON operations")
    assert intend(ledger) > 0
    assert database.ask("SELECT count(*) FROM operations") == [(1,)]


def test_a_server_that_is_not_there_is_told_without_the_password(database: TestDatabase) -> None:
    url = database.url.replace("postgresql://", "postgresql://owner:s3cr%40t-word@").replace("&user=owner", "")
    gone = type(database)(database.server, "no_such_database")
    with pytest.raises(LedgerNotWritableError) as caught:
        gone.store.open(AT)
    assert "no_such_database" in caught.value.message

    store = PostgresStore(read_address(SecretStr(url.replace(database.name, "no_such_database"))))
    with pytest.raises(LedgerNotWritableError) as caught:
        store.open(AT)
    assert "s3cr" not in f"{caught.value.message} {caught.value.hint} {store.place} {vars(store)}"
