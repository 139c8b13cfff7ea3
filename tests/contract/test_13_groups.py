"""What the contract says of the names of groups."""

from __future__ import annotations

import pytest

from tests.support.company import END_USERS, user
from tests.support.office import Office


@pytest.mark.parametrize("name", ["Helpdesk", 'Helpdesk (from AD sync "corp.example.com")', "id"])
@pytest.mark.parametrize("where", ["scope", "exclude", "push", "rename"])
def test_13_group_names_match_in_full_or_without_their_sync_suffix(office: Office, where: str, name: str) -> None:
    group = office.people.add_group('Helpdesk (from AD sync "corp.example.com")')
    office.people.join(office.duo(user(0)), group)
    wanted = group if name == "id" else name
    if where == "rename" and name == "id":
        wanted = "Helpdesk"  # [groups] rename speaks of names alone
    match where:
        case "scope":
            office.configure("scope", groups=[wanted])
        case "exclude":
            office.configure("scope", exclude_groups=[wanted])
        case "push":
            office.configure("groups", push=[wanted])
        case "rename":
            office.configure("scope", groups=[END_USERS, group])
            office.configure("groups", rename={wanted: "First Line"})

    planned = office.plan()

    everybody = {user(number): "create" for number in range(5)}
    match where:
        case "scope":
            assert (planned.actions(), planned.actions("group")) == ({user(0): "create"}, {"Helpdesk": "create"})
        case "exclude":
            del everybody[user(0)]
            assert planned.actions() == everybody
        case "push":
            assert planned.actions("group") == {"Helpdesk": "create"}
        case "rename":
            assert planned.actions("group") == {END_USERS: "create", "First Line": "create"}


def test_13_two_groups_that_would_get_one_display_name_are_held(office: Office) -> None:
    for name in ("Helpdesk", 'Helpdesk (from AD sync "corp.example.com")'):
        office.people.join(office.duo(user(0)), office.people.add_group(name))
    office.configure("scope", groups=[END_USERS, "Helpdesk"])

    planned = office.plan()

    assert planned.actions("group") == {END_USERS: "create"}
    held = [one for one in planned.json["problems"] if one["resource"] == "group"]
    assert [one["code"] for one in held] == ["duplicate-group-name"] * 2
    assert planned.code == 0
    assert office.run("plan").out.rstrip().endswith("2 held.")
    office.configure("groups", strip_sync_suffix=False)
    assert office.plan().problems() == {}
