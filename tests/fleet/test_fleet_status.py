"""``fleet status``: what the ledgers alone tell; neither Duo nor NinjaOne is asked."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ninjasync.config.load import load
from ninjasync.config.tenant import tenant_of
from ninjasync.state import lock
from ninjasync.state.ledger import Ledger
from ninjasync.state.run_log import Intent
from ninjasync.state.sqlite import SqliteStore
from tests.support.fleet import NAMES, ServedFleet, outcomes

AT = datetime(2026, 11, 2, 3, 4, tzinfo=UTC)


def begin(fleet: ServedFleet, name: str, *, writes: int) -> None:
    """Leave a ledger as a run that was killed leaves it, with so many writes under way."""
    config = load(fleet.folder / "tenants" / f"{name}.toml")
    with closing(Ledger.open(SqliteStore(fleet.folder / f"{name}.sqlite"), tenant_of(config), AT)) as ledger:
        run = ledger.run_log.begin("kim@office", "apply", AT)
        for number in range(writes):
            ledger.run_log.intend(Intent(run, "user", "create", f"user{number}", f"DU{number}", None, "{}", AT))


def test_the_last_apply_of_each_tenant_is_told_without_a_request(fleet: ServedFleet) -> None:
    days = (date.today() + timedelta(days=12)).isoformat()
    text = (fleet.folder / "tenants" / "alpha.toml").read_text("utf-8")
    (fleet.folder / "tenants" / "alpha.toml").write_text(
        text.replace("[ninjaone]\n", f"[ninjaone]\ntoken_expires = {days}\n"), "utf-8"
    )
    record = next(iter(fleet.boxes["alpha"].company.users.values()))
    record["email"] = "no address"
    assert fleet.run("apply", "--yes", "--tenant", "alpha")[0] == 0
    fleet.boxes["bravo"].company.users.clear()
    assert fleet.run("apply", "--yes", "--tenant", "bravo")[0] == 3
    begin(fleet, "charlie", writes=3)
    asked = {name: len(fleet.boxes[name].requests) for name in NAMES}

    code, rows, _ = fleet.run("status")
    assert code == 0, "nothing was run"
    assert outcomes(rows) == {"alpha": "done", "bravo": "refused", "charlie": "killed", "delta": "not begun"}
    assert (rows["alpha"]["applied"], rows["alpha"]["held"], rows["alpha"]["pending"]) == (6, 1, 0)
    assert (rows["alpha"]["token_days"], rows["alpha"]["error"]) == (12, "")
    assert rows["charlie"]["pending"] == 3
    assert rows["charlie"]["last_run"] == "2026-11-02T03:04:00+00:00"
    assert "settles" in rows["charlie"]["error"]
    assert {name: len(fleet.boxes[name].requests) for name in NAMES} == asked


def test_a_run_that_holds_the_lock_is_under_way(fleet: ServedFleet) -> None:
    begin(fleet, "alpha", writes=1)
    config = load(fleet.folder / "tenants" / "alpha.toml")
    with lock.hold_lock(fleet.folder / "alpha.sqlite", tenant_of(config), 0, AT):
        rows = fleet.run("status")[1]
    assert rows["alpha"]["outcome"] == "under way"
    assert "kim@office" in rows["alpha"]["error"]


@pytest.mark.parametrize("broken", ["tenant", "ledger"])
def test_what_cannot_be_read_is_told_and_hides_no_other(fleet: ServedFleet, broken: str, tmp_path: Path) -> None:
    assert fleet.run("apply", "--yes", "--tenant", "delta")[0] == 0
    if broken == "tenant":
        (fleet.folder / "tenants" / "alpha.toml").write_text("[duo", "utf-8")
    else:
        (fleet.folder / "alpha.sqlite").write_bytes(b"no database at all" * 1000)
    code, rows, _ = fleet.run("status")
    assert code == (78 if broken == "tenant" else 1)
    assert rows["alpha"]["outcome"] == ("configuration" if broken == "tenant" else "failed")
    assert rows["alpha"]["error"]
    assert rows["delta"]["outcome"] == "done"
