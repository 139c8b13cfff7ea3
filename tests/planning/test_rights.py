"""Changes of rights: which ones count, that they are marked, refused by number, approved by number, and withheld."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Delta
from ninjasync.planning.rights import changes_rights
from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.company import staff
from tests.support.office import Office
from tests.support.urns import EXTENSION

COMPANY = {"technicians": 4, "end_users": 40}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path, staff(**COMPANY)).start()
    yield made
    made.stop()


def everybody(world: Office, prefix: str = "user") -> list[str]:
    return [id_ for id_, record in world.people.users.items() if record["email"].startswith(prefix)]


@pytest.mark.parametrize(
    ("before", "rows", "counts"),
    [
        (("endUser",), [(USER_TYPE, "technician")], True),
        (("technician",), [(USER_TYPE, "endUser")], True),
        (("Technician",), [(USER_TYPE, "technician")], False),
        ((None,), [(USER_TYPE, "endUser")], False),  # NinjaOne makes an end user of whoever has no type
        ((None,), [(USER_TYPE, "technician")], True),
        (("technician",), [(USER_TYPE, None)], True),
        (("technician", None), [(USER_TYPE, "technician")], True),  # the stricter of two possible values
        (("endUser",), [("title", "Chef")], False),
    ],
)
def test_another_user_type_counts_in_either_direction(
    before: tuple[str | None, ...], rows: list[tuple[str, str | None]], counts: bool
) -> None:
    deltas = [Delta(path, before[0], after) for path, after in rows]
    assert changes_rights(deltas, lambda path: before if path == USER_TYPE else (None,)) is counts


@pytest.mark.parametrize(
    ("kind", "before", "after", "counts"),
    [
        ("endUser", "5", "All", True),
        ("endUser", "5", "6", True),
        (None, "5", "6", True),
        ("endUser", None, "All", True),
        ("endUser", "5", None, True),  # NinjaOne makes a global end user of it
        ("endUser", "All", "5", False),
        ("endUser", "ALL", "5", False),
        ("endUser", None, "5", False),
        ("technician", "5", "All", False),
        ("technician", "5", "6", False),
        ("technician", "5", None, False),
    ],
)
def test_an_end_users_way_to_all_or_to_another_organization_counts_and_a_narrowing_does_not(
    kind: str | None, before: str | None, after: str | None, counts: bool
) -> None:
    known = {USER_TYPE: (kind,), ORGANIZATION_ID: (before,)}
    assert changes_rights([Delta(ORGANIZATION_ID, before, after)], lambda path: known[path]) is counts


@pytest.mark.parametrize(
    ("attribute", "value", "number", "effect", "discovery"),
    [
        ("userType", "technician", 36, "36 to technician", "list"),
        ("userType", "technician", 36, "36 to technician", "lookup"),
        ("organizationID", "All", 39, "39 to All organizations", "list"),
        ("organizationID", "777", 5, "5 to another organization", "list"),
    ],
)
def test_a_mass_change_of_rights_is_refused_with_the_numbers_and_the_option(
    world: Office, attribute: str, value: str, number: int, effect: str, discovery: str
) -> None:
    world.configure("ninjaone.dialect", discovery=discovery)
    world.settle()
    before = world.snapshot()
    for id_ in everybody(world)[:number]:
        world.people.set_attribute(id_, attribute, value)

    planned, done = world.plan(), world.apply()

    assert (planned.code, done.code) == (3, 3)
    assert done.tripped().keys() == {"privilege-changes"}
    (guard,) = (one for one in done.json["guards"] if one["tripped"])
    assert f"{number} accounts would get other rights ({effect})" in guard["message"]
    assert guard["approve"] == f"--approve-privilege-changes {number}"
    assert (world.writes(), world.snapshot()) == ([], before)
    assert sum(change.get("privilege", False) for change in planned.json["changes"]) == number

    assert world.apply("--approve-privilege-changes", str(number - 1)).code == 3
    assert world.apply("--approve-privilege-changes", str(number)).code == 0
    world.settle()


def test_withheld_changes_of_rights_stay_away_while_the_rest_is_written(world: Office) -> None:
    world.settle()
    world.configure("safety", on_refusal="withhold")
    for id_ in everybody(world)[:36]:
        world.people.set_attribute(id_, "organizationID", "All")
    world.people.users[everybody(world)[39]]["lastname"] = "Renamed"
    world.people.hire("New", "Comer", groups=["NinjaOne End Users"], user_type="endUser", organization="3")

    done = world.apply()

    assert (done.code, set(done.tripped())) == (3, {"privilege-changes"})
    assert {account[EXTENSION].get("organizationId") for account in world.accounts().values()}.isdisjoint({"All"})
    assert "new.comer@example.com" in world.accounts()
    assert world.account("user39.two@example.com")["name"]["familyName"] == "Renamed"


def test_an_adoption_compares_with_what_another_account_may_do(world: Office) -> None:
    world.settle()
    (world.folder / "ledger.sqlite3").unlink()
    for account in list(world.ninjaone.users.values()):
        world.ninjaone.edit(USER, account["id"], externalId=None)
        if account["userName"].startswith("user"):
            world.ninjaone.edit(USER, account["id"], **{EXTENSION: {"userType": "technician"}})

    planned = world.plan()

    assert planned.code == 3
    assert planned.tripped().keys() == {"privilege-changes"}
    assert planned.change("user1.two@example.com")["action"] == "adopt"
    assert planned.change("user1.two@example.com")["privilege"] is True
    assert planned.change("tech1.one@example.com")["privilege"] is False


def test_where_ninjaone_hides_the_organization_what_was_last_applied_is_what_it_was(world: Office) -> None:
    def hide() -> None:
        for id_, account in list(world.ninjaone.users.items()):
            shown = {name: value for name, value in account[EXTENSION].items() if name != "organizationId"}
            world.ninjaone.edit(USER, id_, **{EXTENSION: shown})

    world.settle()
    hide()
    for id_ in everybody(world)[:39]:
        world.people.set_attribute(id_, "organizationID", "777")
    planned = world.plan()
    assert planned.tripped().keys() == {"privilege-changes"}
    assert "39 accounts" in next(one["message"] for one in planned.json["guards"] if one["tripped"])


def test_the_old_key_is_one_mistake_that_names_the_new_ones(world: Office) -> None:
    world.configure("safety", privilege_changes="confirm")
    result = world.run("plan")
    assert result.code == 78
    (line,) = (line for line in result.err.splitlines() if "privilege_changes" in line)
    assert line.startswith("  - [safety] privilege_changes: is replaced by max_privilege_changes and ")
    assert "max_privilege_changes_percent" in line


def test_a_scope_without_statuses_is_a_mistake(world: Office) -> None:
    world.configure("scope", statuses=[])
    result = world.run("plan")
    assert result.code == 78
    assert "[scope] statuses: found []; lets no user in; allowed: one or more of 'active', 'bypass'" in result.err
