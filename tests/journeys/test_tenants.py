"""A tenant that was renamed: told, left alone, and brought back with its entries. And what ``ledger show`` shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.cli.clock import now
from ninjasync.model.tenant import Tenant
from ninjasync.state import lock
from tests.support.command import Ran, run
from tests.support.company import END_USERS, TECHNICIANS
from tests.support.office import Office


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path).start()
    yield made
    made.stop()


def ledger(world: Office, *arguments: str) -> Ran:
    return run("ledger", *arguments, "--config", world.write_config())


def tenants(world: Office) -> dict[str, tuple[int, int, bool]]:
    shown = ledger(world, "show", "--format", "json").json
    return {one["name"]: (one["users"], one["groups"], one["this"]) for one in shown["tenants"]}


@pytest.mark.parametrize(("old", "new", "shown"), [("", "north", '""'), ("north", "", "north"), ("a b", "c", '"a b"')])
@pytest.mark.parametrize("discovery", ["list", "lookup"])
def test_a_renamed_tenant_is_told_with_the_command_and_none_is_held(
    world: Office, old: str, new: str, shown: str, discovery: str
) -> None:
    world.configure("ninjaone.dialect", discovery=discovery)
    world.configure("state", tenant=old)
    world.settle()
    world.configure("state", tenant=new)
    world.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    command = f"ninjasync ledger rename-tenant {shown}"
    before = world.snapshot()
    for planned in (world.plan(), world.apply(), world.plan()):
        assert planned.code == 3
        assert (planned.json["changes"], planned.json["problems"]) == ([], [])
        assert [text for text in planned.json["warnings"] if command in text]
        (tripped,) = [guard for guard in planned.json["guards"] if guard["tripped"]]
        assert command in tripped["message"]
    checked = world.run("check", "--format", "json")
    assert f"rename-tenant {shown}" in checked.out.replace('\\"', '"')
    assert world.snapshot() == before
    moved = ledger(world, "rename-tenant", old)
    assert moved.code == 0, moved.text
    assert tenants(world) == {new: (15, 2, True)}
    planned = world.plan()
    assert (planned.code, planned.actions()) == (0, {"new.comer@example.com": "create"}), planned.text
    assert not [text for text in planned.json["warnings"] if "rename-tenant" in text]
    world.settle()
    world.people.trash(world.duo("user0.two@example.com"))
    world.settle()
    assert not world.account("user0.two@example.com")["active"]


def test_runs_baselines_and_what_was_told_go_along(world: Office) -> None:
    world.settle()
    runs = world.run("history", "--format", "json").json["runs"]
    world.configure("state", tenant="north")
    assert world.plan().code == 3
    assert ledger(world, "rename-tenant", "").code == 0
    after = world.run("history", "--format", "json").json["runs"]
    assert after[1:] == runs
    assert after[0]["command"] == 'ledger rename-tenant ""'
    with sqlite3.connect(world.folder / "ledger.sqlite3") as connection:
        (left,) = connection.execute("SELECT count(*) FROM tenants").fetchone()
        here = Tenant(world.box.scim_url, world.box.duo_url, "north").id
        stray = connection.execute(
            "SELECT count(*) FROM meta WHERE key LIKE '% %' AND key NOT LIKE ?", (f"% {here}%",)
        ).fetchone()
        baseline = connection.execute("SELECT tenant, in_scope FROM baselines").fetchall()
    assert (left, stray, baseline) == (1, (0,), [(here, 15)])
    for number in range(12):
        world.people.disable(world.duo(f"user{number}.two@example.com"))
    assert "source" in world.plan().tripped(), "the baseline came along"


def test_two_names_that_are_both_meant_do_not_disturb_each_other(world: Office) -> None:
    world.configure("scope", groups=[TECHNICIANS])
    world.configure("state", tenant="technicians")
    world.settle()
    world.configure("scope", groups=[END_USERS])
    world.configure("state", tenant="end users")
    planned = world.plan()
    assert planned.code == 0
    assert len(planned.actions()) == 12
    assert [text for text in planned.json["warnings"] if "rename-tenant technicians" in text]
    world.settle()
    assert not [text for text in world.plan().json["warnings"] if "rename-tenant" in text]
    refused = ledger(world, "rename-tenant", "technicians")
    assert refused.code == 3
    assert "entries of its own" in refused.err
    assert tenants(world) == {"end users": (12, 1, True), "technicians": (3, 1, False)}


@pytest.mark.parametrize("old", ["nort", "", "north "])
def test_an_unknown_former_name_is_refused_with_those_that_there_are(world: Office, old: str) -> None:
    world.configure("state", tenant="north")
    world.settle()
    world.configure("state", tenant="south")
    refused = ledger(world, "rename-tenant", old)
    assert refused.code == 64
    assert "north (15 users and 2 groups)" in refused.err
    assert tenants(world)["north"] == (15, 2, False)


def test_no_ledger_is_made_for_it(world: Office) -> None:
    refused = ledger(world, "rename-tenant", "north")
    assert (refused.code, list(world.folder.glob("ledger*"))) == (64, [])
    shown = ledger(world, "show")
    assert (shown.code, shown.out[:27]) == (0, "There is no ledger yet; the")
    assert ledger(world, "show", "--format", "json").json["tenants"] == []


@pytest.mark.parametrize("name", ["", "north"])
def test_a_run_of_either_name_keeps_the_entries_where_they_are(world: Office, name: str) -> None:
    world.settle()
    world.configure("state", tenant="north")
    held = Tenant(world.box.scim_url, world.box.duo_url, name)
    with lock.hold_lock(world.folder / "ledger.sqlite3", held, 0, now()):
        assert ledger(world, "rename-tenant", "").code == 5
    assert tenants(world)[""] == (15, 2, False)


def test_an_endpoint_with_another_address_is_told_and_its_entries_come_along_by_id(world: Office) -> None:
    world.settle()
    (old,) = ledger(world, "show", "--format", "json").json["tenants"]
    world.proxy_scim()
    told = " ".join(world.plan().json["warnings"])
    assert f"another endpoint ({world.box.scim_url})" in told
    assert f"rename-tenant {old['id']}" in told
    assert "another endpoint" in world.run("check").out
    assert ledger(world, "rename-tenant", old["id"]).code == 0
    planned = world.plan("--detailed-exitcode")
    assert (planned.code, planned.json["warnings"]) == (0, [])


def test_show_says_where_the_ledger_is_and_what_it_holds(world: Office) -> None:
    world.configure("state", tenant="north")
    world.settle()
    shown = ledger(world, "show")
    assert shown.code == 0
    assert str(world.folder / "ledger.sqlite3") in shown.out
    assert "* north: 15 users, 2 groups, 1 runs" in shown.out
    assert world.box.scim_url in shown.out
    assert "Schema: version " in shown.out
    document = ledger(world, "show", "--format", "json").json
    assert (document["exists"], document["tenants"][0]["runs"]) == (True, 1)
    world.configure("state", tenant="other")
    assert "None is that of this configuration." in ledger(world, "show").out
    assert tenants(world) == {"north": (15, 2, False)}, "looking adds nothing"
