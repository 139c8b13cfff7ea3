"""Two customers on one NinjaOne, and other marks that are somebody else's (CONTRACT 5.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.command import Json
from tests.support.company import END_USERS, TECHNICIANS, staff
from tests.support.office import Office
from tests.support.proxy import Forward
from tests.support.server import Hit, Reply
from tests.support.urns import CORE_GROUP, CORE_USER, EXTENSION

FOREIGN = "DU0OTHERDUO000000001"


@pytest.fixture(params=["a ledger each", "one ledger"])
def customers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Office, Office]]:
    """Two Duos with groups of the same names and two or three people of the same addresses, on one endpoint."""
    store = NinjaOne(seed=3)
    (tmp_path / "b").mkdir()
    first = Office(tmp_path, staff(6, 2, seed=7), store).start()
    second = Office(tmp_path / "b", staff(2, 1, seed=8), store).start()
    for number in range(12):
        second.people.hire(f"Only{number}", "There", groups=[END_USERS], user_type="endUser", organization="8")
    second.configure("ninjaone", endpoint_url=first.box.scim_url, secret_token=first.box.token)
    if request.param == "one ledger":
        second.configure("state", path=str(tmp_path / "ledger.sqlite3"))
    yield first, second
    first.stop()
    second.stop()


@pytest.mark.parametrize("discovery", ["list", "lookup"])
def test_of_two_customers_neither_adopts_what_belongs_to_the_other(
    customers: tuple[Office, Office], discovery: str
) -> None:
    first, second = customers
    for world in customers:
        world.configure("ninjaone.dialect", discovery=discovery)
    first.settle()
    marks = {
        one["id"]: one.get("externalId") for one in (*first.ninjaone.users.values(), *first.ninjaone.groups.values())
    }
    planned = second.plan()
    assert set(planned.actions().values()) == {"create"}
    assert planned.actions("group") == {}
    same = ["tech0.one@example.com", *(f"user{number}.two@example.com" for number in range(2))]
    assert planned.problems() == {
        **dict.fromkeys(same, "name-taken"),
        **dict.fromkeys([TECHNICIANS, END_USERS], "duplicate-group-name"),
    }
    for problem in planned.json["problems"]:
        assert "Duo id" in problem["message"] or "of the tenant" in problem["message"], problem
    assert second.apply().code == 0
    for world in (first, second, first, second):
        left = world.plan("--detailed-exitcode")
        assert (left.code, left.json["changes"]) == (0, []), left.text
        assert world.apply().code == 0
    now = {
        one["id"]: one.get("externalId") for one in (*first.ninjaone.users.values(), *first.ninjaone.groups.values())
    }
    assert {id_: now[id_] for id_ in marks} == marks


def test_a_leaver_of_one_customer_does_not_touch_the_others_account(customers: tuple[Office, Office]) -> None:
    first, second = customers
    first.settle()
    assert second.apply().code == 0
    second.people.trash(second.duo("user0.two@example.com"))
    second.people.trash(second.duo("only0.there@example.com"))
    assert second.apply().code == 0
    assert first.account("user0.two@example.com")["active"]
    assert not first.account("only0.there@example.com")["active"]
    first.people.trash(first.duo("user0.two@example.com"))
    assert first.apply().code == 0
    assert not first.account("user0.two@example.com")["active"]


# --- one customer ----------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path).start()
    yield made
    made.stop()


def stamped(world: Office, name: str, mark: str) -> str:
    row: Json = {
        "schemas": [CORE_USER, EXTENSION],
        "userName": name,
        "externalId": mark,
        "active": True,
        "name": {"givenName": "User0", "familyName": "Two"},
        EXTENSION: {"userType": "endUser", "organizationId": "1"},
    }
    return str(world.ninjaone.create(USER, row)["id"])


@pytest.mark.parametrize("known", [True, False])
def test_an_account_and_a_group_with_an_unknown_duo_id_are_left_alone(world: Office, known: bool) -> None:
    if known:
        world.configure("scope", groups=[TECHNICIANS])
        world.settle()
        world.configure("scope", groups=[TECHNICIANS, END_USERS])
    stamped(world, "user0.two@example.com", FOREIGN)
    row = {"schemas": [CORE_GROUP], "displayName": END_USERS, "externalId": "DG0OTHERDUO000000001", "members": []}
    world.ninjaone.create(GROUP, row)
    before = world.account("user0.two@example.com")
    planned = world.plan()
    assert planned.problems() == {"user0.two@example.com": "name-taken", END_USERS: "duplicate-group-name"}
    told = {one["key"]: one["message"] for one in planned.json["problems"]}
    assert FOREIGN in told["user0.two@example.com"]
    assert "DG0OTHERDUO000000001" in told[END_USERS]
    assert all("adopt_foreign" in message for message in told.values())
    assert world.apply().code == 0
    assert world.account("user0.two@example.com") == before
    assert world.plan().json["changes"] == []


def test_adopt_foreign_takes_over_what_another_duo_had(world: Office) -> None:
    world.configure("deprovision", adopt_foreign=True)
    id_ = stamped(world, "user0.two@example.com", FOREIGN)
    row = {"schemas": [CORE_GROUP], "displayName": END_USERS, "externalId": "DG0OTHERDUO000000001", "members": []}
    group = world.ninjaone.create(GROUP, row)["id"]
    planned = world.plan()
    assert (planned.actions()["user0.two@example.com"], planned.actions("group")[END_USERS]) == ("adopt", "adopt")
    world.settle()
    assert world.ninjaone.users[id_]["externalId"] == world.duo("user0.two@example.com")
    assert world.ninjaone.groups[group]["externalId"] == world.people.find_group_id(END_USERS)


def test_adopt_foreign_takes_nothing_from_another_user_of_this_duo(world: Office) -> None:
    world.settle()
    world.configure("deprovision", adopt_foreign=True)
    other = world.duo("user1.two@example.com")
    world.people.set_email(
        world.people.hire("New", "One", groups=[END_USERS], user_type="endUser", organization="1"), "taken@example.com"
    )
    stamped(world, "taken@example.com", other)
    assert world.plan().problems() == {"taken@example.com": "name-taken"}


@pytest.mark.parametrize("discovery", ["list", "lookup"])
def test_a_user_made_anew_keeps_the_account_that_the_ledger_knows(world: Office, discovery: str) -> None:
    world.settle()
    world.configure("ninjaone.dialect", discovery=discovery)
    old = world.duo("user0.two@example.com")
    id_ = world.id_of("user0.two@example.com")
    world.people.erase(old)
    new = world.people.hire("User0", "Two", groups=[END_USERS], user_type="endUser", organization="1")
    world.people.set_email(new, "user0.two@example.com")
    assert world.plan().actions() == {"user0.two@example.com": "adopt"}
    world.settle()
    assert world.ninjaone.users[id_]["externalId"] == new


@pytest.mark.parametrize("mark", ["jdoe", "4f2c", "D", "DUx", "hr-0042"])
def test_an_externalid_that_is_no_duo_id_prevents_no_adoption(world: Office, mark: str) -> None:
    stamped(world, "user0.two@example.com", mark)
    assert world.plan().actions()["user0.two@example.com"] == "adopt"


def lower_case_marks(hit: Hit, forward: Forward) -> Reply:
    """A server that shows every externalId in lower case."""
    reply = forward()
    text = re.sub(rb'"externalId": ?"([^"]*)"', lambda found: b'"externalId": "' + found[1].lower() + b'"', reply.body)
    return Reply(reply.status, text, reply.headers)


def test_an_externalid_in_lower_case_is_recognized_ours_and_anothers(world: Office) -> None:
    world.proxy_scim(lower_case_marks)
    world.settle()
    hired = world.people.hire("New", "One", groups=[END_USERS], user_type="endUser", organization="1")
    world.people.set_email(hired, "taken@example.com")
    stamped(world, "taken@example.com", FOREIGN)
    for file in world.folder.glob("ledger*"):
        file.unlink()
    planned = world.plan()
    assert (planned.actions(), planned.actions("group")) == ({}, {})
    assert planned.problems() == {"taken@example.com": "name-taken"}
    world.people.trash(world.duo("user0.two@example.com"))
    assert world.plan().actions() == {"user0.two@example.com": "deactivate"}
