"""Two customers on one NinjaOne, and other marks that are somebody else's (CONTRACT 5.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.world import CORE_GROUP, CORE_USER, ENDERS, EXTENSION, TECHS, Forward, Hit, Json, Reply, World, staff

FOREIGN = "DU0OTHERDUO000000001"


@pytest.fixture(params=["a ledger each", "one ledger"])
def customers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[World, World]]:
    """Two Duos with groups of the same names and two or three people of the same addresses, on one endpoint."""
    store = NinjaOne(seed=3)
    (tmp_path / "b").mkdir()
    first = World(tmp_path, staff(2, 6, seed=7), store)
    second = World(tmp_path / "b", staff(1, 2, seed=8), store)
    for number in range(12):
        second.people.hire(f"Only{number}", "There", groups=[ENDERS], user_type="endUser", organization="8")
    second.configure("ninjaone", endpoint_url=first.box.scim_url, secret_token=first.box.token)
    if request.param == "one ledger":
        second.configure("state", path=str(tmp_path / "ledger.sqlite"))
    yield first, second
    first.stop()
    second.stop()


@pytest.mark.parametrize("discovery", ["list", "lookup"])
def test_neither_of_two_customers_adopts_what_is_the_others(customers: tuple[World, World], discovery: str) -> None:
    first, second = customers
    for world in customers:
        world.configure("ninjaone.dialect", discovery=discovery)
    first.settle()
    marks = {
        one["id"]: one.get("externalId") for one in (*first.ninjaone.users.values(), *first.ninjaone.groups.values())
    }
    planned = second.plan()
    assert set(planned.changes().values()) == {"create"}
    assert planned.changes("group") == {}
    same = ["tech0.one@example.com", *(f"user{number}.two@example.com" for number in range(2))]
    assert planned.problems() == {
        **dict.fromkeys(same, "name-taken"),
        **dict.fromkeys([TECHS, ENDERS], "duplicate-group-name"),
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


def test_a_leaver_of_one_customer_does_not_touch_the_others_account(customers: tuple[World, World]) -> None:
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
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.stop()


def stamped(world: World, name: str, mark: str) -> str:
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
def test_an_account_and_a_group_with_an_unknown_duo_id_are_left_to_whom_they_are(world: World, known: bool) -> None:
    if known:
        world.configure("scope", groups=[TECHS])
        world.settle()
        world.configure("scope", groups=[TECHS, ENDERS])
    stamped(world, "user0.two@example.com", FOREIGN)
    row = {"schemas": [CORE_GROUP], "displayName": ENDERS, "externalId": "DG0OTHERDUO000000001", "members": []}
    world.ninjaone.create(GROUP, row)
    before = world.account("user0.two@example.com")
    planned = world.plan()
    assert planned.problems() == {"user0.two@example.com": "name-taken", ENDERS: "duplicate-group-name"}
    told = {one["key"]: one["message"] for one in planned.json["problems"]}
    assert FOREIGN in told["user0.two@example.com"]
    assert "DG0OTHERDUO000000001" in told[ENDERS]
    assert all("adopt_foreign" in message for message in told.values())
    assert world.apply().code == 0
    assert world.account("user0.two@example.com") == before
    assert world.plan().json["changes"] == []


def test_adopt_foreign_takes_over_what_another_duo_had(world: World) -> None:
    world.configure("deprovision", adopt_foreign=True)
    id_ = stamped(world, "user0.two@example.com", FOREIGN)
    row = {"schemas": [CORE_GROUP], "displayName": ENDERS, "externalId": "DG0OTHERDUO000000001", "members": []}
    group = world.ninjaone.create(GROUP, row)["id"]
    planned = world.plan()
    assert (planned.changes()["user0.two@example.com"], planned.changes("group")[ENDERS]) == ("adopt", "adopt")
    world.settle()
    assert world.ninjaone.users[id_]["externalId"] == world.duo("user0.two@example.com")
    assert world.ninjaone.groups[group]["externalId"] == world.people.group_named(ENDERS)


def test_adopt_foreign_takes_nothing_from_another_user_of_this_duo(world: World) -> None:
    world.settle()
    world.configure("deprovision", adopt_foreign=True)
    other = world.duo("user1.two@example.com")
    world.people.set_email(
        world.people.hire("New", "One", groups=[ENDERS], user_type="endUser", organization="1"), "taken@example.com"
    )
    stamped(world, "taken@example.com", other)
    assert world.plan().problems() == {"taken@example.com": "name-taken"}


@pytest.mark.parametrize("discovery", ["list", "lookup"])
def test_a_person_made_anew_keeps_the_account_that_the_ledger_knows(world: World, discovery: str) -> None:
    world.settle()
    world.configure("ninjaone.dialect", discovery=discovery)
    old = world.duo("user0.two@example.com")
    id_ = world.id_of("user0.two@example.com")
    world.people.erase(old)
    new = world.people.hire("User0", "Two", groups=[ENDERS], user_type="endUser", organization="1")
    world.people.set_email(new, "user0.two@example.com")
    assert world.plan().changes() == {"user0.two@example.com": "adopt"}
    world.settle()
    assert world.ninjaone.users[id_]["externalId"] == new


@pytest.mark.parametrize("mark", ["jdoe", "4f2c", "D", "DUx", "hr-0042"])
def test_a_mark_that_is_no_duo_id_keeps_none_from_being_taken_over(world: World, mark: str) -> None:
    stamped(world, "user0.two@example.com", mark)
    assert world.plan().changes()["user0.two@example.com"] == "adopt"


def lower_case_marks(hit: Hit, forward: Forward) -> Reply:
    """A server that shows every externalId in lower case."""
    reply = forward()
    text = re.sub(rb'"externalId": ?"([^"]*)"', lambda found: b'"externalId": "' + found[1].lower() + b'"', reply.body)
    return Reply(reply.status, text, reply.headers)


def test_a_mark_in_lower_case_is_a_mark_ours_and_anothers(world: World) -> None:
    world.meddle_scim(lower_case_marks)
    world.settle()
    hired = world.people.hire("New", "One", groups=[ENDERS], user_type="endUser", organization="1")
    world.people.set_email(hired, "taken@example.com")
    stamped(world, "taken@example.com", FOREIGN)
    for file in world.folder.glob("ledger*"):
        file.unlink()
    planned = world.plan()
    assert (planned.changes(), planned.changes("group")) == ({}, {})
    assert planned.problems() == {"taken@example.com": "name-taken"}
    world.people.trash(world.duo("user0.two@example.com"))
    assert world.plan().changes() == {"user0.two@example.com": "deactivate"}
