"""One ledger, two tenants: whatever one is told to do, by whatever names, the other's rows stay as they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ninjasync.errors import LedgerError
from ninjasync.model.ownership import Baseline
from ninjasync.model.pause import Pause
from ninjasync.model.tenant import Tenant
from ninjasync.state import ledger as ledger_module
from ninjasync.state import memory, run_log, schema
from ninjasync.state.database import Statement
from ninjasync.state.ledger import Ledger
from ninjasync.state.run_log import Conclusion, Intent, OwnershipChange
from tests.support.postgres import Place

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
OTHER = Tenant("https://ninja.example/scim", "api-2.duosecurity.com", "other")
# Its name, and all that it is told, would end a statement that were put together of texts.
HOSTILE = "'); DELETE FROM resources; DELETE FROM runs; UPDATE operations SET status = 'x'; --"
MINE = Tenant("https://ninja.example/scim", "api-1.duosecurity.com", HOSTILE)


def fill(ledger: Ledger, name: str) -> int:
    """Do all that a tenant's ledger may be told to keep; return the number of a write that is left open."""
    ledger.run_log.begin(name, f"apply {name}", AT, f"run of {ledger.tenant.id}")
    run = f"run of {ledger.tenant.id}"
    ledger.record("user", [("DU1", "n1", name), ("DU2", "n2", "two"), ("DU3", "n3", "three")], AT)
    ledger.record("group", [("DG1", "g1", name)], AT)
    ledger.start_clocks(["DU2"], AT)
    done = ledger.run_log.intend(Intent(run, "user", "update", name, "DU1", "n1", "{}", AT))
    owned = OwnershipChange("user", "DU1", "n1", name, applied={"title": name}, deactivated=True)
    ledger.run_log.conclude(Conclusion(done, "applied", name, AT, owned, ("user", name)))
    members = OwnershipChange("group", "DG1", "g1", name, added=("DU1", "DU3"))
    of_group = ledger.run_log.intend(Intent(run, "group", "update", name, "DG1", "g1", "{}", AT))
    ledger.run_log.conclude(Conclusion(of_group, "applied", "", AT, members))
    ledger.memory.set_baseline(Baseline(AT, 3, name, {"DG1": name}))
    ledger.memory.set_pause(Pause(AT, None, name, name))
    ledger.memory.learn_that_members_are_shown()
    ledger.memory.learn_that_members_are_hidden()
    ledger.memory.first_time(name)
    ledger.memory.replace_held([name])
    ledger.memory.use_plan(f"digest of {ledger.tenant.id}", run, AT)
    return ledger.run_log.intend(Intent(run, "user", "create", "open", "DU9", None, "{}", AT))


def change_all(mine: Ledger, their_number: int) -> None:
    """Ask and change all that there is, with what is the other's where an id has to be given."""
    theirs = f"run of {OTHER.id}"
    mine.ownership(AT)
    mine.stop_clocks(["DU1", "DU2"])
    assert mine.run_log.operations(theirs) == []
    mine.run_log.operations_on("user")
    mine.run_log.runs()
    mine.run_log.last_apply()
    mine.run_log.last_seen()
    mine.run_log.repeated()
    mine.run_log.unfinished()
    assert mine.run_log.last_errors("", "user", "DU1", HOSTILE) == [HOSTILE]
    mine.run_log.finish(theirs, 99, {}, AT)
    mine.run_log.note(HOSTILE, HOSTILE, AT)
    mine.run_log.conclude(Conclusion(their_number, "failed", HOSTILE, AT))
    with pytest.raises(LedgerError):
        mine.run_log.intend(Intent(theirs, "user", "create", "k", "DU1", None, "{}", AT))
    rekeyed = OwnershipChange("user", "DU8", "n3", HOSTILE)
    number = mine.run_log.intend(Intent(f"run of {MINE.id}", "user", "adopt", HOSTILE, "DU8", "n3", "{}", AT))
    mine.run_log.conclude(Conclusion(number, "applied", "", AT, rekeyed))
    gone = OwnershipChange("user", "DU2", gone=True)
    number = mine.run_log.intend(Intent(f"run of {MINE.id}", "user", "delete", HOSTILE, "DU2", "n2", "{}", AT))
    mine.run_log.conclude(Conclusion(number, "applied", "", AT, gone))
    mine.forget(["n1", "n2", "n3", "g1"])
    mine.memory.baseline()
    mine.memory.pause()
    mine.memory.pauses()
    mine.memory.redaction_key()
    mine.memory.seal_key()
    mine.memory.uncontest([("user", HOSTILE)])
    mine.memory.plan_used_by(HOSTILE)
    assert mine.memory.replace_held([]) == frozenset({HOSTILE})
    mine.memory.end_pause()
    mine.run_log.prune(0, AT + timedelta(days=1))
    former = Tenant(MINE.endpoint_url, MINE.api_hostname, "former")
    Ledger._begun(mine.database, former, AT)
    mine.take_over(former.id)
    assert mine.ownership(AT).users == {}
    assert {one.tenant.name for one in mine.neighbours()} <= {one.tenant.name for one in mine.tenants()}
    assert mine.run_log.count_unknown() == 0


def content(place: Place, tenant: Tenant) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a tenant, from every table."""
    conditions = {
        "meta": f"key LIKE '%{tenant.id}%'",
        "tenants": f"id = '{tenant.id}'",
        "operations": f"run = 'run of {tenant.id}'",
        "used_plans": f"run = 'run of {tenant.id}'",
    }
    found = {
        table: place.ask(f"SELECT * FROM {table} WHERE {conditions.get(table, f'tenant = {tenant.id!r}')}")
        for table in schema.TABLES
    }
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch, place: Place) -> list[str]:
    """Every statement that a database is given, on one line."""
    seen: list[str] = []
    with closing(place.store.open(AT)) as database:
        kind: Any = type(database)
    for name in ("read", "rows"):
        plain = getattr(kind, name)

        def ask(self: Any, query: str, *values: object, plain: Any = plain) -> Any:
            seen.append(" ".join(query.split()))
            return plain(self, query, *values)

        monkeypatch.setattr(kind, name, ask)
    write = kind.write

    def listen(self: Any, statements: Sequence[Statement]) -> Any:
        seen.extend(" ".join(one.sql.split()) for one in statements)
        return write(self, statements)

    monkeypatch.setattr(kind, "write", listen)
    return seen


def statements_in(module: Any) -> Iterator[str]:
    """Every text in a module that begins as a statement does, on one line."""
    for node in ast.walk(ast.parse(Path(module.__file__).read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = " ".join(node.value.split())
            if re.match(r"(SELECT|INSERT|UPDATE|DELETE) ", text):
                yield text


def test_no_statement_touches_another_tenants_rows_and_all_of_them_are_tried(place: Place, executed: list[str]) -> None:
    with closing(Ledger.open(place.store, OTHER, AT)) as theirs:
        number = fill(theirs, "theirs")
    before = content(place, OTHER)
    assert all(before.values()), "a row in every table"

    with closing(Ledger.open(place.store, MINE, AT)) as mine:
        fill(mine, HOSTILE)
        change_all(mine, number)

    assert content(place, OTHER) == before
    untried = [
        text
        for module in (ledger_module, run_log, memory)
        for text in statements_in(module)
        if not any(text in one for one in executed)
    ]
    assert untried == []
