"""What the contract says of names that are freed, taken and exchanged."""

from __future__ import annotations

import json

from tests.support.company import END_USERS, user
from tests.support.office import Office


def test_08_a_name_that_only_a_deletion_frees_is_taken_in_the_next_run(office: Office) -> None:
    office.configure("deprovision", users="delete")
    office.settle()
    office.disable(0)
    heir = office.people.hire("Heir", "Apparent", groups=[END_USERS], user_type="endUser", organization="1")
    office.people.set_email(heir, user(0))
    office.people.set_email(office.duo(user(0)), user(0))

    first = office.plan()

    assert first.actions() == {user(0): "delete"}
    assert first.problems() == {user(0): "name-taken"}
    assert office.account(user(0))["id"] in first.problem(user(0))  # the holder is named
    assert office.apply().code == 0
    assert office.apply().actions() == {user(0): "create"}
    assert office.plan().json["changes"] == []


def test_08_a_name_is_freed_before_it_is_taken(office: Office) -> None:
    office.settle()
    ids = [office.account(user(number))["id"] for number in range(3)]
    zero, one, two = (office.duo(user(number)) for number in range(3))
    office.people.set_email(zero, user(1))
    office.people.set_email(one, user(2))
    office.people.set_email(two, "free@example.com")

    done = office.apply()

    assert done.code == 0
    assert [office.ninjaone.users[id_]["userName"] for id_ in ids] == [user(1), user(2), "free@example.com"]
    assert "via" not in json.dumps(done.json["changes"])


def test_08_a_cycle_of_names_goes_by_way_of_a_temporary_one_at_the_users_own_domain_shown_as_via(
    office: Office,
) -> None:
    office.settle()
    ids = {number: office.account(user(number))["id"] for number in range(3)}
    duo_ids = [office.duo(user(number)) for number in range(3)]
    for number, duo_id in enumerate(duo_ids):
        office.people.set_email(duo_id, user((number + 1) % 3))

    planned = office.plan()
    done = office.apply()

    rows = {
        one["external_id"]: delta["via"] for one in planned.json["changes"] for delta in one["diff"] if "via" in delta
    }
    ((duo_id, via),) = rows.items()
    assert via == f"ninjasync-{duo_id}@example.com"
    assert done.code == 0
    assert {number: office.ninjaone.users[id_]["userName"] for number, id_ in ids.items()} == {
        number: user((number + 1) % 3) for number in range(3)
    }
    assert office.plan().json["changes"] == []
