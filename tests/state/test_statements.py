"""What the ledger tells its database: only what differs, in text that every database can keep, from rows in memory."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ninjasync.errors import LedgerError
from ninjasync.model.directory import Resource
from ninjasync.model.ownership import Owned
from ninjasync.model.tenant import Tenant
from ninjasync.state.database import Statement, storable
from ninjasync.state.ledger import Ledger
from ninjasync.state.run_log import Conclusion, Intent, OwnershipChange
from ninjasync.state.sqlite import SqliteStore
from tests.support.postgres import Place

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
TENANT = Tenant("https://ninja.example/scim", "api-1.duosecurity.com", "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(place: Place) -> Iterator[Ledger]:
    with closing(Ledger.open(place.store, TENANT, AT)) as made:
        made.run_log.begin("me", "apply", AT, "run")
        yield made


@pytest.fixture
def written(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """Every statement that is carried out from now on, with its rows."""
    done: list[Statement] = []
    write = ledger.database.write

    def listen(statements: Sequence[Statement]) -> list[list[Any]]:
        done.extend(statements)
        return write(statements)

    monkeypatch.setattr(ledger.database, "write", listen)
    return done


def rows_of(statements: list[Statement], table: str) -> int:
    return sum(len(one.rows) for one in statements if f"INTO {table} " in " ".join(one.sql.split()))


# --- what differs ----------------------------------------------------------------------------


def test_recording_the_same_again_writes_no_row(ledger: Ledger, written: list[Statement]) -> None:
    ours = [(f"DU-{number}", f"n-{number}", f"user{number}@example.com") for number in range(50)]
    ledger.record("user", ours, AT)
    assert rows_of(written, "resources") == 50

    written.clear()
    ledger.record("user", ours, AT)
    assert rows_of(written, "resources") == 0

    ours[7] = ("DU-7", "n-7", "renamed@example.com")
    ledger.record("user", [*ours, ("DU-new", "n-new", "new@example.com")], AT)
    assert rows_of(written, "resources") == 2
    assert ledger.owned("user")["DU-7"].name == "renamed@example.com"


def test_a_ledger_is_known_from_the_first_record_on_even_of_nothing(ledger: Ledger) -> None:
    assert not ledger.ownership(AT).known
    ledger.record("user", [], AT)
    assert ledger.ownership(AT).known


# --- text that any database can keep ---------------------------------------------------------


@given(st.text(st.characters(codec=None, categories=None)))
def test_whatever_the_text_it_can_be_stored_and_is_as_it_was_where_nothing_had_to_be_escaped(text: str) -> None:
    kept = storable(text)
    assert kept.encode("utf-8").decode("utf-8") == kept
    assert "\0" not in kept
    assert storable(kept) == kept
    if "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert kept == text


@pytest.mark.parametrize("name", ["nul\0in@example.com", "half\ud83d@example.com", "\udfff", "plain \U0001f600 name"])
def test_a_hostile_name_hurts_nothing_that_is_journaled_with_it(ledger: Ledger, name: str) -> None:
    ledger.record("user", [("DU-1", "n-1", name), ("DU-2", "n-2", "two@example.com")], AT)
    number = ledger.run_log.intend(Intent("run", "user", "update", name, "DU-1", "n-1", "{}", AT))
    owned = OwnershipChange("user", "DU-1", "n-1", name, applied={"title": name})
    ledger.run_log.conclude(Conclusion(number, "failed", f"refused {name}", AT, owned, ("user", name)))

    (operation,) = ledger.run_log.operations("run")
    assert (operation.key, operation.error) == (storable(name), f"refused {storable(name)}")
    assert ledger.owned("user")["DU-2"].name == "two@example.com"
    assert ledger.owned("user")["DU-1"].applied == {"title": name}, "JSON keeps it as it is"
    assert len(ledger.memory.contested(AT)) == 1


# --- rows in memory --------------------------------------------------------------------------


def test_a_run_reads_each_kind_of_row_once_however_much_it_writes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.record("user", [(f"DU-{number}", f"n-{number}", f"u{number}") for number in range(20)], AT)
    ledger.ownership(AT)
    asked: list[str] = []
    for name in ("read", "rows"):
        monkeypatch.setattr(ledger.database, name, lambda query, *_: asked.append(query))
    for number in range(20):
        intent = Intent("run", "user", "update", f"u{number}", f"DU-{number}", f"n-{number}", "{}", AT)
        made = ledger.run_log.intend(intent)
        owned = OwnershipChange("user", f"DU-{number}", f"n-{number}", f"u{number}", applied={"title": "x"})
        ledger.run_log.conclude(Conclusion(made, "applied", "", AT, owned))
    ledger.flush()
    assert asked == []


def random_change(rng: Random) -> OwnershipChange:
    resource: Resource = rng.choice(("user", "group"))
    duo_id, id_ = f"DU-{rng.randrange(6)}", f"{resource[0]}-{rng.randrange(8)}"
    if rng.random() < 0.15:
        return OwnershipChange(resource, duo_id, gone=True)
    people = tuple(f"DU-{number}" for number in range(6))
    return OwnershipChange(
        resource,
        duo_id,
        id_,
        f"name {rng.randrange(100)}",
        applied={path: str(rng.randrange(3)) for path in rng.sample(("title", "active", "nickName"), rng.randrange(3))},
        shown={path: rng.choice((None, "other")) for path in rng.sample(("title", "nickName"), rng.randrange(2))},
        added=tuple(rng.sample(people, rng.randrange(3))) if resource == "group" else (),
        removed=tuple(rng.sample(people, rng.randrange(2))) if resource == "group" else (),
        deactivated=resource == "user" and rng.random() < 0.2,
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_kept_in_memory_is_what_the_database_has(seed: int, place: Place) -> None:
    rng = Random(seed)
    tenant = replace(TENANT, name=uuid.uuid4().hex)
    with closing(Ledger.open(place.store, tenant, AT)) as ledger:
        run = ledger.run_log.begin("me", "apply", AT, tenant.name)
        for _ in range(rng.randrange(1, 25)):
            match rng.randrange(8):
                case 0:
                    ledger.record("user", [(f"DU-{rng.randrange(6)}", f"u-{rng.randrange(8)}", "found")], AT)
                case 1:
                    ledger.start_clocks([f"DU-{rng.randrange(6)}"], AT)
                case 2:
                    ledger.stop_clocks([f"DU-{rng.randrange(6)}"])
                case 3 if rng.random() < 0.3:
                    ledger.forget([f"u-{rng.randrange(8)}"])
                case _:
                    change = random_change(rng)
                    intent = Intent(run, change.resource, "update", "k", change.external_id, change.id, "{}", AT)
                    number = ledger.run_log.intend(intent)
                    ledger.run_log.conclude(Conclusion(number, "applied", "", AT, change))
            if rng.random() < 0.2:
                ledger.flush()
        ledger.flush()
        kinds: tuple[Resource, ...] = ("user", "group")
        for kind in kinds:
            remembered = {duo_id: fields(owned) for duo_id, owned in ledger._rows_of(kind).items()}
            with closing(Ledger.open(place.store, tenant, AT)) as other:
                assert remembered == {duo_id: fields(owned) for duo_id, owned in other.owned(kind).items()}


def fields(owned: Owned) -> tuple[object, ...]:
    rest = (owned.members, owned.deleted)
    return owned.id, owned.name, owned.deactivated_at, dict(owned.applied), dict(owned.shown), *rest


# --- looking the whole file through ----------------------------------------------------------


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every look through a whole file from now on."""
    made: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(lambda sql: made.append(sql) if "quick_check" in sql else None)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return made


def test_the_whole_file_is_checked_once_a_day_and_not_at_each_opening(path: Path, checks: list[str]) -> None:
    for hours, looks in ((0, 1), (1, 1), (23, 1), (25, 2), (26, 2), (49, 3)):
        Ledger.open(SqliteStore(path), TENANT, AT + timedelta(hours=hours)).close()
        assert len(checks) == looks, hours


def test_after_a_run_that_was_cut_short_a_reader_checks_the_whole_file_too(path: Path, checks: list[str]) -> None:
    with closing(Ledger.open(SqliteStore(path), TENANT, AT)) as ledger:
        ledger.run_log.begin("me", "apply", AT, "run")
    reader = Ledger.open_to_read(SqliteStore(path), TENANT)
    assert reader is not None
    reader.close()
    with closing(Ledger.open(SqliteStore(path), TENANT, AT)) as ledger:
        ledger.run_log.finish("run", None, {}, AT)
    assert len(checks) == 3
    Ledger.open(SqliteStore(path), TENANT, AT).close()
    assert len(checks) == 3


def test_a_damaged_page_is_found_by_the_next_days_check(path: Path) -> None:
    with closing(Ledger.open(SqliteStore(path), TENANT, AT)) as ledger:
        ledger.record("user", [(f"DU-{number}", f"n-{number}", "x" * 500) for number in range(200)], AT)
    data = path.read_bytes()
    path.write_bytes(data[:-4096] + b"\xff" * 4096)

    with pytest.raises(LedgerError, match="damaged"):
        Ledger.open(SqliteStore(path), TENANT, AT + timedelta(days=2))
