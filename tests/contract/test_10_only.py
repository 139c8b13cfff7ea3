"""What the contract says of --only."""

from __future__ import annotations

import pytest

from tests.support.company import END_USERS, TECHNICIANS, user
from tests.support.office import Office


def test_10_only_guards_on_the_whole_directory(office: Office) -> None:
    office.configure("safety", min_source_percent=0)
    office.settle()
    office.disable(0, 1, 2, 3)
    office.people.users[office.duo(user(4))]["lastname"] = "Changed"

    done = office.apply("--only", user(4))

    assert (done.code, list(done.tripped())) == (3, ["removals"])
    assert office.writes() == []


@pytest.mark.parametrize("who", ["address", "ADDRESS", "username", "duo id", "ninjaone id"])
def test_10_only_writes_these_users_and_their_own_memberships(office: Office, who: str) -> None:
    office.settle()
    one, other = (office.duo(user(number)) for number in (0, 1))
    for id_ in (one, other):
        office.people.users[id_]["lastname"] = "Changed"
        office.people.join(id_, office.people.find_group_id(TECHNICIANS))
        office.people.leave(id_, office.people.find_group_id(END_USERS))
    office.people.rename_group(office.people.find_group_id(END_USERS), "End Users")
    office.people.rename_group(office.people.add_group("x"), "Brand New")
    office.configure("scope", groups=[*office.people.scoped, "Brand New"])
    office.disable(2)
    name = {
        "address": user(0),
        "ADDRESS": user(0).upper(),
        "username": office.people.users[one]["username"],
        "duo id": one,
        "ninjaone id": office.account(user(0))["id"],
    }[who]

    done = office.apply("--only", name)

    assert done.code == 0, done.printed
    assert done.actions() == {user(0): "update"}
    assert office.account(user(1))["name"]["familyName"] == "Two"
    assert office.account(user(2))["active"] is True
    assert office.members(TECHNICIANS) == {user(0)}
    # No group is created, renamed or deleted.
    assert office.members(END_USERS) == {user(number) for number in range(1, 5)}
    assert {one["displayName"] for one in office.ninjaone.groups.values()} == {TECHNICIANS, END_USERS}


def test_10_only_deletes_no_group(office: Office) -> None:
    office.settle()
    office.configure("groups", removed="delete")
    office.configure("scope", groups=[END_USERS])
    assert office.plan().actions("group") == {TECHNICIANS: "delete"}

    assert office.apply("--only", user(0)).json["changes"] == []


def test_10_only_is_repeatable_and_an_unknown_user_is_64(office: Office) -> None:
    assert office.plan("--only", user(0), "--only", user(1)).actions() == {user(0): "create", user(1): "create"}

    planned = office.plan("--only", user(0), "--only", "user9.two@example.com")

    assert planned.code == 64
    assert "user9.two@example.com" in planned.printed
