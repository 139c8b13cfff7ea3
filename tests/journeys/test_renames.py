"""New addresses and new names of groups: one change, also where names are exchanged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.company import END_USERS, TECHNICIANS, user
from tests.support.office import Office
from tests.support.oracle import stored


def test_a_renamed_email_is_exactly_one_patch_on_the_same_id(make: Callable[..., Office]) -> None:
    office = make()
    between = office.proxy_scim()
    office.settle()
    between.hits.clear()
    same = office.id_of(user(0))
    office.people.set_email(office.duo(user(0)), "new@example.com")
    done = office.apply()
    assert done.code == 0, done.text
    (patch,) = [hit for hit in between.hits if hit.method != "GET"]
    assert (patch.method, patch.path.rpartition("/")[2]) == ("PATCH", same)
    assert [each["path"] for each in patch.document["Operations"]] == ["userName"]
    assert office.id_of("new@example.com") == same


def test_an_email_that_differs_in_letter_case_alone_is_no_change(settled: Office) -> None:
    settled.people.set_email(settled.duo(user(0)), user(0).upper())
    assert settled.plan("--detailed-exitcode").code == 0


RENAMES = {
    "two swap": {0: user(1), 1: user(0)},
    "three in a cycle": {0: user(1), 1: user(2), 2: user(0)},
    "a chain": {0: user(1), 1: user(2), 2: "free@example.com"},
    "a swap and a cycle at once": {0: user(1), 1: user(0), 2: user(3), 3: user(4), 4: user(2)},
    "a swap across letter case": {0: user(1).upper(), 1: user(0).upper()},
}


@pytest.mark.parametrize("renames", RENAMES.values(), ids=RENAMES)
def test_users_that_exchange_their_addresses_end_up_right(settled: Office, renames: dict[int, str]) -> None:
    people = {number: settled.duo(user(number)) for number in renames}
    before = stored(settled.ninjaone)[0]
    ids = {each["externalId"]: each["id"] for each in settled.ninjaone.users.values()}
    for number, email in renames.items():
        settled.people.set_email(people[number], email)
    planned = settled.plan()
    assert len(planned.actions()) == len(renames)
    assert set(planned.actions().values()) == {"update"}
    settled.settle()
    assert {each["externalId"]: each["id"] for each in settled.ninjaone.users.values()} == ids
    after = stored(settled.ninjaone)[0]
    wanted = {people[number]: email.casefold() for number, email in renames.items()}
    assert {key: each["userName"] for key, each in after.items()} == {
        key: wanted.get(key, each["userName"]) for key, each in before.items()
    }


def test_a_cycle_goes_by_way_of_a_temporary_name_that_the_plan_shows(settled: Office) -> None:
    people = [settled.duo(user(0)), settled.duo(user(1))]
    settled.people.set_email(people[0], user(1))
    settled.people.set_email(people[1], user(0))
    shown = [
        (change["external_id"], step["via"])
        for change in settled.plan().json["changes"]
        for step in change["diff"]
        if "via" in step
    ]
    ((person, via),) = shown
    assert person in people
    assert via == f"ninjasync-{person}@example.com"
    assert len(settled.apply_and_list_writes()) == 3


def test_a_chain_needs_no_temporary_name(settled: Office) -> None:
    for number in (2, 1, 0):
        settled.people.set_email(settled.duo(user(number)), user(number + 1) if number < 2 else "free@example.com")
    assert "via" not in settled.plan().out
    assert len(settled.apply_and_list_writes()) == 3


def test_a_renamed_group_keeps_its_id_and_members(settled: Office) -> None:
    ids = {each["displayName"]: key for key, each in settled.ninjaone.groups.items()}
    members = settled.groups()
    settled.people.rename_group(settled.people.scoped[0], "Engineers")
    settled.configure("scope", groups=["Engineers", END_USERS])
    assert settled.plan().actions("group") == {"Engineers": "update"}
    assert settled.apply_and_list_writes() == [("PATCH", f"/Groups/{ids[TECHNICIANS]}")]
    assert settled.groups() == {"Engineers": members[TECHNICIANS], END_USERS: members[END_USERS]}
    assert settled.plan("--detailed-exitcode").code == 0


def test_two_groups_that_swap_names_keep_their_ids_and_members(settled: Office) -> None:
    members = settled.groups()
    ids = {each["externalId"]: key for key, each in settled.ninjaone.groups.items()}
    first, second = settled.people.scoped
    settled.people.rename_group(first, END_USERS)
    settled.people.rename_group(second, TECHNICIANS)
    settled.settle()
    assert settled.groups() == {TECHNICIANS: members[END_USERS], END_USERS: members[TECHNICIANS]}
    assert {each["externalId"]: key for key, each in settled.ninjaone.groups.items()} == ids
