"""What the ledger remembers: through losses, for two tenants, and what it alone knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.ninjaone.schema import USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.company import END_USERS, TECHNICIANS, populate, staff, user
from tests.support.office import Office

# --- lost between two runs ---------------------------------------------------------------------


def test_a_ledger_deleted_between_two_runs_removes_and_duplicates_no_account_of_a_user_in_scope(
    tmp_path: Path,
) -> None:
    with Office(tmp_path, staff(8, 2)) as office:
        office.settle()
        ids = {one["userName"]: one["id"] for one in office.ninjaone.users.values()}
        office.people.disable(office.duo(user(0)))
        office.people.erase(office.duo(user(1)))
        office.people.lock_out(office.duo(user(2)))
        office.people.set_attribute(office.duo(user(3)), "userType", "chef")
        office.people.set_email(office.duo(user(4)), "four.new@example.com")
        office.people.rename_group(office.people.find_group_id(END_USERS), "Staff")
        office.configure("scope", groups=[TECHNICIANS, "Staff"])
        office.lose_ledger()

        done = office.apply()

        assert done.code == 0
        assert done.actions() == {user(0): "deactivate", "four.new@example.com": "update"}
        assert done.actions("group") == {"Staff": "update"}
        assert any("cannot be judged" in warning for warning in done.json["warnings"])
        ids["four.new@example.com"] = ids.pop(user(4))
        assert {one["userName"]: one["id"] for one in office.ninjaone.users.values()} == ids
        inactive = {one["userName"] for one in office.ninjaone.users.values() if not one["active"]}
        assert inactive == {user(0)}
        assert len(office.ninjaone.groups) == 2
        assert office.plan().json["changes"] == []


def test_the_time_until_a_deletion_starts_anew_where_the_ledger_was_lost(office: Office) -> None:
    office.settle()
    office.people.disable(office.duo(user(0)))
    office.apply()
    office.days_pass(29)
    office.lose_ledger()
    assert office.apply().actions() == {}
    office.days_pass(29)
    assert office.apply().actions() == {}
    office.days_pass(2)
    assert office.apply().actions() == {user(0): "delete"}


# --- two tenants, one endpoint -----------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Office, Office]]:
    """Two companies with Duo accounts of their own and one NinjaOne endpoint; each has its configuration."""
    other_people = Company(seed=77, domain="other.example")
    other_people.scoped += [other_people.add_group(TECHNICIANS), other_people.add_group("Other Users")]
    for number in range(3):
        other_people.hire(f"Other{number}", "Two", groups=["Other Users"], user_type="endUser", organization="9")
    (tmp_path / "other").mkdir()
    with Office(tmp_path, staff(5, 0)) as one, Office(tmp_path / "other", other_people, NinjaOne()) as other:
        other.configure("ninjaone", endpoint_url=one.box.scim_url + "/", secret_token=one.box.token)
        other.configure("scope", groups=["Other Users"])
        other.ninjaone = one.ninjaone
        yield one, other


@pytest.mark.parametrize("shared", [True, False], ids=["one ledger", "a ledger each"])
def test_two_tenants_with_one_endpoint_never_touch_each_others_accounts(
    two: tuple[Office, Office], shared: bool
) -> None:
    one, other = two
    if shared:
        other.configure("state", path=str(one.ledger))
    one.settle()
    assert other.apply().code == 0
    theirs = {row["id"]: dict(row) for row in one.ninjaone.users.values() if "@other" in row["userName"]}
    ours = {row["id"]: dict(row) for row in one.ninjaone.users.values() if "@other" not in row["userName"]}
    assert (len(theirs), len(ours)) == (3, 5)

    for office in (one, other):
        assert office.plan().json["changes"] == []
        assert office.plan().json["summary"]["users"]["unmanaged"] == (3 if office is one else 5)

    # All but one leave the other company; ours are as they were.
    for id_ in list(other.people.users)[:2]:
        other.people.disable(id_)
    other.configure("safety", min_source_percent=0)
    assert other.apply().code == 0
    assert {id_: dict(one.ninjaone.users[id_]) for id_ in ours} == ours
    assert sum(one.ninjaone.users[id_]["active"] for id_ in theirs) == 1
    assert one.plan().json["changes"] == []

    # One of theirs takes an address that one of ours has.
    thief = list(other.people.users)[2]
    other.people.set_email(thief, user(0))
    planned = other.apply()
    assert planned.actions() == {}
    assert planned.problems() == {user(0): "name-taken"}
    assert {id_: dict(one.ninjaone.users[id_]) for id_ in ours} == ours


def test_one_duo_with_two_tenant_names_keeps_to_the_accounts_of_each(office: Office) -> None:
    office.people.hire("Tech", "One", groups=[TECHNICIANS], user_type="technician")
    office.configure("state", tenant="south")
    office.configure("scope", groups=[END_USERS])
    office.settle()
    south = office.snapshot()

    # To the north all of these are out of scope, and their ids are in this very Duo read.
    office.configure("state", tenant="north")
    office.configure("scope", groups=[TECHNICIANS])
    done = office.apply()
    assert (done.code, done.actions()) == (0, {"tech.one@example.com": "create"})
    assert json.loads(south)[0].items() <= json.loads(office.snapshot())[0].items()

    # Who moves from south to north is south's until south lets go of the address.
    mover = office.duo(user(0))
    office.people.join(mover, office.people.find_group_id(TECHNICIANS))
    held = office.plan()
    assert (held.actions(), held.problems()) == ({}, {user(0): "name-taken"})
    assert "south" in held.problem(user(0))
    assert office.apply().code == 0
    before = office.account(user(0))

    # And the other way round.
    office.configure("state", tenant="south")
    office.configure("scope", groups=[END_USERS])
    assert office.plan().json["changes"] == []
    assert office.account(user(0)) == before


# --- what only the ledger knows ----------------------------------------------------------------


def test_a_plan_writes_nothing_but_its_own_ledger(office: Office) -> None:
    before = {one.name for one in office.folder.iterdir()}

    office.plan()

    added = {one.name for one in office.folder.iterdir()} - before
    assert added <= {"config.toml", "ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm"}
    assert office.writes() == []


def test_redaction_tokens_are_stable_for_one_ledger_and_differ_for_another(office: Office) -> None:
    def tokens() -> list[str]:
        return re.findall(r"person-\w+", office.plan("--redact").out)

    first = tokens()
    assert first
    assert tokens() == first
    office.settle()
    office.people.users[office.duo(user(0))]["lastname"] = "Changed"
    (update,) = (one for one in office.plan("--redact").json["changes"] if one["resource"] == "user")
    assert update["key"] in first  # the same person, in another plan
    assert "Changed" not in json.dumps(update)
    office.lose_ledger()
    office.ninjaone.clear()
    assert set(tokens()).isdisjoint(first)


def test_accounts_that_a_person_deleted_in_ninjaone_are_made_anew_and_the_ledger_follows(office: Office) -> None:
    office.settle()
    old = office.account(user(0))["id"]
    office.ninjaone.delete(USER, old)

    assert office.apply().actions() == {user(0): "create"}

    new = office.account(user(0))["id"]
    assert new != old
    assert office.ask_ledger("select id from resources where name = ?", user(0)) == [(new,)]
    office.people.erase(office.duo(user(0)))
    assert office.apply().actions() == {user(0): "deactivate"}


def test_everything_that_a_populated_tenant_has_is_recorded_by_the_first_apply(tmp_path: Path) -> None:
    people = staff(6, 0)
    ninjaone = NinjaOne(seed=9)
    populate(ninjaone, people)
    with Office(tmp_path, people, ninjaone) as office:
        assert office.apply().json["changes"] == []
        assert office.ask_ledger("select count(*) from resources") == [(8,)]
